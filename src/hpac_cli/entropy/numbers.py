"""Small signed integers, written as symbols of a two-sided geometric distribution.

Each vector says which of 32 widths its distribution has; width 0 is for vectors of zeros, which
take nothing more. Escapes follow their vector. Source: docs/format.md, "Adapters".
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from hpac_cli.errors import ContainerError

from .coder import TOTAL_BITS, SymbolDecoder, check_columns, encode_intervals, leave_room, make_rows

Numbers = NDArray[np.int64]

NUM_WIDTHS = 32
WIDTH_BITS = 5
LARGEST = 28
"""Numbers of larger magnitude are escapes."""
_TOTAL = 1 << TOTAL_BITS
_START = 1 << 40
_MAX_ESCAPE_BITS = 16


@cache
def _cumulative(width: int) -> NDArray[np.int32]:
    """(59,) masses in units of 2**-24 of an escape, then of -28 to 28: each magnitude is width**2 / (width**2 + 64) times as likely as the one before."""
    masses = [_START]
    for _ in range(LARGEST + 1):
        masses.append(masses[-1] * width**2 // (width**2 + 64))
    sides = masses[1 : LARGEST + 1]
    running = np.cumsum([0, 2 * masses[-1] + 1, *reversed(sides), masses[0], *sides], dtype=object)
    return np.array([edge * _TOTAL // running[-1] for edge in running], np.int32)


_UNIFORM = (np.arange(NUM_WIDTHS + 1) << (TOTAL_BITS - WIDTH_BITS)).astype(np.int32)
_HALF = np.array([0, _TOTAL >> 1, _TOTAL], np.int32)


class NumberWriter:
    """Collects vectors, then codes them."""

    def __init__(self) -> None:
        self._left: list[NDArray[np.int32]] = []
        self._width: list[NDArray[np.int32]] = []

    def put(self, symbol: int) -> None:
        """Write one of 32 equally likely symbols."""
        self._symbols(_UNIFORM, np.array([symbol]))

    def put_vector(self, values: Numbers) -> None:
        """Write a vector in the width that suits it best."""
        width = best_width(values)
        self.put(width)
        if not width:
            return
        is_small = np.abs(values) <= LARGEST
        self._symbols(_cumulative(width), np.where(is_small, values + LARGEST + 1, 0))
        for value in values[~is_small].tolist():
            self._escape(value)

    def _escape(self, value: int) -> None:
        number = abs(value) - LARGEST
        size = number.bit_length() - 1
        low = [number >> i & 1 for i in reversed(range(size))]
        self._symbols(_HALF, np.array([int(value < 0), *[1] * size, 0, *low]))

    def _symbols(self, cumulative: NDArray[np.int32], symbols: Numbers) -> None:
        reduced = leave_room(cumulative, len(cumulative) - 1)
        below, above = reduced[symbols], reduced[symbols + 1]
        self._left.append(below + symbols.astype(np.int32) + 1)
        self._width.append(above - below + 1)

    def finish(self) -> bytes:
        """The range coder's words."""
        return encode_intervals(np.concatenate(self._left), np.concatenate(self._width))


class NumberReader:
    """Reads back what a NumberWriter wrote."""

    def __init__(self, data: bytes) -> None:
        """Begin to read.

        Raises:
            ContainerError: not a whole number of words.
        """
        self._decoder = SymbolDecoder(data)

    def get(self) -> int:
        """Read one of 32 equally likely symbols.

        Raises:
            ContainerError: damaged.
        """
        return self._symbol(_UNIFORM)

    def get_vector(self, count: int) -> Numbers:
        """Read a vector of `count` numbers.

        Raises:
            ContainerError: damaged.
        """
        width = self.get()
        if not width:
            return np.zeros(count, np.int64)
        values = self._symbols(_cumulative(width), count) - LARGEST - 1
        for i in np.flatnonzero(values < -LARGEST):
            values[i] = self._escape()
        return values

    def _escape(self) -> int:
        sign = -1 if self._symbol(_HALF) else 1
        size = 0
        while self._symbol(_HALF):
            size += 1
            if size >= _MAX_ESCAPE_BITS:
                raise ContainerError("an adapter is damaged: a number does not end")
        number = 1
        for _ in range(size):
            number = 2 * number + self._symbol(_HALF)
        return sign * (number + LARGEST)

    def _symbol(self, cumulative: NDArray[np.int32]) -> int:
        return int(self._symbols(cumulative, 1)[0])

    def _symbols(self, cumulative: NDArray[np.int32], count: int) -> Numbers:
        columns = self._decoder.decode(make_rows(cumulative[:, None]).repeat(count, 0))
        check_columns(columns, len(cumulative) - 1)
        return columns.astype(np.int64) - 1

    def end(self) -> None:
        """Make sure that nothing is left.

        Raises:
            ContainerError: something is.
        """
        if not self._decoder.is_exhausted():
            raise ContainerError("an adapter is damaged: it is longer than its numbers")


def best_width(values: Numbers) -> int:
    """The width in which a vector takes the fewest bits, 0 for zeros."""
    if not values.any():
        return 0
    return min(range(1, NUM_WIDTHS), key=lambda width: count_bits(values, width))


def count_bits(values: Numbers, width: int) -> float:
    """Bits that a vector takes in a width, about."""
    size = np.abs(values)
    masses = np.diff(_cumulative(width)).clip(min=1)
    bits = TOTAL_BITS - np.log2(masses[np.where(size <= LARGEST, values + LARGEST + 1, 0)])
    return float((bits + np.where(size > LARGEST, 2 + 2 * np.log2(np.maximum(size - LARGEST, 1)), 0)).sum())
