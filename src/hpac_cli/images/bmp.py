"""BMP to `Image`: where the rows of samples lie.

Uncompressed files of 1, 4, 8, 24 and 32 bits a pixel; those of 2 and 16 bits, and compressed ones, are kept whole.
Source: Microsoft, "Bitmap Storage": BITMAPFILEHEADER, BITMAPCOREHEADER, BITMAPINFOHEADER, BITMAPV5HEADER.
"""

import struct
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpac_cli.errors import InputError
from hpac_cli.image import Image, keep_whole
from hpac_cli.kept import Kept
from hpac_cli.limits import Limits, Tally

from .bits import row_bytes
from .layout import Layout, Place, count_frames
from .source import Source
from .splice import cut

_FILE_HEADER_BYTES, _CORE_BYTES, _INFO_BYTES = 14, 12, 40
_HEADER_BYTES = (_CORE_BYTES, _INFO_BYTES, 52, 56, 64, 108, 124)
_OS2_BYTES = 64
"""Of a header whose compressions have other numbers."""
_RGB, _BITFIELDS, _ALPHA_BITFIELDS = 0, 3, 6
_BYTES = (0xFF0000, 0xFF00, 0xFF)
"""Masks of red, green and blue that lie as blue, green, red, as they do where there are no masks."""
_MASKS_AT = _FILE_HEADER_BYTES + _INFO_BYTES
_DEPTHS = {1: (1, 1), 4: (1, 4), 8: (1, 8), 24: (3, 8), 32: (4, 8)}
"""Channels, and bits of each, by bits of a pixel."""
_LUMA = (114, 587, 299)
_HEAD_BYTES = 1 << 16
"""Both headers and the palette are in as many."""


class Header(NamedTuple):
    """What a BMP file says of its samples."""

    offset: int
    """Where they begin."""
    width: int
    height: int
    bottom_up: bool
    pixel_bits: int
    masks: tuple[int, int, int, int]
    """Of red, green, blue and alpha in pixels of 32 bits."""
    is_plain: bool
    """Not compressed."""
    palette: tuple[int, int, int]
    """Where it lies, its colours, and the bytes of each."""


def is_bmp(data: bytes) -> bool:
    """Whether the data begins as BMP does."""
    return data[:2] == b"BM" and len(data) >= 26 and int.from_bytes(data[14:18], "little") in _HEADER_BYTES


def read(file: Source, limits: Limits) -> Image:
    """Read a BMP file, whose colours lie as blue, green and red.

    Raises:
        InputError: damaged.
        LimitExceededError: larger than limits allow.
    """
    head = file[:_HEAD_BYTES]
    header = parse_header(head)
    is_known = header.masks[:3] in (_BYTES, _BYTES[::-1]) or header.pixel_bits < 32
    if not header.is_plain or header.pixel_bits not in _DEPTHS or not is_known:
        return keep_whole(file.stream, "bmp", Kept.LAYOUT)
    channels, bits = _DEPTHS[header.pixel_bits]
    swapped = channels > 1 and header.masks[:3] == _BYTES
    layout = Layout(header.height, header.width, channels, bits, "u", 1, header.width, (), swapped=swapped)
    count_frames(layout, Tally(limits))
    size = row_bytes(header.width * channels, bits)
    step = -(-size // 4) * 4
    needed, present = step * (header.height - 1) + size, len(file) - header.offset
    if needed > present:
        raise InputError(f"BMP truncated: its samples need {needed:,} bytes, {max(0, present):,} are present")
    rows = range(header.height)[::-1] if header.bottom_up else range(header.height)
    places = tuple(Place(header.offset + row * step, size) for row in rows)
    return replace(cut("bmp", file, [replace(layout, places=places)]), order=_palette_order(head, header))


def parse_header(data: bytes) -> Header:
    """Read both headers.

    Raises:
        InputError: damaged.
    """
    if not is_bmp(data):
        raise InputError("BMP damaged: it does not begin as such files do")
    offset, size = struct.unpack_from("<I", data, 10)[0], struct.unpack_from("<I", data, 14)[0]
    if len(data) < _FILE_HEADER_BYTES + size:
        raise InputError("BMP truncated in its header")
    masks, used, compression = (*_BYTES, 0), 0, _RGB
    if size == _CORE_BYTES:
        width, height, _, pixel_bits = struct.unpack_from("<HHHH", data, 18)
    else:
        width, height, _, pixel_bits, compression, _, _, _, used = struct.unpack_from("<iiHHIIiiI", data, 18)
    has_masks = compression in (_BITFIELDS, _ALPHA_BITFIELDS) and pixel_bits == 32 and size != _OS2_BYTES
    own_masks = 0
    if has_masks:
        own_masks = 0 if size > _INFO_BYTES else 16 if compression == _ALPHA_BITFIELDS else 12
        count = 4 if size >= 56 or own_masks == 16 else 3
        if len(data) < _MASKS_AT + 4 * count:
            raise InputError("BMP truncated in its header")
        masks = (*struct.unpack_from(f"<{count}I", data, _MASKS_AT), 0)[:4]
    if width <= 0 or height == 0:
        raise InputError(f"BMP damaged: {width} x {height} pixels")
    entry = 3 if size == _CORE_BYTES else 4
    colours = min(used or 1 << pixel_bits, 1 << pixel_bits) if pixel_bits <= 8 else 0
    palette = (_FILE_HEADER_BYTES + size + own_masks, colours, entry)
    is_plain = compression == _RGB or has_masks
    return Header(offset, width, abs(height), height > 0, pixel_bits, masks, is_plain, palette)


def read_palette(data: bytes, header: Header) -> NDArray[np.uint8] | None:
    """Colours by number, (N, 3) RGB; None where samples are colours themselves."""
    start, colours, entry = header.palette
    stored = np.frombuffer(data[start : start + colours * entry], np.uint8)
    if not colours:
        return None
    return stored[: len(stored) // entry * entry].reshape(-1, entry)[:, 2::-1]


def _palette_order(data: bytes, header: Header) -> tuple[int, ...]:
    """Numbers of a palette from dark to light, unless that is how they are."""
    palette = read_palette(data, header)
    if palette is None:
        return ()
    order = np.argsort(palette[:, ::-1].astype(np.int64) @ np.array(_LUMA), kind="stable").tolist()
    return () if order == sorted(order) else (*order, *range(len(order), 256))
