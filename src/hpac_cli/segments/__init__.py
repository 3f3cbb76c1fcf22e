"""LZW and PackBits to plain bytes and back, in C, as each of the writers in use does it.

The C files beside this one are part of the native core's library (core/compile.py).
"""

import ctypes
from ctypes import POINTER, c_int32, c_int64, c_uint8
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpac_cli.core import load_library

NUM_RUN_WAYS = 5
"""In which writers of PackBits treat runs of two, as hpac_segments.h has them."""
_MOST_FROM_LZW, _MOST_FROM_PACKBITS = 4096, 128
"""Plain bytes that a coded byte can stand for: no room is taken for more, whatever a file claims."""


class DamagedError(Exception):
    """A code does not exist."""


class LzwWriter(NamedTuple):
    """How a writer of LZW behaves, as hpac_segments.h has it."""

    full: int
    """A new table begins before this code would be given out: 4093 to 4096."""
    checks: bool
    """A new table begins where the last 10,000 bytes compressed worse (libtiff)."""
    counts_last: bool
    """The code before the end counts for the width of the end code."""


class _LzwWriter(ctypes.Structure):
    _fields_ = tuple((name, c_int32) for name in LzwWriter._fields)


class _LzwEnd(ctypes.Structure):
    _fields_ = (("bits", c_int64), ("width", c_int32))


class LzwDecoded(NamedTuple):
    """What a segment holds."""

    plain: bytes
    size: int
    """Bytes that its codes stand for; the last code's may be more than was asked for."""
    bits: int
    """That were read."""
    width: int
    """Bits of the next code."""


_bytes = POINTER(c_uint8)


@cache
def _library() -> ctypes.CDLL:
    return load_library(
        {
            "hpac_lzw_decode": (c_int64, [_bytes, c_int64, _bytes, c_int64, POINTER(_LzwEnd)]),
            "hpac_lzw_encode": (c_int64, [_bytes, c_int64, POINTER(_LzwWriter), _bytes, c_int64]),
            "hpac_packbits_decode": (c_int64, [_bytes, c_int64, _bytes, c_int64]),
            "hpac_packbits_encode": (c_int64, [_bytes, c_int64, c_int64, c_int32, _bytes, c_int64]),
        }
    )


def lzw_decode(coded: bytes, limit: int) -> LzwDecoded:
    """Decode until the end code, the end of the data, or `limit` bytes.

    Raises:
        DamagedError: a code does not exist.
    """
    limit, end = min(limit, _MOST_FROM_LZW * len(coded)), _LzwEnd()
    plain = np.empty(limit, np.uint8)
    count = _library().hpac_lzw_decode(_at(_array(coded)), len(coded), _at(plain), limit, end)
    if count < 0:
        raise DamagedError("a code does not exist")
    return LzwDecoded(plain[:count].tobytes(), count, end.bits, end.width)


def lzw_encode(plain: bytes, writer: LzwWriter) -> bytes:
    """Code a segment as such a writer does."""
    coded = np.empty(2 * len(plain) + 16, np.uint8)
    count = _library().hpac_lzw_encode(_at(_array(plain)), len(plain), _LzwWriter(*writer), _at(coded), coded.size)
    assert count > 0, "there is such a writer, and always room"
    return coded[:count].tobytes()


def packbits_decode(coded: bytes, limit: int) -> bytes:
    """Decode until `limit` bytes are there or the code ends."""
    limit = min(limit, _MOST_FROM_PACKBITS * len(coded))
    plain = np.empty(limit, np.uint8)
    count = _library().hpac_packbits_decode(_at(_array(coded)), len(coded), _at(plain), limit)
    return plain[:count].tobytes()


def packbits_encode(rows: NDArray[np.uint8], way: int) -> bytes:
    """Code rows, (H, N), each by itself, treating runs of two in one of NUM_RUN_WAYS ways."""
    height, width = rows.shape
    coded = np.empty(height * (2 * width + 2), np.uint8)
    plain = np.ascontiguousarray(rows)
    count = _library().hpac_packbits_encode(_at(plain), height, width, way, _at(coded), coded.size)
    assert count >= 0, "there is such a way, and always room"
    return coded[:count].tobytes()


def _array(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


def _at(data: NDArray[np.uint8]) -> Any:
    return data.ctypes.data_as(_bytes)
