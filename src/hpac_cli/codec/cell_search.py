"""Cells for one part of a frame: how wide its values are, by what a network expects in a sample of blocks.

A rough histogram says whether it is worth a look. Then the network runs over the sample once. Widths are what came over
what was expected, as fine as the bytes of their table allow; the best of some tables is kept if it pays.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpac_cli.container.fields import MAX_CELL_BITS, Part
from hpac_cli.core import Edges

from .cells import HIGHEST, LOWEST, STEPS, Levels, find_edges, pack_cells, plain_edges
from .colours import to_triples
from .networks import Network
from .threads import spread
from .turning import turn
from .values import Ordered, Values

Coded = NDArray[np.int32]
"""(H, W, P) coded values."""

_LEAST_PIXELS = 1 << 12
_BLOCK, _COLUMN = 64, 16
"""Side of a sample's blocks, and how many are coded below each other, so that statistics of a tile are as rich as in a
whole one."""
_SAMPLE, _SHARE, _MOST = 1 << 15, 8, 1 << 17
"""Pixels of a sample: so many; more where that is less than one in so many; and at most so many."""
_NEAR = 2
"""A histogram is rough where counts differ from the mean of so many on either side."""
_ROUGH = 600
"""Bytes that telling the roughness would save a network that sees no difference between values. What saves less is not
worth a look."""
_VERY_ROUGH = 64
"""A sample twice as large is worth while from one byte for so many samples on."""
_PRIOR = 4
"""Samples that are added to what came and to what was expected of each value."""
_LEAST_BITS = (1.5, 3, 5, 8)
"""Widths that save fewer bits are left out of a table."""
_TRIED = 4
"""Tables that are measured, of those that are estimated."""
_MARGIN = 16
"""Bytes by which cells must pay."""
_CHANCE = 1 / math.log(2)
"""Bits that a width saves in the sample by chance alone and costs elsewhere: half a nat each."""


class _Table(NamedTuple):
    saved: float
    """Bytes, about, what it takes subtracted."""
    step: int
    levels: Levels


def find_cells(ordered: Ordered, network: Network, part: Part, threads: int = 1) -> bytes:
    """Find cells that make a part smaller.

    Args:
        ordered: (H, W, C) ordered samples of the part's channels, of a whole frame.
        network: that codes them.

    Returns:
        As pack_cells writes them; nothing if none pay.
    """
    pixels = ordered.shape[0] * ordered.shape[1]
    if part.bit_depth > MAX_CELL_BITS or pixels < _LEAST_PIXELS:
        return b""
    values, size = Values(part), min(max(_SAMPLE, pixels // _SHARE), _MOST)
    columns = _draw(ordered, values, part, size)
    roughness = _roughness(columns, part.bit_depth) * pixels / _count(columns)
    if roughness < _ROUGH:
        return b""
    if roughness * _VERY_ROUGH > ordered.size:
        columns = _draw(ordered, values, part, 2 * size)
    sample = _Sample(columns, network, part.bit_depth, threads)
    scale = pixels / sample.pixels
    best, packed = float(_MARGIN), b""
    plain = sample.length(plain_edges(part.channels, part.bit_depth))
    for table in sorted(sample.tables(scale), key=lambda table: -table.saved)[:_TRIED]:
        data = pack_cells(table.levels, table.step)
        saved = plain - sample.length(find_edges(table.step * table.levels))
        chance = _CHANCE * np.count_nonzero(table.levels)
        net = (scale * saved - (scale - 1) * chance) / 8 - len(data)
        if net > best:
            best, packed = net, data
    return packed


def _draw(ordered: Ordered, values: Values, part: Part, pixels: int) -> list[Coded]:
    """Coded values of about so many pixels: blocks at even steps, many below each other in each column."""
    height, width = ordered.shape[:2]
    down, right = min(_BLOCK, height), min(_BLOCK, width)
    places = [(y, x) for y in range(0, height - down + 1, down) for x in range(0, width - right + 1, right)]
    count = min(len(places), -(-pixels // (down * right)))
    drawn = [places[(2 * i + 1) * len(places) // (2 * count)] for i in range(count)]
    blocks = [turn(values.to_coded(ordered[y : y + down, x : x + right]), part.orientation) for y, x in drawn]
    columns = [np.concatenate(blocks[i : i + _COLUMN]) for i in range(0, count, _COLUMN)]
    return [_as_coded(column, part) for column in columns]


def _as_coded(values: NDArray[Any], part: Part) -> Coded:
    return to_triples(values, part.colours)[0] if part.colours else np.ascontiguousarray(values, np.int32)


def _count(columns: Sequence[Coded]) -> int:
    return sum(column.shape[0] * column.shape[1] for column in columns)


def _by_plane(column: Coded) -> list[NDArray[np.int32]]:
    """Values of each plane in the core's order: G, R, B."""
    order = (1, 0, 2) if column.shape[2] == 3 else (0,)
    return [np.ascontiguousarray(column[..., channel]).reshape(-1) for channel in order]


def _roughness(columns: Sequence[Coded], bit_depth: int) -> float:
    """Bytes that it would save to know how often each value comes, if its neighbours' mean were known; chance left out."""
    nats = 0.0
    window = np.ones(2 * _NEAR + 1)
    window[_NEAR] = 0
    for plane in zip(*map(_by_plane, columns), strict=True):
        counts = np.bincount(np.concatenate(plane), minlength=1 << bit_depth).astype(float)
        near = np.convolve(np.pad(counts, _NEAR, "reflect"), window / window.sum(), "valid")
        nats += (counts * np.log((counts + _PRIOR) / (near + _PRIOR)) - counts + near).sum()
        nats -= (1 + 1 / (2 * _NEAR)) / 2 * np.count_nonzero(counts)
    return float(nats) / math.log(2) / 8


class _Sample:
    """The mixtures of a sample, and what they met."""

    def __init__(self, columns: list[Coded], network: Network, bit_depth: int, threads: int) -> None:
        self._coder, self._depth, self.pixels = network.coder, bit_depth, _count(columns)
        mixtures = list(spread(lambda c: network.coder.collect(c, bit_depth), columns, threads=threads))
        self._planes = [
            (np.concatenate([each[plane] for each in mixtures]), np.concatenate(values))
            for plane, values in enumerate(zip(*map(_by_plane, columns), strict=True))
        ]

    def length(self, edges: Edges) -> float:
        """Bits that the sample takes, about."""
        planes = zip(self._planes, edges, strict=True)
        return sum(self._coder.length(*of_plane, self._depth, its_edges) for of_plane, its_edges in planes)

    def tables(self, scale: float) -> Iterator[_Table]:
        """Tables of several precisions, and what they may save.

        Args:
            scale: pixels of the whole for one of the sample.
        """
        found = [self._coder.expect(*of_plane, self._depth) for of_plane in self._planes]
        met, expected = (np.stack(each) for each in zip(*found, strict=True))
        ratios = np.clip(16 * np.log2((met + _PRIOR) / (expected + _PRIOR)), LOWEST, HIGHEST)
        for step in STEPS:
            levels = np.trunc(ratios / step + np.copysign(0.5, ratios)).astype(np.int64)
            levels = np.clip(levels, -(-LOWEST // step), HIGHEST // step)
            octaves = levels * (step / 16)
            bits = scale * (met * octaves - expected * (2**octaves - 1) / math.log(2))
            for least in _LEAST_BITS:
                kept = np.where(bits > least, levels, 0)
                if kept.any():
                    yield _Table((bits[kept != 0].sum() - _estimate_bits(kept)) / 8, step, kept)


def _estimate_bits(levels: Levels) -> float:
    """About the bits that a table takes: the entropy of its levels."""
    _, counts = np.unique(levels, return_counts=True)
    return float(-(counts * np.log2(counts / levels.size)).sum())
