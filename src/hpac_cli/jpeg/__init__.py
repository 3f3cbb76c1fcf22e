"""Entropy-coded data of lossless JPEG and JPEG-LS to samples and back, in C.

The C files beside this one are part of the native core's library (core/compile.py). They know nothing of headers:
images.jpeg_streams reads those.
"""

import ctypes
from ctypes import POINTER, c_int32, c_int64, c_uint8, c_uint16
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpac_cli.core import load_library

MAX_COMPONENTS = 4
TABLE_BYTES = 16 + 256
"""Of a Huffman table: how many codes have 1 to 16 bits, then their values."""
MAX_BYTES_PER_SAMPLE = 16
"""No sample takes more, in either code."""

Samples = NDArray[np.uint16]
"""(H, W, C); scans read and write some of the channels."""


class StreamError(Exception):
    """Coded data are damaged, samples do not fit their parameters, or what comes of them does not fit its room."""


class Scan(ctypes.Structure):
    """One scan's parameters, as hpac_jpeg.h has them."""

    _fields_ = (
        ("height", c_int32),
        ("width", c_int32),
        ("channels", c_int32),
        ("num_components", c_int32),
        ("components", c_int32 * MAX_COMPONENTS),
        ("restart", c_int32),
        ("precision", c_int32),
        ("predictor", c_int32),
        ("shift", c_int32),
        ("tables", c_int32 * MAX_COMPONENTS),
        ("interleave", c_int32),
        ("max_value", c_int32),
        ("t1", c_int32),
        ("t2", c_int32),
        ("t3", c_int32),
        ("reset", c_int32),
    )


_bytes, _samples, _scan = POINTER(c_uint8), POINTER(c_uint16), POINTER(Scan)


@cache
def _library() -> ctypes.CDLL:
    return load_library(
        {
            "hpac_jpeg_decode": (c_int64, [_scan, _bytes, _bytes, c_int64, _samples]),
            "hpac_jpeg_encode": (c_int64, [_scan, _bytes, _samples, _bytes, c_int64]),
            "hpac_jpeg_ls_decode": (c_int64, [_scan, _bytes, c_int64, _samples]),
            "hpac_jpeg_ls_encode": (c_int64, [_scan, _samples, _bytes, c_int64]),
        }
    )


def decode_scan(scan: Scan, tables: bytes, coded: bytes, samples: Samples) -> None:
    """Decode one scan's data into its channels.

    Args:
        tables: MAX_COMPONENTS Huffman tables of TABLE_BYTES; empty for JPEG-LS.

    Raises:
        StreamError: the data are damaged.
    """
    data = np.frombuffer(coded or b"\0", np.uint8)
    target = _point(samples, scan)
    if tables:
        result = _library().hpac_jpeg_decode(scan, _tables(tables), _at(data), len(coded), target)
    else:
        result = _library().hpac_jpeg_ls_decode(scan, _at(data), len(coded), target)
    _check(result)


def encode_scan(scan: Scan, tables: bytes, samples: Samples, room: int) -> bytes:
    """Undo decode_scan.

    Args:
        room: bytes that it may take.

    Raises:
        StreamError: the samples do not fit the scan's parameters, or it takes more.
    """
    room = min(room, MAX_BYTES_PER_SAMPLE * (samples.size + samples.shape[0]))
    coded = np.empty(room + 1, np.uint8)
    source = _point(samples, scan)
    if tables:
        result = _library().hpac_jpeg_encode(scan, _tables(tables), source, _at(coded), room)
    else:
        result = _library().hpac_jpeg_ls_encode(scan, source, _at(coded), room)
    return coded[: _check(result)].tobytes()


def _point(samples: Samples, scan: Scan) -> Any:
    if samples.dtype != np.uint16 or samples.shape != (scan.height, scan.width, scan.channels):
        raise StreamError("a scan of other samples")
    assert samples.flags.c_contiguous
    return samples.ctypes.data_as(_samples)


def _tables(tables: bytes) -> Any:
    assert len(tables) == MAX_COMPONENTS * TABLE_BYTES
    return _at(np.frombuffer(tables, np.uint8))


def _at(data: NDArray[np.uint8]) -> Any:
    return data.ctypes.data_as(_bytes)


def _check(result: int) -> int:
    if result == -2:
        raise MemoryError("not enough memory for a scan")
    if result < 0:
        raise StreamError(f"a scan cannot be coded (error {result})")
    return int(result)
