"""Symbols of integer distributions to words of the range coder and back.

A distribution over n symbols is a list of n + 1 cumulative masses in units of 2**-24. Every
symbol, and one dummy on each side that never occurs, gets at least 1 of 2**24. The coder's
model is constriction's Categorical with perfect=False: for rows of whole numbers that sum to
2**24 - columns it scales by exactly 1, so each table entry is the number plus 1.
Source: docs/format.md, "Entropy coding".
"""

from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from hpac_cli.errors import ContainerError

TOTAL_BITS = 24
_TOTAL = 1 << TOTAL_BITS

_family: Any = constriction.stream.model.Categorical(perfect=False)


def leave_room(cumulative: NDArray[np.int32], num_symbols: int) -> NDArray[np.int32]:
    """Shrink cumulative masses so that each of num_symbols + 2 columns can be given 1 more.

    Args:
        cumulative: any shape, 0 to 2**24.
        num_symbols: at most 62, so that the product fits int32.

    Returns:
        The same shape, 0 to 2**24 - num_symbols - 2; order is kept.
    """
    columns = num_symbols + 2
    reduced: NDArray[np.int32] = cumulative - ((cumulative * np.int32(columns)) >> TOTAL_BITS)
    return reduced


def encode_intervals(left: NDArray[np.int32], width: NDArray[np.int32]) -> bytes:
    """Code symbols given as intervals of [0, 2**24), in order.

    A three-column table with the same interval in its middle moves the coder exactly as the
    full table would, so whole tiles are coded in one call.

    Args:
        left: (N,) lower ends, at least 1.
        width: (N,) widths, at least 1; left + width is at most 2**24 - 1.

    Returns:
        The range coder's 32-bit words, little endian.
    """
    assert not len(left) or (left.min() > 0 and width.min() > 0 and (left + width).max() < _TOTAL)
    rows = np.empty((len(left), 3), np.float32)
    rows[:, 0], rows[:, 1], rows[:, 2] = left - 1, width - 1, _TOTAL - 1 - left - width
    encoder = constriction.stream.queue.RangeEncoder()
    encoder.encode(np.ones(len(left), np.int32), _family, rows)
    words: bytes = encoder.get_compressed().astype("<u4").tobytes()
    return words


class SymbolDecoder:
    """Reads symbols back from one tile's words."""

    def __init__(self, data: bytes) -> None:
        """Start at the beginning of data.

        Raises:
            ContainerError: data is not a whole number of words.
        """
        if len(data) % 4:
            raise ContainerError("coded words are cut: their length is no multiple of 4")
        self._decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(data, "<u4").astype(np.uint32))

    def decode(self, rows: NDArray[np.float32]) -> NDArray[np.int32]:
        """Decode one symbol per row of make_rows.

        Returns:
            (N,) int32 columns: the symbol plus 1; check them with check_columns.

        Raises:
            ContainerError: the words cannot come from the encoder.
        """
        try:
            columns: NDArray[np.int32] = self._decoder.decode(_family, rows)
        except AssertionError as error:  # constriction's word for invalid data
            raise ContainerError("coded words are damaged") from error
        return columns

    def is_exhausted(self) -> bool:
        """Whether the words end where the symbols do, as they must."""
        exhausted: bool = self._decoder.maybe_exhausted()
        return exhausted


def make_rows(cumulative: NDArray[np.int32]) -> NDArray[np.float32]:
    """Turn cumulative masses into tables for SymbolDecoder.decode.

    Args:
        cumulative: (n + 1, N) in units of 2**-24.

    Returns:
        (N, n + 2) float32 whole numbers; column 0 and the last are the dummies.
    """
    edges, num = cumulative.shape
    reduced = leave_room(cumulative, edges - 1)
    rows = np.zeros((num, edges + 1), np.float32)
    rows[:, 1:-1] = (reduced[1:] - reduced[:-1]).T
    return rows


def check_columns(columns: NDArray[np.int32], num_symbols: int) -> None:
    """Make sure that no dummy was decoded, which the encoder never writes.

    Raises:
        ContainerError: the words cannot come from the encoder.
    """
    if len(columns) and (columns.min() < 1 or columns.max() > num_symbols):
        raise ContainerError("coded words are damaged")
