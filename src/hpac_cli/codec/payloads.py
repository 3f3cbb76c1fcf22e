"""How are a tile's values written where no network codes them? Byte planes, compressed.

Source: docs/format.md, "T: tile".
"""

import lzma
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpac_cli.container.fields import LZMA_FILTERS, TileMode
from hpac_cli.container.parse import inflate, unpack_lzma
from hpac_cli.errors import ContainerError, LimitExceededError

Coded = NDArray[Any]
"""(H, W, C) unsigned values of one part."""


def bytes_per_value(bit_depth: int) -> int:
    """Bytes that hold a coded value: 1, 2, 4 or 8."""
    return next(size for size in (1, 2, 4, 8) if bit_depth <= 8 * size)


def deflate(coded: Coded, bit_depth: int) -> bytes:
    """Write values as deflated byte planes."""
    return zlib.compress(_split(coded, bytes_per_value(bit_depth)), 9)


def pack_smallest(coded: Coded, bit_depth: int) -> tuple[TileMode, bytes]:
    """Write values in whichever way without a network is smallest."""
    size = bytes_per_value(bit_depth)
    planes = _split(coded, size)
    packed = [
        (TileMode.DEFLATE, zlib.compress(planes, 9)),
        (TileMode.LZMA, _lzma(planes)),
        (TileMode.LZMA_DELTA, _lzma(_split(_differences(coded.astype(f"u{size}")), size))),
    ]
    return min(packed, key=lambda pair: len(pair[1]))


def unpack(mode: TileMode, payload: bytes, shape: tuple[int, int, int], bit_depth: int) -> Coded:
    """Undo deflate and pack_smallest.

    Raises:
        ContainerError: damaged, or of the wrong size.
    """
    height, width, channels = shape
    size = bytes_per_value(bit_depth)
    expected = height * width * channels * size
    try:
        planes = inflate(payload, expected) if mode is TileMode.DEFLATE else unpack_lzma(payload, expected)
    except LimitExceededError as error:
        raise ContainerError("a tile is longer than its samples") from error
    if len(planes) != expected:
        raise ContainerError("a tile is shorter than its samples")
    stacked = np.frombuffer(planes, np.uint8).reshape(size, -1).T
    coded = np.ascontiguousarray(stacked).view(f">u{size}")[:, 0].astype(f"u{size}").reshape(shape)
    return np.cumsum(coded, axis=1, dtype=coded.dtype) if mode is TileMode.LZMA_DELTA else coded


def _lzma(planes: bytes) -> bytes:
    return lzma.compress(planes, lzma.FORMAT_RAW, filters=LZMA_FILTERS)


def _split(coded: Coded, size: int) -> bytes:
    """Byte planes, the most significant first; rows, columns, channels within each."""
    big = np.ascontiguousarray(coded).astype(f">u{size}").reshape(-1, 1).view(np.uint8)
    return np.ascontiguousarray(big.T).tobytes()


def _differences(coded: Coded) -> Coded:
    """Differences from the left neighbour, modulo the type."""
    return np.diff(coded, axis=1, prepend=coded.dtype.type(0))
