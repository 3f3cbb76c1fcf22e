"""Bits to bytes and back by arithmetic coding, each bit in a context that learns how often it is 1.

For the few hundred small numbers of a table; needs no library. Source: docs/format.md, "Cells".
"""

from collections.abc import Hashable

from hpac_cli.errors import ContainerError

_TOP, _BYTE = (1 << 32) - 1, 24
_MOST = 255
"""Bits that a context counts before it halves what it has counted, so that it follows changes."""
_BEYOND = 4
"""Bytes that a reader holds, and so may read beyond the end."""


class _Contexts:
    """Counts of zeros and ones by context, and the interval that is left."""

    def __init__(self) -> None:
        self._counts: dict[Hashable, list[int]] = {}
        self._low, self._high = 0, _TOP

    def _split(self, counts: list[int]) -> int:
        """The highest point of the interval's part for a 1."""
        zeros, ones = 2 * counts[0] + 1, 2 * counts[1] + 1
        return self._low + (self._high - self._low) * ones // (zeros + ones)

    def _take(self, counts: list[int], bit: int, middle: int) -> None:
        if bit:
            self._high = middle
        else:
            self._low = middle + 1
        counts[bit] += 1
        if counts[0] + counts[1] > _MOST:
            counts[:] = counts[0] >> 1, counts[1] >> 1

    def _shift(self) -> None:
        self._low = self._low << 8 & _TOP
        self._high = self._high << 8 & _TOP | 255

    def _is_settled(self) -> bool:
        """Whether all points of the interval have the same highest byte."""
        return not (self._low ^ self._high) >> _BYTE


class BitWriter(_Contexts):
    """Writes bits."""

    def __init__(self) -> None:
        super().__init__()
        self._out = bytearray()

    def put(self, context: Hashable, bit: int) -> None:
        """Write a bit."""
        counts = self._counts.setdefault(context, [0, 0])
        self._take(counts, bit, self._split(counts))
        while self._is_settled():
            self._out.append(self._low >> _BYTE)
            self._shift()

    def finish(self) -> bytes:
        """All bytes: the fewest that, with zeros behind them, name a point of the interval."""
        for size in range(_BEYOND + 1):
            unit = 1 << 8 * (_BEYOND - size)
            point = -(-self._low // unit) * unit
            if point <= self._high:
                return bytes(self._out + point.to_bytes(_BEYOND, "big")[:size])
        raise AssertionError("four bytes name any point")


class BitReader(_Contexts):
    """Reads back what a BitWriter wrote."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data, self._at = data, 0
        self._point = 0
        for _ in range(_BEYOND):
            self._read()

    def _read(self) -> None:
        byte = self._data[self._at] if self._at < len(self._data) else 0
        self._point = self._point << 8 & _TOP | byte
        self._at += 1

    def get(self, context: Hashable) -> int:
        """Read a bit.

        Raises:
            ContainerError: the data ended before.
        """
        counts = self._counts.setdefault(context, [0, 0])
        middle = self._split(counts)
        bit = int(self._point <= middle)
        self._take(counts, bit, middle)
        while self._is_settled():
            self._shift()
            self._read()
        if self._at > len(self._data) + _BEYOND:
            raise ContainerError("coded numbers end early")
        return bit

    def end(self) -> None:
        """Make sure that nothing is left.

        Raises:
            ContainerError: something is.
        """
        if self._at < len(self._data):
            raise ContainerError("coded numbers are followed by something")
