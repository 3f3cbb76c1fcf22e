"""Cells of values: how wide each value of a part is on the scale of the mixtures, as levels in bytes and as edges.

Pictures that were stretched, gamma-corrected or white-balanced in 8 bits have values that come several times as often
as their neighbours, or hardly ever. A value's width is how often it comes over how often the network expects it.
Source: docs/format.md, "Cells".
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hpac_cli.core import EDGE_UNIT, MAX_SHIFTED, Edges
from hpac_cli.entropy.adaptive import BitReader, BitWriter
from hpac_cli.errors import ContainerError

Levels = NDArray[np.int64]
"""(P, 2**bit_depth) widths of values by plane (G, R, B), as logarithms in units of a step."""

STEPS = (1, 2, 4, 8)
"""How many sixteenths of an octave a level can count."""
LOWEST, HIGHEST = -96, 63
"""Sixteenths of an octave: the narrowest and the widest cell before drift is taken out."""
_OCTAVE = np.array(
    [
        *(16384, 17109, 17867, 18658, 19484, 20347, 21247, 22188),
        *(23170, 24196, 25268, 26386, 27554, 28774, 30048, 31379),
    ]
)
"""2**14 times 2**(i / 16), rounded."""
_SAMPLE = 256
"""Widths count in 1/256 sample."""
_DRIFT = 8
"""Edges follow the widths only as far as their means over so many values on either side do not."""
_WEIGHTS = _DRIFT + 1 - np.abs(np.arange(-_DRIFT, _DRIFT + 1))
_MOST_NEAR, _MOST_MAGNITUDE, _NONE_ABOVE = 2, 15, 2

_Context = tuple[int, int, int]
"""What a bit of a level is coded by; above is the level of the same value in the plane before."""


def pack_cells(levels: Levels, step: int) -> bytes:
    """Write levels, not all of which are 0."""
    writer = BitWriter()
    before = [0] * levels.shape[1]
    for plane in levels.tolist():
        left = 0
        for level, above in zip(plane, before, strict=True):
            _put(writer, level, left, above)
            left = level
        before = plane
    return bytes([STEPS.index(step)]) + writer.finish()


@lru_cache(maxsize=16)
def unpack_cells(data: bytes, planes: int, bit_depth: int) -> Edges:
    """Read levels, and make edges of them.

    Args:
        data: not empty.

    Raises:
        ContainerError: damaged.
    """
    if data[0] >= len(STEPS):
        raise ContainerError("cells of values are damaged")
    step, reader = STEPS[data[0]], BitReader(data[1:])
    most = max(HIGHEST, -LOWEST) // step
    levels = np.zeros((planes, 1 << bit_depth), np.int64)
    before = [0] * levels.shape[1]
    for plane in range(planes):
        row, left = [], 0
        for above in before:
            left = _get(reader, left, above, most)
            row.append(left)
        before = row
        levels[plane] = row
    reader.end()
    if not LOWEST <= step * levels.min() <= step * levels.max() <= HIGHEST:
        raise ContainerError("cells of values are damaged: a width is out of bounds")
    edges = find_edges(levels * step)
    edges.flags.writeable = False  # for all who ask
    return edges


def find_edges(widths: Levels) -> Edges:
    """Lay cells side by side.

    Args:
        widths: (P, N) logarithms in sixteenths of an octave, LOWEST to HIGHEST.
    """
    planes, count = widths.shape
    excess = np.zeros((planes, count + 1), np.int64)
    octave = widths >> 4
    np.cumsum((_OCTAVE[widths & 15] >> (6 - octave)) - _SAMPLE, axis=1, out=excess[:, 1:])
    wide = np.pad(excess, ((0, 0), (_DRIFT, _DRIFT)), "edge")
    drift = sum(int(weight) * wide[:, i : i + count + 1] for i, weight in enumerate(_WEIGHTS))
    total = int(_WEIGHTS.sum())
    unit = total * _SAMPLE // EDGE_UNIT
    shifts = np.clip((total * excess - drift + unit // 2) // unit, -MAX_SHIFTED, MAX_SHIFTED)
    edges = np.maximum.accumulate(plain_edges(1, (count - 1).bit_length()) + shifts, axis=1)
    return np.ascontiguousarray(edges, np.int32)


def find_shifts(edges: Edges) -> NDArray[np.float32]:
    """How far edges are from where they would be without cells, in samples."""
    plain = EDGE_UNIT * np.arange(edges.shape[1]) - EDGE_UNIT // 2
    return ((edges - plain) / EDGE_UNIT).astype(np.float32)


def plain_edges(planes: int, bit_depth: int) -> Edges:
    """Edges of cells that are all one sample wide."""
    return np.tile(np.arange((1 << bit_depth) + 1, dtype=np.int32) * EDGE_UNIT - EDGE_UNIT // 2, (planes, 1))


def _of_zero(left: int, above: int) -> _Context:
    """Context of whether a level is not 0."""
    return 0, min(abs(left), _MOST_NEAR), min(abs(above), _MOST_NEAR)


def _of_sign(left: int, above: int) -> _Context:
    """Context of whether a level is negative."""
    return 1, _sign(left), _sign(above)


def _of_more(magnitude: int, above: int) -> _Context:
    """Context of whether a level's magnitude is larger than this."""
    return 2, min(magnitude, _MOST_MAGNITUDE), _sign(magnitude - abs(above)) if above else _NONE_ABOVE


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _put(writer: BitWriter, level: int, left: int, above: int) -> None:
    writer.put(_of_zero(left, above), level != 0)
    if not level:
        return
    writer.put(_of_sign(left, above), level < 0)
    for magnitude in range(1, abs(level)):
        writer.put(_of_more(magnitude, above), 1)
    writer.put(_of_more(abs(level), above), 0)


def _get(reader: BitReader, left: int, above: int, most: int) -> int:
    if not reader.get(_of_zero(left, above)):
        return 0
    sign = -1 if reader.get(_of_sign(left, above)) else 1
    magnitude = 1
    while reader.get(_of_more(magnitude, above)):
        magnitude += 1
        if magnitude > most:
            raise ContainerError("cells of values are damaged: a width is out of bounds")
    return sign * magnitude
