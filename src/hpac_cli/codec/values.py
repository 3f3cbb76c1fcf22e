"""The mapping of samples of any type to the small unsigned values that are coded, and back.

First every sample type is *ordered*: mapped to unsigned integers of the same size in the order
of the samples' amounts. Then a part's values count from its lowest ordered sample, or, where
an image uses few of its values, number those that it uses (histogram packing), in ascending
order or, for palettes, in an order that puts similar colours side by side.
Source: docs/format.md, "Values".
"""

import functools
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpac_cli.container.fields import Part
from hpac_cli.container.parse import inflate
from hpac_cli.errors import ContainerError, LimitExceededError
from hpac_cli.image import Samples

Ordered = NDArray[Any]
"""Unsigned integers, as many bytes each as the samples."""

MAX_TABLE = 1 << 16
"""Values that a table can number."""
_NUMBER_BYTES = 8


def to_ordered(samples: Samples) -> Ordered:
    """Map samples to unsigned integers of the same order; every bit pattern has its own."""
    dtype = samples.dtype
    if dtype.kind == "u":
        return samples
    bits = np.ascontiguousarray(samples).view(f"u{dtype.itemsize}")
    sign = bits.dtype.type(1 << (8 * dtype.itemsize - 1))
    if dtype.kind == "i":
        flipped: Ordered = bits ^ sign
        return flipped
    ordered: Ordered = np.where(bits & sign, ~bits, bits | sign)
    return ordered


def from_ordered(ordered: Ordered, sample_type: str) -> Samples:
    """Undo to_ordered."""
    dtype = np.dtype(sample_type)
    if dtype.kind == "u":
        return ordered.astype(dtype, copy=False)
    bits = np.ascontiguousarray(ordered.astype(f"u{dtype.itemsize}", copy=False))
    sign = bits.dtype.type(1 << (8 * dtype.itemsize - 1))
    bits = bits ^ sign if dtype.kind == "i" else np.where(bits & sign, bits ^ sign, ~bits)
    samples: Samples = bits.view(dtype)
    return samples


def pack_table(values: NDArray[np.uint64]) -> bytes:
    """Write a table: differences of neighbours, zigzag, as byte planes, deflated."""
    counts = np.concatenate([np.zeros(1, np.int64), values.astype(np.int64)])
    steps = counts[1:] - counts[:-1]
    zigzag = ((steps << 1) ^ (steps >> 63)).astype("<u8")
    planes = zigzag.view(np.uint8).reshape(-1, _NUMBER_BYTES).T
    return zlib.compress(np.ascontiguousarray(planes).tobytes(), 9)


def unpack_table(data: bytes) -> NDArray[np.uint64]:
    """Undo pack_table.

    Raises:
        ContainerError: damaged, empty, or too long.
    """
    try:
        planes = inflate(data, MAX_TABLE * _NUMBER_BYTES)
    except (ContainerError, LimitExceededError) as error:
        raise ContainerError("a table of values is damaged") from error
    if not planes or len(planes) % _NUMBER_BYTES:
        raise ContainerError("a table of values is damaged")
    rows = np.frombuffer(planes, np.uint8).reshape(_NUMBER_BYTES, -1).T
    zigzag = np.ascontiguousarray(rows).view("<u8")[:, 0]
    steps = (zigzag >> np.uint64(1)).astype(np.int64) ^ -(zigzag & np.uint64(1)).astype(np.int64)
    with np.errstate(over="ignore"):
        return np.cumsum(steps, dtype=np.int64).astype(np.uint64)


class Values:
    """Maps the ordered samples of one part to coded values and back."""

    def __init__(self, part: Part) -> None:
        """Prepare a part's table, if it has one.

        Raises:
            ContainerError: the table is damaged.
        """
        self._part = part
        self._table = unpack_table(part.table) if part.table else None

    @functools.cached_property
    def _ranked(self) -> tuple[NDArray[np.intp], NDArray[np.uint64]]:
        """Places in the table by ascending entry, and the entries in that order."""
        table = np.empty(0, np.uint64) if self._table is None else self._table
        rank = np.argsort(table, kind="stable")
        return rank, table[rank]

    def to_coded(self, ordered: Ordered) -> NDArray[Any]:
        """Map (...) ordered samples, all of which the mapping knows, to coded values: int32, or unsigned as bytes."""
        if self._part.bit_depth > 16:
            return ordered
        if self._part.whole:
            numbers = from_ordered(ordered, f"f{ordered.dtype.itemsize}").astype(np.int64)
            return (numbers - self._part.offset).astype(np.int32)
        if self._table is None:
            counted: Ordered = ordered - ordered.dtype.type(self._part.offset)
            return counted.astype(np.int32)
        rank, ascending = self._ranked
        return rank[np.searchsorted(ascending, ordered.astype(np.uint64))].astype(np.int32)

    def from_coded(self, coded: NDArray[Any], ordered_type: str) -> Ordered:
        """Undo to_coded.

        Raises:
            ContainerError: a coded value has no sample.
        """
        if coded.dtype.kind == "i" and coded.min(initial=0) < 0:
            raise ContainerError("a coded value is negative")
        if self._table is not None:
            if coded.max(initial=0) >= len(self._table):
                raise ContainerError("a coded value is not in its table")
            looked_up: Ordered = self._table[coded].astype(ordered_type)
            return looked_up
        if self._part.whole:
            return to_ordered((coded.astype(np.int64) + self._part.offset).astype(f"f{ordered_type[1:]}"))
        highest = int(coded.max(initial=0)) + self._part.offset
        if highest > np.iinfo(ordered_type).max:
            raise ContainerError("a coded value is beyond its sample type")
        ordered: Ordered = coded.astype(ordered_type) + np.dtype(ordered_type).type(self._part.offset)
        return ordered
