"""Cells for one part of a frame: how wide its values are, by what a network expects in a sample of blocks.

A rough histogram says whether it is worth a look. Then the network runs over the sample once. Widths are what came over
what was expected, as fine as the bytes of their table allow; the best of some tables is kept if it pays.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpac_cli.container.fields import MAX_CELL_BITS, Part
from hpac_cli.core import Edges, Mixtures, TileCoder

from .cells import HIGHEST, LOWEST, STEPS, Levels, find_edges, pack_cells, plain_edges
from .colours import to_triples
from .networks import Network
from .threads import spread
from .turning import turn
from .values import Ordered, Values

Coded = NDArray[np.int32]
"""(H, W, P) coded values."""
Counts = NDArray[np.float64]
"""(P, 2**bit_depth) of values, by plane."""

_LEAST_PIXELS = 1 << 12
_BLOCK, _COLUMN = 64, 16
"""Side of a sample's blocks, and how many are coded below each other, so that statistics of a tile are as rich as in a
whole one."""
_SAMPLE, _MOST = 1 << 15, 1 << 18
"""Pixels of a sample, at least and at most."""
_NEAR = 2
"""A histogram is rough where counts differ from the mean of so many on either side."""
_ROUGH = 1024
"""Roughness is worth a look where telling it would save one byte for so many samples that are looked at, if nothing else
did."""
_VERY_ROUGH = 64
"""The same of all samples, for a sample that is twice as large."""
_PRIOR = 4
"""Samples that are added to what came and to what was expected of each value."""
_LOOK_AT = 1 << 22
"""Samples that are enough to count values."""
_TRIED = 4
"""Tables that are measured, of those that are estimated."""
_WIDE = 44
"""On the table of spreads, 0.42 samples. Where narrower mixtures, of which most lies in one value, lead to nothing, only the
others are asked."""
_MARGIN = 16
"""Bytes by which cells must pay."""
_LITTLE = 1.5
"""A sample of less than one pixel in so many."""


class _Fineness(NamedTuple):
    """How much of what was found goes into a table."""

    step: int
    least_bits: float
    """Widths that save fewer bits in the sample are left out."""


_FINENESS = [_Fineness(step, least) for step in STEPS for least in (1.5, 3, 5, 8)]


class _Table(NamedTuple):
    bits: float
    """What it saves in its sample if all mixtures are wide."""
    fineness: _Fineness
    levels: Levels

    @property
    def step(self) -> int:
        """Of its levels."""
        return self.fineness.step


def find_cells(ordered: Ordered, network: Network, part: Part, *, one_in: int, threads: int = 1) -> bytes:
    """Find cells that make a part smaller.

    Args:
        ordered: (H, W, C) ordered samples of the part's channels, of a whole frame.
        network: that is asked; need not be the one that codes them.
        one_in: one pixel in so many is looked at, more in small frames, fewer in large ones.

    Returns:
        As pack_cells writes them; nothing if none pay.
    """
    pixels = ordered.shape[0] * ordered.shape[1]
    if part.bit_depth > MAX_CELL_BITS or pixels < _LEAST_PIXELS:
        return b""
    values, size = Values(part), min(max(_SAMPLE, pixels // one_in), _MOST)
    columns = _draw(ordered, values, part, size)
    counts = _count_all(ordered, values, part)
    if counts is None:
        counts = _count_values(columns, part.bit_depth) * (pixels / _count(columns))
    roughness = _roughness(counts)
    if roughness * _ROUGH < ordered.size * one_in:
        return b""
    if roughness * _VERY_ROUGH > ordered.size:
        columns = _draw(ordered, values, part, 2 * size)
    block = min(_BLOCK, ordered.shape[0]) * min(_BLOCK, ordered.shape[1])
    sample = _collect(columns, block, network, part.bit_depth, threads)
    # a table that is fitted to little of the frame is judged by what it was not fitted to
    fitted, judge = sample.halves() if pixels > _LITTLE * sample.pixels else (sample, sample)
    plain = judge.lengths(plain_edges(part.channels, part.bit_depth))
    for least_spread in (0, _WIDE):
        found = fitted.expect(least_spread)
        tables = [_table(*found, fineness) for fineness in _FINENESS]
        tables = sorted((t for t in tables if t.levels.any()), key=lambda t: _estimate(t, pixels, fitted), reverse=True)
        best, saved = None, float(_MARGIN)
        for table in tables[:_TRIED]:
            gains = plain - judge.lengths(find_edges(table.step * table.levels))
            net = (_project(gains, pixels / judge.pixels) - _estimate_bits(table.levels)) / 8
            if net > saved:
                best, saved = table, net
        if best:
            final = best if fitted is sample else _table(*sample.expect(least_spread), best.fineness)
            return pack_cells(final.levels, final.step)
    return b""


def _project(gains: NDArray[np.float64], scale: float) -> float:
    """What the whole gains, less twice the standard error: (B,) gains of some of its blocks, of one in `scale`."""
    if scale > 1 and len(gains) < 2:
        return -math.inf  # one block tells nothing of its error
    error = 2 * (scale - 1) * math.sqrt(len(gains)) * gains.std(ddof=1) if scale > 1 else 0.0
    return float(scale * gains.sum() - error)


def _estimate(table: _Table, pixels: int, fitted: "_Sample") -> float:
    """Bits that a table may save."""
    return table.bits * pixels / fitted.pixels - _estimate_bits(table.levels)


def _draw(ordered: Ordered, values: Values, part: Part, pixels: int) -> list[Coded]:
    """Coded values of about so many pixels: blocks at even steps, many below each other in each column."""
    height, width = ordered.shape[:2]
    down, right = min(_BLOCK, height), min(_BLOCK, width)
    places = [(y, x) for y in range(0, height - down + 1, down) for x in range(0, width - right + 1, right)]
    count = min(len(places), -(-pixels // (down * right)))
    drawn = [places[(2 * i + 1) * len(places) // (2 * count)] for i in range(count)]
    drawn = drawn[::2] + drawn[1::2]  # so that each half is of the whole frame
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


def _count_values(columns: Sequence[Coded], bit_depth: int) -> Counts:
    planes = zip(*map(_by_plane, columns), strict=True)
    return np.stack([np.bincount(np.concatenate(each), minlength=1 << bit_depth) for each in planes]).astype(float)


def _count_all(ordered: Ordered, values: Values, part: Part) -> Counts | None:
    """How often each value comes in all of the frame; of large ones, by some of its rows. None of luma and chroma, which it
    would take too long to find."""
    if part.colours:
        return None
    step = max(1, ordered.size // _LOOK_AT)
    rows = _as_coded(values.to_coded(ordered[::step]), part)
    return _count_values([rows], part.bit_depth) * (len(ordered) / len(rows))


def _roughness(counts: Counts) -> float:
    """Bytes that it would save to know how often each value comes, if its neighbours' mean were known; chance left out."""
    window = np.ones(2 * _NEAR + 1)
    window[_NEAR] = 0
    wide = np.pad(counts, ((0, 0), (_NEAR, _NEAR)), "reflect")
    near = np.stack([np.convolve(plane, window / window.sum(), "valid") for plane in wide])
    nats = (counts * np.log((counts + _PRIOR) / (near + _PRIOR)) - counts + near).sum()
    chance = (1 + 1 / (2 * _NEAR)) / 2 * np.count_nonzero(counts)
    return float(nats - chance) / math.log(2) / 8


def _collect(columns: list[Coded], block: int, network: Network, bit_depth: int, threads: int) -> "_Sample":
    mixtures = list(spread(lambda c: network.coder.collect(c, bit_depth), columns, threads=threads))
    values = zip(*map(_by_plane, columns), strict=True)
    planes = [
        (np.concatenate([each[plane] for each in mixtures]), np.concatenate(met)) for plane, met in enumerate(values)
    ]
    return _Sample(network.coder, bit_depth, block, planes)


class _Sample(NamedTuple):
    """Samples and their mixtures."""

    coder: TileCoder
    bit_depth: int
    block: int
    """Pixels of each block; one follows another."""
    planes: list[tuple[Mixtures, NDArray[np.int32]]]
    """Of each plane (N, K) mixtures and (N,) values."""

    @property
    def pixels(self) -> int:
        """How many there are of each plane."""
        return len(self.planes[0][1])

    def halves(self) -> tuple["_Sample", "_Sample"]:
        """Those of the blocks that come first, and the others."""
        at = self.pixels // self.block // 2 * self.block
        first, second = ([(m[part], v[part]) for m, v in self.planes] for part in (slice(at), slice(at, None)))
        return self._replace(planes=first), self._replace(planes=second)

    def lengths(self, edges: Edges) -> NDArray[np.float64]:
        """Bits that each block takes, about."""
        lengths = np.zeros(self.pixels // self.block)
        for (mixtures, values), its_edges in zip(self.planes, edges, strict=True):
            for block in range(len(lengths)):
                inside = slice(block * self.block, (block + 1) * self.block)
                lengths[block] += self.coder.length(mixtures[inside], values[inside], self.bit_depth, its_edges)
        return lengths

    def expect(self, least_spread: int) -> tuple[Counts, Counts]:
        """How often each value came, and how often it was expected."""
        found = [self.coder.expect(*of_plane, self.bit_depth, least_spread) for of_plane in self.planes]
        met, expected = (np.stack(each) for each in zip(*found, strict=True))
        return met.astype(float), expected


def _table(met: Counts, expected: Counts, fineness: _Fineness) -> _Table:
    """Widths as what came over what was expected, as finely as is said."""
    ratios = np.clip(16 * np.log2((met + _PRIOR) / (expected + _PRIOR)), LOWEST, HIGHEST)
    step = fineness.step
    levels = np.trunc(ratios / step + np.copysign(0.5, ratios)).astype(np.int64)
    levels = np.clip(levels, -(-LOWEST // step), HIGHEST // step)
    octaves = levels * (step / 16)
    bits = met * octaves - expected * (2**octaves - 1) / math.log(2)
    kept = bits > fineness.least_bits
    return _Table(float(bits[kept].sum()), fineness, np.where(kept, levels, 0))


def _estimate_bits(levels: Levels) -> float:
    """About the bits that a table takes: the entropy of its levels."""
    _, counts = np.unique(levels, return_counts=True)
    return float(-(counts * np.log2(counts / levels.size)).sum())
