"""A tile of graphics to a VP8L bitstream (lossless WebP) and back.

WebP's palettes, colour cache and repeats beat any predictor on flat graphics. Only the bitstream
is kept; the RIFF around it says nothing that the tile does not.
Source: RFC 9649, sections 2.5 (simple lossless file format) and 3.4 (image header).
"""

import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpac_cli.errors import ContainerError

MAX_CHANNELS = 4
BEST, QUICK = (6, 100), (4, 75)
"""Method and quality of libwebp's lossless encoder: the smallest, and one that shows how small."""

_ARGB = {1: (3, (1,)), 2: (4, (1, 3)), 3: (3, (0, 1, 2)), 4: (4, (0, 1, 2, 3))}
"""Channels of the WebP image, and those that hold ours, by number of ours."""
_HEADER = struct.Struct("<4sI4s4sI")
_SIGNATURE = 0x2F


def encode(coded: NDArray[np.uint8], effort: tuple[int, int] = BEST) -> bytes:
    """Write (H, W, C) uint8 values of up to four channels as a VP8L bitstream."""
    from PIL import Image as PillowImage

    height, width, channels = coded.shape
    count, used = _ARGB[channels]
    pixels = np.zeros((height, width, count), np.uint8)
    pixels[..., used] = coded
    file = io.BytesIO()
    method, quality = effort
    PillowImage.fromarray(pixels).save(file, "WEBP", lossless=True, exact=True, method=method, quality=quality)
    size = _HEADER.unpack_from(file.getvalue())[4]
    return file.getvalue()[_HEADER.size : _HEADER.size + size]


def decode(bitstream: bytes, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Undo encode.

    Raises:
        ContainerError: damaged, or of another size.
    """
    from PIL import Image as PillowImage

    height, width, channels = shape
    _check_header(bitstream, height, width)
    padded = bitstream + bytes(len(bitstream) % 2)
    file = _HEADER.pack(b"RIFF", 12 + len(padded), b"WEBP", b"VP8L", len(bitstream)) + padded
    count, used = _ARGB[channels]
    try:
        with PillowImage.open(io.BytesIO(file), formats=("WEBP",)) as image:
            pixels = np.asarray(image.convert("RGBA" if count == 4 else "RGB"))
    except (OSError, ValueError) as error:
        raise ContainerError("a WebP tile is damaged") from error
    coded: NDArray[Any] = pixels[..., used]
    return coded


def _check_header(bitstream: bytes, height: int, width: int) -> None:
    """Check the size before anything is allocated."""
    if len(bitstream) < 5 or bitstream[0] != _SIGNATURE:
        raise ContainerError("a WebP tile is damaged")
    bits = int.from_bytes(bitstream[1:5], "little")
    if ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1) != (width, height):
        raise ContainerError("a WebP tile has another size than its place")
