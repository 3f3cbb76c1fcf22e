"""The parts of a frame: which networks, or none, and which mapping of values make it smallest, decided by trial.

Where there is only one sensible way (photographs of 8 bits) nothing is tried; elsewhere a few
crops are coded in each way, and the shortest wins, tables included. Frames in which many pixels
repeat their neighbours may be graphics, which need no network: those are packed quickly as a whole
and compared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hpac_cli.container.fields import MAX_BYTES_TILE, MAX_CODED_BITS, MAX_WHOLE, Frame, Part
from hpac_cli.image import Samples, kind_of_sample

from .colours import NEARLY_ALL, find_colours
from .likeness import look_at, order_by_likeness
from .reference_search import can_tell
from .trial import FEW, MANY, Trials
from .values import MAX_TABLE, Ordered, Values, from_ordered, pack_table

_FULL = 0.95
"""A range that is used to a larger share than this is not packed."""
_FLAT = 0.35
"""Frames of which a larger share of pixels equal the pixel before may be graphics. Photographs with plain
skies have up to 0.3."""
_SMALL_FLAT, _SMALL_PIXELS, _TINY_PIXELS = 0.1, 1 << 16, 1 << 13
"""In small frames, where trials cost little, a smaller share is enough; tiny ones are always tried."""
_LOOK_AT = 1 << 24
"""Samples that are enough to tell that, and that are looked at at once."""
_SLOWLY = 0.92
"""What packing graphics thoroughly usually leaves of packing them quickly."""
_NEAR = 1.8
"""Where neither way of packing is quickly so many times smaller, look closer."""
_TILE_BYTES = 10
"""What a tile costs beside its payload."""


def plan_together(samples: Samples, trials: Trials, tile: int, order: Sequence[int]) -> Frame:
    """Decide how a frame is coded, three channels together where that is smaller.

    Args:
        samples: (H, W, C).
        trials: of the frame.
        tile: side of tiles that a network codes.
        order: of values that are names, for frames of one channel.
    """
    height, width = samples.shape[:2]
    parts = _plan_parts(trials, order)
    coded = any(part.weights_digest for part in parts)
    frame = Frame(width, height, kind_of_sample(samples.dtype), tile if coded else MAX_BYTES_TILE, parts)
    if coded and _may_be_graphics(trials.ordered):
        graphics = replace(frame, tile=MAX_BYTES_TILE, parts=(_graphics_part(trials),))
        if _is_smaller_as_graphics(frame, graphics, trials):
            return graphics
    return frame


def plan_apart(samples: Samples, trials: Trials, tile: int) -> Frame:
    """Decide how a frame is coded if each channel is by itself, those that are alike after each other; as for plan_together."""
    height, width, channels = samples.shape
    parts = [_plan_single(trials, channel, ()) for channel in range(channels)]
    alike = [channel for channel, part in enumerate(parts) if can_tell(part)]
    looks = [look_at(Values(parts[channel]).to_coded(trials.ordered[..., channel])) for channel in alike]
    order = [alike[at] for at in order_by_likeness(looks)] if looks else []
    order += [channel for channel in range(channels) if channel not in alike]
    coded = any(part.weights_digest for part in parts)
    return Frame(
        *(width, height, kind_of_sample(samples.dtype), tile if coded else MAX_BYTES_TILE),
        tuple(parts[channel] for channel in order),
        tuple(order) if order != sorted(order) else (),
    )


def role_of(part: Part) -> str:
    """Which network codes a part."""
    return "ycc" if part.colours else "rgb" if part.channels == 3 else "grey"


def _plan_parts(trials: Trials, order: Sequence[int]) -> tuple[Part, ...]:
    channels = trials.ordered.shape[2]
    parts: list[Part] = []
    first = 0
    while first < channels:
        triple = _plan_triple(trials, first) if channels - first >= 3 else None
        parts += triple or [_plan_single(trials, first, order if channels == 1 else ())]
        first += 3 if triple else 1
    return tuple(parts)


def _is_smaller_as_graphics(frame: Frame, graphics: Frame, trials: Trials) -> bool:
    """Compare two ways to code a frame, closer if they are near each other."""
    (part,) = graphics.parts
    coded = frame_bytes(frame, trials, FEW)
    if frame.width * frame.height <= _TINY_PIXELS:
        return trials.packed_bytes(part, graphics.tile, thoroughly=True) < coded
    packed = packed_frame_bytes(graphics, trials)
    if coded / _NEAR < packed < coded * _NEAR:
        packed = trials.packed_bytes(part, graphics.tile, thoroughly=True)
        coded = frame_bytes(frame, trials, MANY)
    return packed < coded


def frame_bytes(frame: Frame, trials: Trials, crops: int) -> float:
    """Estimate the bytes that a frame takes that networks code.

    Args:
        crops: of each part that are coded.
    """
    sizes = (
        trials.network_bytes(part, channels, crops)
        for part, channels in zip(frame.parts, frame.channels_of, strict=True)
    )
    return sum(sizes) + _TILE_BYTES * frame.num_tiles


def packed_frame_bytes(frame: Frame, trials: Trials) -> float:
    """Estimate the bytes that a frame takes whose one part no network codes."""
    return _SLOWLY * trials.packed_bytes(frame.parts[0], frame.tile)


def _may_be_graphics(ordered: Ordered) -> bool:
    pixels = ordered.shape[0] * ordered.shape[1]
    return pixels <= _TINY_PIXELS or _flat_share(ordered) >= (_SMALL_FLAT if pixels <= _SMALL_PIXELS else _FLAT)


def _flat_share(ordered: Ordered) -> float:
    """Share of pixels that equal their left neighbour in all channels; of large frames, in some rows."""
    if ordered.shape[1] < 2:
        return 1.0
    rows = ordered[:: max(1, ordered.size // _LOOK_AT)]
    return float((rows[:, 1:] == rows[:, :-1]).all(axis=2).mean())


def _graphics_part(trials: Trials) -> Part:
    """All channels as one part that no network codes, in as few bits as they fit."""
    ordered = trials.ordered
    channels, bits = ordered.shape[2], 8 * ordered.dtype.itemsize
    plain = Part(channels, bits)
    if bits == 8:
        return plain
    return min([plain, *_mappings(ordered, channels, is_float=trials.is_float)], key=lambda part: part.bit_depth)


def _plan_triple(trials: Trials, first: int) -> list[Part] | None:
    """Plan three channels together, or return None if they are better apart."""
    three = trials.ordered[..., first : first + 3]
    if three.max() == three.min():
        return [Part(3, 0, offset=int(three.min()))]
    together = [_with(part, trials.digest("rgb")) for part in _mappings(three, 3, is_float=trials.is_float)]
    if not together:
        return None
    constant = any(three[..., c].min() == three[..., c].max() for c in range(3))
    if three.dtype.itemsize == 1 and not constant:
        colours, share = find_colours(three)
        if colours:
            made = Part(3, 8, trials.digest("ycc"), colours=colours)
            together = [made] if share >= NEARLY_ALL else [made, *together]
        if len(together) == 1:
            return together  # a photograph
    channels = slice(first, first + 3)
    best = min(together, key=lambda part: trials.network_bytes(part, channels))
    singles = [_plan_single(trials, first + c, ()) for c in range(3)]
    apart = sum(trials.network_bytes(part, [first + c]) for c, part in enumerate(singles))
    return [best] if trials.network_bytes(best, channels) <= apart else singles


def _plan_single(trials: Trials, channel: int, order: Sequence[int]) -> Part:
    one = trials.ordered[..., channel : channel + 1]
    if one.max() == one.min():
        return Part(1, 0, offset=int(one.min()))
    candidates = [_with(part, trials.digest("grey")) for part in _mappings(one, 1, order, is_float=trials.is_float)]
    if not candidates:
        return Part(1, 8 * one.dtype.itemsize)
    return min(candidates, key=lambda part: trials.network_bytes(part, [channel])) if candidates[1:] else candidates[0]


def _with(part: Part, digest: bytes) -> Part:
    return replace(part, weights_digest=digest)


def _mappings(ordered: Ordered, channels: int, order: Sequence[int] = (), *, is_float: bool = False) -> Iterator[Part]:
    """List the mappings worth a trial that bring values to at most 16 bits."""
    if is_float and (whole := _whole_numbers(ordered, channels)):
        yield whole
    low, high = int(ordered.min()), int(ordered.max())
    span = high - low + 1
    if ordered.dtype.itemsize == 1:
        yield Part(channels, 8)
    elif high < 1 << MAX_CODED_BITS and high.bit_length() <= (high - low).bit_length():
        yield Part(channels, high.bit_length())
    elif span <= 1 << MAX_CODED_BITS:
        yield Part(channels, (high - low).bit_length(), offset=low)
    used = _used_values(ordered)
    if used is None:
        return
    if len(used) < _FULL * span:
        yield Part(channels, (len(used) - 1).bit_length(), table=pack_table(used))
    if order:
        known = [value for value in order if value in set(used.tolist())]
        if len(known) == len(used) and known != sorted(known):
            yield Part(channels, (len(used) - 1).bit_length(), table=pack_table(np.array(known, np.uint64)))


def _whole_numbers(ordered: Ordered, channels: int) -> Part | None:
    """The mapping of floats to the whole numbers that they hold, if they do."""
    floats = from_ordered(ordered, f"f{ordered.dtype.itemsize}")
    low, high = float(floats.min()), float(floats.max())  # NaN compares as false
    if not -MAX_WHOLE <= low <= high <= MAX_WHOLE or high - low >= 1 << MAX_CODED_BITS:
        return None
    part = Part(channels, max(1, int(high - low).bit_length()), offset=int(low), whole=True)
    values = Values(part)
    same = values.from_coded(values.to_coded(ordered), f"u{ordered.dtype.itemsize}") == ordered
    return part if same.all() else None


def _used_values(ordered: Ordered) -> NDArray[np.uint64] | None:
    """Ordered samples that occur, ascending; None if they are too many for a table."""
    if ordered.dtype.itemsize <= 2:
        is_used = np.zeros(1 << 8 * ordered.dtype.itemsize, bool)
        rows = max(1, _LOOK_AT // ordered[0].size)
        for top in range(0, len(ordered), rows):
            is_used[ordered[top : top + rows]] = True
        return np.flatnonzero(is_used).astype(np.uint64)
    if len(np.unique(ordered.reshape(-1)[: 4 * MAX_TABLE])) > MAX_TABLE:
        return None  # already a part of them says so
    used = np.unique(ordered)
    return used.astype(np.uint64) if len(used) <= MAX_TABLE else None
