"""Which networks, and which reversible mapping of values, make a frame smallest? Decided by trial.

Where there is only one sensible way (photographs of 8 bits) nothing is tried; elsewhere a few
crops are coded in each way, and the shortest wins, tables included.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpac_cli.container.fields import MAX_CODED_BITS, Frame, Part
from hpac_cli.image import Samples, kind_of_sample
from hpac_cli.intnet.planes import to_planes

from .networks import Networks
from .tiles import encode_tile
from .values import MAX_TABLE, Ordered, Values, pack_table, to_ordered

_CROP = 96
_CROPS = 4
_FULL = 0.95
"""A range that is used to a larger share than this is not packed."""
_LARGE_TILE = 1024
"""Tile side of frames that no network codes: a general compressor wants long runs."""


def plan_frame(samples: Samples, *, networks: Networks, tile: int, order: Sequence[int] = ()) -> Frame:
    """Decide how a frame is coded.

    Args:
        samples: (H, W, C).
        tile: side of tiles that a network codes.
        order: of values that are names, for frames of one channel.
    """
    height, width, channels = samples.shape
    ordered = to_ordered(samples)
    parts: list[Part] = []
    first = 0
    while first < channels:
        triple = _plan_triple(ordered[..., first : first + 3], networks) if channels - first >= 3 else None
        parts += triple or [_plan_single(ordered[..., first : first + 1], networks, order if channels == 1 else ())]
        first += 3 if triple else 1
    coded = any(part.weights_digest for part in parts)
    return Frame(width, height, kind_of_sample(samples.dtype), tile if coded else _LARGE_TILE, tuple(parts))


def _plan_triple(ordered: Ordered, networks: Networks) -> list[Part] | None:
    """Plan three channels together, or return None if they are better apart."""
    if ordered.max() == ordered.min():
        return [Part(3, 0, offset=int(ordered.min()))]
    together = [_with(part, networks.digest("rgb")) for part in _mappings(ordered, 3)]
    if not together:
        return None
    constant = any((ordered[..., c] == ordered[0, 0, c]).all() for c in range(3))
    if ordered.dtype.itemsize == 1 and len(together) == 1 and not constant:
        return together  # a photograph
    best = min(together, key=lambda part: _trial(ordered, part, networks))
    singles = [_plan_single(ordered[..., c : c + 1], networks, ()) for c in range(3)]
    apart = sum(_trial(ordered[..., c : c + 1], part, networks) for c, part in enumerate(singles))
    return [best] if _trial(ordered, best, networks) <= apart else singles


def _plan_single(ordered: Ordered, networks: Networks, order: Sequence[int]) -> Part:
    if ordered.max() == ordered.min():
        return Part(1, 0, offset=int(ordered.min()))
    candidates = [_with(part, networks.digest("grey")) for part in _mappings(ordered, 1, order)]
    if not candidates:
        return Part(1, 8 * ordered.dtype.itemsize)
    return min(candidates, key=lambda part: _trial(ordered, part, networks)) if len(candidates) > 1 else candidates[0]


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
        counts = np.bincount(ordered.reshape(-1), minlength=1)
        return np.flatnonzero(counts).astype(np.uint64)
    if len(np.unique(ordered.reshape(-1)[: 4 * MAX_TABLE])) > MAX_TABLE:
        return None  # already a part of them says so
    used = np.unique(ordered)
    return used.astype(np.uint64) if len(used) <= MAX_TABLE else None


def _trial(ordered: Ordered, part: Part, networks: Networks) -> float:
    """Estimate bytes for the part: its crops' share of the frame, and its table."""
    if part.bit_depth == 0:
        return 0
    if not part.weights_digest:
        return float(ordered.size * ordered.dtype.itemsize)
    network, values = networks.by_digest(part.weights_digest), Values(part)
    coded, pixels = 0.0, 0
    for crop in _crops(ordered):
        planes = torch.from_numpy(np.ascontiguousarray(values.to_coded(crop).transpose(2, 0, 1)))
        coded += len(encode_tile(network, to_planes(planes.to(network.device)), part.bit_depth))
        pixels += crop.shape[0] * crop.shape[1]
    share: float = ordered.shape[0] * ordered.shape[1] / pixels
    return coded * share + len(part.table)


def _crops(ordered: Ordered) -> Iterator[NDArray[Any]]:
    """Cut crops from all over the frame, along its diagonals."""
    height, width = ordered.shape[:2]
    if height * width <= _CROPS * _CROP * _CROP:
        yield ordered
        return
    for i in range(_CROPS):
        down, right = (i + 0.5) / _CROPS, ((2 * i) % _CROPS + 0.5 + i // 2) / _CROPS
        y, x = int(down * max(0, height - _CROP)), int(right * max(0, width - _CROP))
        yield ordered[y : y + _CROP, x : x + _CROP]
