"""Which networks, or none, and which mapping of values make a frame smallest? Decided by trial.

Where there is only one sensible way (photographs of 8 bits) nothing is tried; elsewhere a few
crops are coded in each way, and the shortest wins, tables included. Frames in which many pixels
repeat their neighbours may be graphics, which need no network: those are packed quickly as a whole
and compared.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hpac_cli.container.fields import MAX_BYTES_TILE, MAX_CODED_BITS, Coding, Frame, Part
from hpac_cli.image import Samples, kind_of_sample

from .cell_search import find_cells
from .colours import NEARLY_ALL, find_colours
from .efforts import Effort
from .networks import Networks
from .trial import FEW, MANY, Trials
from .turning import TRANSPOSED, UPSIDE_DOWN
from .values import MAX_TABLE, Ordered, pack_table, to_ordered

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


_LEAST_TURNED = 1 << 16
"""Pixels of the smallest frames whose tiles are turned; in smaller ones trials take longer than the coding."""
_TURNS = (0, UPSIDE_DOWN, TRANSPOSED, UPSIDE_DOWN | TRANSPOSED)
"""Orientations that are tried. Turning by half a circle changes next to nothing, so the other four are like these."""


def plan_frame(
    samples: Samples, *, networks: Networks, effort: Effort, tile: int, order: Sequence[int] = (), threads: int = 1
) -> Frame:
    """Decide how a frame is coded.

    Args:
        samples: (H, W, C).
        effort: which networks may code it, and how much is tried.
        tile: side of tiles that a network codes.
        order: of values that are names, for frames of one channel.
        threads: to spread trials over.
    """
    trials = Trials(to_ordered(samples), networks, effort.size, threads)
    turned = _choose_orientations(_plan(samples, trials, tile, order), trials, effort)
    return _choose_cells(turned, trials, effort)


def estimate_frame(
    samples: Samples, *, networks: Networks, effort: Effort, tile: int, order: Sequence[int] = ()
) -> float:
    """Estimate the bytes that a frame takes when it is coded as plan_frame decides, but not turned and without cells."""
    trials = Trials(to_ordered(samples), networks, effort.size)
    frame = _plan(samples, trials, tile, order)
    if len(frame.parts) == 1 and frame.parts[0].coding is Coding.BYTES:
        return _SLOWLY * trials.packed_bytes(frame.parts[0], frame.tile)
    return _frame_bytes(frame, trials, FEW)


def _plan(samples: Samples, trials: Trials, tile: int, order: Sequence[int]) -> Frame:
    height, width = samples.shape[:2]
    parts = _plan_parts(trials, order)
    coded = any(part.weights_digest for part in parts)
    frame = Frame(width, height, kind_of_sample(samples.dtype), tile if coded else MAX_BYTES_TILE, parts)
    if coded and _may_be_graphics(trials.ordered):
        graphics = replace(frame, tile=MAX_BYTES_TILE, parts=(_graphics_part(trials.ordered),))
        if _is_smaller_as_graphics(frame, graphics, trials):
            return graphics
    return frame


def _choose_cells(frame: Frame, trials: Trials, effort: Effort) -> Frame:
    """Decide how wide the values of each part are. Small networks tell it as well as large ones."""
    first, parts = 0, []
    for part in frame.parts:
        if part.weights_digest:
            samples = trials.ordered[..., first : first + part.channels]
            network = trials.networks.by_digest(trials.digest(_role_of(part), effort.tried_by))
            cells = find_cells(samples, network, part, one_in=effort.cells_one_in, threads=trials.threads)
            part = replace(part, cells=cells)
        parts.append(part)
        first += part.channels
    return replace(frame, parts=tuple(parts))


def _choose_orientations(frame: Frame, trials: Trials, effort: Effort) -> Frame:
    """Decide how each part's tiles are turned."""
    pixels = frame.width * frame.height
    if pixels < _LEAST_TURNED or not effort.crops:
        return frame
    crops = max(effort.crops if pixels >= 1 << 18 else effort.crops // 2, math.isqrt(pixels) // 256)
    first = itertools.accumulate((part.channels for part in frame.parts), initial=0)
    parts = (
        _choose_orientation(part, at, trials, crops, effort.tried_by) if part.weights_digest else part
        for part, at in zip(frame.parts, first, strict=False)
    )
    return replace(frame, parts=tuple(parts))


def _choose_orientation(part: Part, first: int, trials: Trials, crops: int, size: str) -> Part:
    """Try all orientations by some crops, then the better half by as many more.

    Tiles stay upright unless the crops gain more by turning than the standard error of that gain.
    """
    tried = replace(part, weights_digest=trials.digest(_role_of(part), size))
    bits = trials.turned_bits(tried, _TURNS, first, 2 * crops, slice(0, None, 2))
    better = bits.sum(axis=1).argsort(kind="stable")[: len(_TURNS) // 2]
    rivals = [0, *(int(i) for i in better if i)]
    more = trials.turned_bits(tried, [_TURNS[i] for i in rivals], first, 2 * crops, slice(1, None, 2))
    bits = np.hstack([bits[rivals], more])
    gains = bits[0] - bits
    best = int(gains.sum(axis=1).argmax())
    error = math.sqrt(2 * crops) * gains[best].std(ddof=1)
    return replace(part, orientation=_TURNS[rivals[best]]) if gains[best].sum() > error else part


def _role_of(part: Part) -> str:
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
    coded = _frame_bytes(frame, trials, FEW)
    if frame.width * frame.height <= _TINY_PIXELS:
        return trials.packed_bytes(part, graphics.tile, thoroughly=True) < coded
    packed = _SLOWLY * trials.packed_bytes(part, graphics.tile)
    if coded / _NEAR < packed < coded * _NEAR:
        packed = trials.packed_bytes(part, graphics.tile, thoroughly=True)
        coded = _frame_bytes(frame, trials, MANY)
    return packed < coded


def _frame_bytes(frame: Frame, trials: Trials, crops: int) -> float:
    first = itertools.accumulate((part.channels for part in frame.parts), initial=0)
    sizes = (trials.network_bytes(part, at, crops) for part, at in zip(frame.parts, first, strict=False))
    return sum(sizes) + _TILE_BYTES * frame.num_tiles


def _may_be_graphics(ordered: Ordered) -> bool:
    pixels = ordered.shape[0] * ordered.shape[1]
    return pixels <= _TINY_PIXELS or _flat_share(ordered) >= (_SMALL_FLAT if pixels <= _SMALL_PIXELS else _FLAT)


def _flat_share(ordered: Ordered) -> float:
    """Share of pixels that equal their left neighbour in all channels; of large frames, in some rows."""
    if ordered.shape[1] < 2:
        return 1.0
    rows = ordered[:: max(1, ordered.size // _LOOK_AT)]
    return float((rows[:, 1:] == rows[:, :-1]).all(axis=2).mean())


def _graphics_part(ordered: Ordered) -> Part:
    """All channels as one part that no network codes, in as few bits as they fit."""
    channels, bits = ordered.shape[2], 8 * ordered.dtype.itemsize
    whole = Part(channels, bits)
    return whole if bits == 8 else min([whole, *_mappings(ordered, channels)], key=lambda part: part.bit_depth)


def _plan_triple(trials: Trials, first: int) -> list[Part] | None:
    """Plan three channels together, or return None if they are better apart."""
    three = trials.ordered[..., first : first + 3]
    if three.max() == three.min():
        return [Part(3, 0, offset=int(three.min()))]
    together = [_with(part, trials.digest("rgb")) for part in _mappings(three, 3)]
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
    best = min(together, key=lambda part: trials.network_bytes(part, first))
    singles = [_plan_single(trials, first + c, ()) for c in range(3)]
    apart = sum(trials.network_bytes(part, first + c) for c, part in enumerate(singles))
    return [best] if trials.network_bytes(best, first) <= apart else singles


def _plan_single(trials: Trials, channel: int, order: Sequence[int]) -> Part:
    one = trials.ordered[..., channel : channel + 1]
    if one.max() == one.min():
        return Part(1, 0, offset=int(one.min()))
    candidates = [_with(part, trials.digest("grey")) for part in _mappings(one, 1, order)]
    if not candidates:
        return Part(1, 8 * one.dtype.itemsize)
    return min(candidates, key=lambda part: trials.network_bytes(part, channel)) if candidates[1:] else candidates[0]


def _with(part: Part, digest: bytes) -> Part:
    return Part(part.channels, part.bit_depth, digest, part.offset, part.table)


def _mappings(ordered: Ordered, channels: int, order: Sequence[int] = ()) -> Iterator[Part]:
    """List the mappings worth a trial that bring values to at most 16 bits."""
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
