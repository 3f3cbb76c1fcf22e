"""PNG's row filters, on bytes: every colour type and bit depth is the same here; and the table of Adam7's passes.

Source: Portable Network Graphics, ISO/IEC 15948:2004, 8.2 (interlacing) and 9 (filtering).
"""

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from hpac_cli.errors import InputError

ByteArray = NDArray[np.uint8]

ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""Of each pass: first row and column, steps between rows and columns."""
WHOLE = ((0, 0, 1, 1),)
NUM_FILTERS = 5
SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""By the number of channels, where samples are no palette's."""
_BAND_BYTES = 1 << 18


def unfilter(rows: ByteArray, previous: ByteArray, pixel_bytes: int) -> ByteArray:
    """Undo the filters of rows that follow one another.

    Args:
        rows: (H, 1 + N), each row's filter type before its N bytes.
        previous: (1, N), the row above them, of zeros at the top.
        pixel_bytes: distance to the corresponding byte of the pixel on the left, 1 to 8.

    Returns:
        (H, N).

    Filters work on the bytes of a pixel independently, so any pixel is treated as one or two
    pixels of up to four samples of 8 bits, which Pillow decodes.
    """
    lanes = pixel_bytes if pixel_bytes <= 4 else pixel_bytes // 2
    above = np.concatenate([np.zeros((1, 1), np.uint8), previous], axis=1)
    stacked = np.concatenate([above, rows])
    types, body = stacked[:, :1], stacked[:, 1:].reshape(len(stacked), -1, pixel_bytes)
    halves = [
        _decode_with_pillow(types, body[..., first : first + lanes].reshape(len(stacked), -1), lanes)
        for first in range(0, pixel_bytes, lanes)
    ]
    return np.concatenate(halves, axis=2).reshape(len(stacked), -1)[1:]


def band_rows(row_bytes: int) -> int:
    """How many rows are worked on at once: bounds memory."""
    return max(1, _BAND_BYTES // row_bytes)


def _decode_with_pillow(types: ByteArray, body: ByteArray, lanes: int) -> ByteArray:
    from PIL import Image as PillowImage

    height, length = body.shape
    header = struct.pack(">IIBBBBB", length // lanes, height, 8, COLOUR_TYPES[lanes], 0, 0, 0)
    coded = zlib.compress(np.concatenate([types, body], axis=1).tobytes(), 0)
    chunks = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in ((b"IHDR", header), (b"IDAT", coded), (b"IEND", b""))
    )
    try:
        with PillowImage.open(io.BytesIO(SIGNATURE + chunks), formats=["png"]) as picture:
            return np.asarray(picture).reshape(height, -1, lanes)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"PNG damaged: {error}") from error


def filter_rows(now: ByteArray, up: ByteArray, pixel_bytes: int, types: ByteArray) -> ByteArray:
    """Filter rows, (H, N), each by the given type, (H,), with the row above each, (H, N); (H, 1 + N)."""
    out = np.empty((len(now), now.shape[1] + 1), np.uint8)
    out[:, 0] = types
    for kind in set(types.tolist()):
        rows = types == kind
        out[rows, 1:] = _filter(kind, now[rows], up[rows], pixel_bytes)
    return out


def choose_types(now: ByteArray, up: ByteArray, pixel_bytes: int) -> ByteArray:
    """Choose each row's filter by the smallest sum of absolute differences, as libpng does; (H,)."""
    types = np.zeros(len(now), np.uint8)
    best = np.full(len(now), 1 << 62, np.int64)
    for kind in range(NUM_FILTERS):
        rows = _filter(kind, now, up, pixel_bytes)
        cost = np.abs(rows.view(np.int8).astype(np.int16)).sum(1, dtype=np.int64)
        better = cost < best
        types[better] = kind
        best = np.minimum(best, cost)
    return types


def _filter(kind: int, now: ByteArray, up: ByteArray, pixel_bytes: int) -> ByteArray:
    """Filter rows by one type; those of types that do not exist give nothing that a reader takes."""
    if kind == 0:
        return now
    if kind == 2:
        return now - up
    left = _shift_right(now, pixel_bytes)
    if kind == 1:
        return now - left
    if kind == 3:
        return now - ((left.astype(np.uint16) + up) >> 1).astype(np.uint8)
    if kind == 4:
        return now - _paeth(left, up, _shift_right(up, pixel_bytes))
    return np.zeros_like(now)


def _shift_right(rows: ByteArray, pixel_bytes: int) -> ByteArray:
    out = np.zeros_like(rows)
    out[:, pixel_bytes:] = rows[:, : max(0, rows.shape[1] - pixel_bytes)]
    return out


def _paeth(left: ByteArray, up: ByteArray, corner: ByteArray) -> ByteArray:
    a, b, c = (array.astype(np.int16) for array in (left, up, corner))
    near_left, near_up, near_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    take_left = (near_left <= near_up) & (near_left <= near_corner)
    return np.where(take_left, left, np.where(near_up <= near_corner, up, corner))
