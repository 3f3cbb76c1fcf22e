"""A tile's values where no network codes them: as WebP, or as byte planes, compressed.

Source: docs/format.md, "T: tile".
"""

import lzma
import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpac_cli.container.fields import LZMA_FILTERS, TileMode
from hpac_cli.container.parse import inflate, unpack_lzma
from hpac_cli.errors import ContainerError, LimitExceededError

from . import webp

_DIFFERENCES = {TileMode.LZMA: (), TileMode.LZMA_LEFT: (1,), TileMode.LZMA_UP: (0,), TileMode.LZMA_BOTH: (0, 1)}
"""Axes along which values are differences, by mode."""

Coded = NDArray[Any]
"""(H, W, C) unsigned values of one part."""


def bytes_per_value(bit_depth: int) -> int:
    """Bytes that hold a coded value: 1, 2, 4 or 8."""
    return next(size for size in (1, 2, 4, 8) if bit_depth <= 8 * size)


def pack_quickly(coded: Coded, bit_depth: int) -> tuple[TileMode, bytes]:
    """Write values as deflated byte planes, or as they are."""
    planes = _split(coded, bytes_per_value(bit_depth))
    return min((TileMode.DEFLATE, zlib.compress(planes, 9)), (TileMode.STORED, planes), key=_length)


def measure_quickly(coded: Coded, bit_depth: int) -> int:
    """About the bytes that pack_quickly takes, in a third of its time."""
    planes = _split(coded, bytes_per_value(bit_depth))
    return min(len(zlib.compress(planes, 1)), len(planes))


def pack_smallest(coded: Coded, bit_depth: int) -> tuple[TileMode, bytes]:
    """Write values in whichever way without a network is smallest; which differences are, is tasted."""
    size = bytes_per_value(bit_depth)
    values = coded.astype(f"u{size}")
    planes = {mode: _split(_differences(values, axes), size) for mode, axes in _DIFFERENCES.items()}
    best = min(planes, key=lambda mode: len(zlib.compress(planes[mode], 1)))
    packed = [pack_quickly(coded, bit_depth), (best, _lzma(planes[best]))]
    if can_be_webp(coded.shape[2], bit_depth):
        packed.append((TileMode.WEBP, webp.encode(coded.astype(np.uint8))))
    return min(packed, key=_length)


def estimate_quickly(coded: Coded, bit_depth: int) -> bytes:
    """Write values in one way that shows about how small pack_smallest makes them."""
    if can_be_webp(coded.shape[2], bit_depth):
        return webp.encode(coded.astype(np.uint8), webp.QUICK)
    return zlib.compress(_split(coded, bytes_per_value(bit_depth)))


def can_be_webp(channels: int, bit_depth: int) -> bool:
    """Whether values of a part fit into a WebP image."""
    return channels <= webp.MAX_CHANNELS and bit_depth <= 8


def _length(packed: tuple[TileMode, bytes]) -> int:
    return len(packed[1])


def unpack(mode: TileMode, payload: bytes, shape: tuple[int, int, int], bit_depth: int) -> Coded:
    """Undo pack_quickly and pack_smallest.

    Raises:
        ContainerError: damaged, or of the wrong size.
    """
    if mode is TileMode.WEBP:
        if not can_be_webp(shape[2], bit_depth):
            raise ContainerError("a WebP tile of more than four channels or eight bits")
        return webp.decode(payload, shape)
    size = bytes_per_value(bit_depth)
    planes = _unpack_planes(mode, payload, math.prod(shape) * size)
    stacked = np.frombuffer(planes, np.uint8).reshape(size, -1).T
    coded = np.ascontiguousarray(stacked).view(f">u{size}")[:, 0].astype(f"u{size}").reshape(shape)
    for axis in _DIFFERENCES.get(mode, ()):
        coded = np.cumsum(coded, axis=axis, dtype=coded.dtype)
    return coded


def _unpack_planes(mode: TileMode, payload: bytes, expected: int) -> bytes:
    try:
        if mode is TileMode.STORED:
            planes = payload
        else:
            planes = inflate(payload, expected) if mode is TileMode.DEFLATE else unpack_lzma(payload, expected)
    except LimitExceededError as error:
        raise ContainerError("a tile is longer than its samples") from error
    if len(planes) != expected:
        raise ContainerError("a tile is not as long as its samples")
    return planes


def _lzma(planes: bytes) -> bytes:
    return lzma.compress(planes, lzma.FORMAT_RAW, filters=LZMA_FILTERS)


def _split(coded: Coded, size: int) -> bytes:
    """Byte planes, the most significant first; rows, columns, channels within each."""
    big = np.ascontiguousarray(coded).astype(f">u{size}").reshape(-1, 1).view(np.uint8)
    return np.ascontiguousarray(big.T).tobytes()


def _differences(coded: Coded, axes: tuple[int, ...]) -> Coded:
    """Differences from the neighbour above (axis 0), on the left (axis 1), or of both, modulo the type."""
    for axis in axes:
        coded = np.diff(coded, axis=axis, prepend=coded.dtype.type(0))
    return coded
