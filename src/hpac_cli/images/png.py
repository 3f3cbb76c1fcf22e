"""PNG to `Image` and back: samples through Pillow, everything around them kept as it stands.

The skeleton is the file with its IDAT chunks replaced by one empty IDAT, so every other
chunk, known or not, comes back in its place; a file of IHDR, IDAT and IEND alone has none.
Source: Portable Network Graphics, ISO/IEC 15948:2004.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpac_cli.errors import InputError, LimitExceededError, UnsupportedError
from hpac_cli.image import Image
from hpac_cli.limits import Limits

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_CRITICAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_ANIMATION = {b"acTL", b"fcTL", b"fdAT"}


class _Chunk(NamedTuple):
    type: bytes
    data: bytes


class _Geometry(NamedTuple):
    width: int
    height: int
    depth: int
    colour_type: int
    interlace: int

    @property
    def channels(self) -> int:
        return _CHANNELS[self.colour_type]


def is_png(data: bytes) -> bool:
    """Whether the data begins as PNG does."""
    return data.startswith(SIGNATURE)


def read(data: bytes, limits: Limits) -> Image:
    """Read a PNG file of 8 bits per sample: grey, grey + alpha, RGB, RGBA, or palette indices.

    Raises:
        InputError: damaged.
        UnsupportedError: 1, 2, 4 or 16 bits, interlaced, or animated.
        LimitExceededError: larger than limits allow.
    """
    chunks, trailer = _split(data)
    geometry = _check_header(chunks, limits)
    _check_chunks(chunks, geometry)
    coded = b"".join(chunk.data for chunk in chunks if chunk.type == b"IDAT")
    _check_stream(coded, geometry)
    skeleton = _join(_without_pixels(chunks)) + trailer
    if len(skeleton) > limits.max_metadata_bytes:
        raise LimitExceededError(f"metadata of {len(skeleton):,} bytes; the limit is {limits.max_metadata_bytes:,}")
    samples = _unfilter(coded, geometry)
    return Image(samples, 8, "png", b"" if skeleton == _plain_skeleton(samples.shape) else skeleton)


def write(image: Image) -> bytes:
    """Write a PNG file with the samples and everything that the skeleton holds.

    Raises:
        InputError: the skeleton does not fit the samples.
    """
    chunks, trailer = _split(image.skeleton or _plain_skeleton(image.samples.shape))
    geometry = _parse_header(chunks)
    if (geometry.height, geometry.width, geometry.channels) != image.samples.shape:
        raise InputError("the stored PNG header does not fit the samples")
    pixels = [chunk for chunk in _split(_filter(image.samples))[0] if chunk.type == b"IDAT"]
    place = next((i for i, chunk in enumerate(chunks) if chunk.type == b"IDAT"), None)
    if place is None:
        raise InputError("the stored PNG chunks have no place for samples")
    return _join(chunks[:place] + pixels + chunks[place + 1 :]) + trailer


def _chunks(data: bytes) -> Iterator[tuple[_Chunk, int]]:
    """Walk over chunks up to IEND, yielding each with the offset behind it."""
    at = len(SIGNATURE)
    while True:
        head = data[at : at + 8]
        if len(head) < 8:
            raise InputError(f"PNG truncated at byte {len(data)}: there is no IEND chunk")
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        end = at + 12 + length
        if end > len(data):
            raise InputError(
                f"PNG truncated: the {_show(name)} chunk at byte {at} declares {length:,} bytes, {max(0, len(data) - at - 12):,} are present"
            )
        body = data[at + 8 : at + 8 + length]
        if zlib.crc32(name + body) != int.from_bytes(data[end - 4 : end], "big"):
            raise InputError(f"PNG damaged: the checksum of the {_show(name)} chunk at byte {at} does not match")
        yield _Chunk(name, body), end
        if name == b"IEND":
            return
        at = end


def _show(name: bytes) -> str:
    return name.decode("ascii", "backslashreplace")


def _split(data: bytes) -> tuple[list[_Chunk], bytes]:
    chunks, end = [], len(SIGNATURE)
    for chunk, behind in _chunks(data):
        chunks.append(chunk)
        end = behind
    return chunks, data[end:]


def _join(chunks: list[_Chunk]) -> bytes:
    parts = [SIGNATURE]
    for name, body in chunks:
        parts += [struct.pack(">I", len(body)), name, body, struct.pack(">I", zlib.crc32(name + body))]
    return b"".join(parts)


def _parse_header(chunks: list[_Chunk]) -> _Geometry:
    if not chunks or chunks[0].type != b"IHDR" or len(chunks[0].data) != 13:
        raise InputError("PNG damaged: it does not begin with an IHDR chunk of 13 bytes")
    width, height, depth, colour_type, compression, filtering, interlace = struct.unpack(">IIBBBBB", chunks[0].data)
    if (
        not width
        or not height
        or depth not in _DEPTHS.get(colour_type, ())
        or compression
        or filtering
        or interlace > 1
    ):
        raise InputError(
            f"PNG damaged: IHDR says {width} x {height}, depth {depth}, colour type {colour_type}, methods {compression}, {filtering}, {interlace}"
        )
    return _Geometry(width, height, depth, colour_type, interlace)


def _check_header(chunks: list[_Chunk], limits: Limits) -> _Geometry:
    geometry = _parse_header(chunks)
    if geometry.width * geometry.height > limits.max_pixels or max(geometry.width, geometry.height) > limits.max_side:
        raise LimitExceededError(f"{geometry.width} x {geometry.height} pixels; the limit is {limits.max_pixels:,}")
    if geometry.depth != 8:
        raise UnsupportedError(f"PNG of {geometry.depth} bits per sample; this version takes 8")
    if geometry.interlace:
        raise UnsupportedError("interlaced PNG; this version takes PNG that is not interlaced")
    return geometry


def _check_chunks(chunks: list[_Chunk], geometry: _Geometry) -> None:
    names = [chunk.type for chunk in chunks]
    for name in names:
        if name in _ANIMATION:
            raise UnsupportedError("animated PNG; this version takes still images")
        if name[:1].isupper() and name not in _CRITICAL:
            raise UnsupportedError(f"PNG with an unknown critical chunk {_show(name)}")
    if names.count(b"IHDR") != 1 or names.count(b"PLTE") > 1:
        raise InputError("PNG damaged: IHDR or PLTE occurs more than once")
    if b"IDAT" not in names:
        raise InputError("PNG damaged: there is no IDAT chunk")
    first, count = names.index(b"IDAT"), names.count(b"IDAT")
    if names[first : first + count] != [b"IDAT"] * count:
        raise InputError("PNG damaged: its IDAT chunks are not in one run")
    palettes = [chunk.data for chunk in chunks[:first] if chunk.type == b"PLTE"]
    if geometry.colour_type == 3 and not palettes:
        raise InputError("PNG damaged: a palette image without PLTE before its samples")
    if any(len(palette) % 3 or not 0 < len(palette) <= 768 for palette in palettes):
        raise InputError("PNG damaged: PLTE is not 1 to 256 colours")


def _check_stream(coded: bytes, geometry: _Geometry) -> None:
    """Make sure that the deflate stream holds exactly the samples, without trusting sizes."""
    row = 1 + geometry.width * geometry.channels
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(coded, row * geometry.height + 1)
    except zlib.error as error:
        raise InputError(f"PNG damaged: its samples cannot be inflated ({error})") from error
    if len(data) != row * geometry.height or not inflater.eof:
        raise InputError(f"PNG damaged: its samples inflate to {len(data):,} bytes, not to {row * geometry.height:,}")
    if max(data[::row]) > 4:
        raise InputError(f"PNG damaged: row filter {max(data[::row])} does not exist")


def _unfilter(coded: bytes, geometry: _Geometry) -> NDArray[np.uint8]:
    """Decode the samples with Pillow, as grey in place of palette indices."""
    from PIL import Image as PillowImage
    from PIL import UnidentifiedImageError

    plain = _plain_chunks((geometry.height, geometry.width, geometry.channels))
    plain[1] = _Chunk(b"IDAT", coded)
    try:
        with PillowImage.open(io.BytesIO(_join(plain)), formats=["png"]) as picture:
            samples: NDArray[np.uint8] = np.asarray(picture)
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, PillowImage.DecompressionBombError) as error:
        raise InputError(f"PNG damaged: {error}") from error
    return samples.reshape(geometry.height, geometry.width, geometry.channels)


def _filter(samples: NDArray[np.uint8]) -> bytes:
    """Encode samples with Pillow as a PNG file of their own."""
    from PIL import Image as PillowImage

    channels = samples.shape[2]
    file = io.BytesIO()
    flat = samples[..., 0] if channels == 1 else samples
    PillowImage.fromarray(np.ascontiguousarray(flat), _MODES[channels]).save(file, "png")
    return file.getvalue()


def _without_pixels(chunks: list[_Chunk]) -> list[_Chunk]:
    first = next(i for i, chunk in enumerate(chunks) if chunk.type == b"IDAT")
    rest = [chunk for chunk in chunks[first:] if chunk.type != b"IDAT"]
    return [*chunks[:first], _Chunk(b"IDAT", b""), *rest]


def _plain_chunks(shape: tuple[int, ...]) -> list[_Chunk]:
    height, width, channels = shape
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    return [_Chunk(b"IHDR", header), _Chunk(b"IDAT", b""), _Chunk(b"IEND", b"")]


def _plain_skeleton(shape: tuple[int, ...]) -> bytes:
    return _join(_plain_chunks(shape))
