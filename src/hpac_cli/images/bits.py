"""Rows of samples of 1 to 64 bits, packed into bytes and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

ByteArray = NDArray[np.uint8]


def sample_bytes(bits: int) -> int:
    """Bytes of the smallest unsigned type that holds so many bits."""
    return next(size for size in (1, 2, 4, 8) if bits <= 8 * size)


def row_bytes(count: int, bits: int) -> int:
    """Bytes of a row of `count` samples."""
    return -(-count * bits // 8)


def unpack_bits(rows: ByteArray, bits: int, count: int, *, little: bool = False) -> NDArray[Any]:
    """Read rows of samples.

    Args:
        rows: (H, N) bytes; every row begins on a byte.
        bits: of a sample, 1 to 64; other than 8, 16, 32, 64 they are packed without gaps.
        count: samples of a row.
        little: whole bytes come low ones first; bits within a byte are always high ones first.

    Returns:
        (H, count) of the smallest unsigned type.
    """
    size = sample_bytes(bits)
    if bits == 8 * size:
        order = "<" if little else ">"
        return np.ascontiguousarray(rows).view(f"{order}u{size}").astype(f"u{size}", copy=False)[:, :count]
    if bits % 8 == 0:
        return _unpack_odd_bytes(rows, bits // 8, count, little=little)
    flat = np.unpackbits(rows, axis=1)[:, : count * bits].reshape(len(rows), count, bits)
    out = np.zeros((len(rows), count), f"u{size}")
    for bit in range(bits):
        out = (out << out.dtype.type(1)) | flat[..., bit]
    return out


def _unpack_odd_bytes(rows: ByteArray, size: int, count: int, *, little: bool) -> NDArray[Any]:
    """Samples of 3, 5, 6 or 7 bytes."""
    parts = rows[:, : count * size].reshape(len(rows), count, size)
    wide = sample_bytes(8 * size)
    padded = np.zeros((len(rows), count, wide), np.uint8)
    padded[..., wide - size :] = parts[..., ::-1] if little else parts
    return padded.view(f">u{wide}")[..., 0].astype(f"u{wide}")


def pack_bits(samples: NDArray[Any], bits: int, *, little: bool = False) -> ByteArray:
    """Undo unpack_bits: (H, count) samples to (H, N) bytes; bits that pad a row are zero."""
    size = sample_bytes(bits)
    if bits == 8 * size:
        order = "<" if little else ">"
        return np.ascontiguousarray(samples).astype(f"{order}u{size}", copy=False).view(np.uint8)
    if bits % 8 == 0:
        big = np.ascontiguousarray(samples).astype(f">u{size}")[..., None].view(np.uint8)[..., size - bits // 8 :]
        return np.ascontiguousarray(big[..., ::-1] if little else big).reshape(len(samples), -1)
    shifts = np.arange(bits - 1, -1, -1, dtype=samples.dtype)
    flat = ((samples[..., None] >> shifts) & samples.dtype.type(1)).astype(np.uint8)
    return np.packbits(flat.reshape(len(samples), -1), axis=1)
