"""What is in an .hpac file? One declaration of chunks and header fields for writer and reader."""

import struct
from dataclasses import dataclass
from enum import IntEnum

from hpac_cli.errors import ContainerError
from hpac_cli.limits import Limits

SIGNATURE = b"\x89HPAC\r\n\x1a\n"
"""High bit, name, and line ends that text-mode copies alter, as in PNG (ISO/IEC 15948, 5.2)."""
VERSION_MAJOR, VERSION_MINOR = 1, 0

HEADER, METADATA, TILE, END = b"H", b"M", b"T", b"E"
"""Chunk types; upper case is critical, lower case may be skipped."""

MAX_CHUNK_BYTES = 1 << 30
DIGEST_BYTES = 8
SAMPLES_HASH_BYTES = 32


class Kind(IntEnum):
    """Which kind of source the samples came from; written once, never reused."""

    ARRAY_2D = 0
    ARRAY = 1
    PNG = 2


class TileMode(IntEnum):
    """How one tile's payload is coded."""

    NETWORK = 0
    DEFLATE = 1


@dataclass(frozen=True)
class Part:
    """Channels that one network codes together."""

    weights_digest: bytes
    channels: int


@dataclass(frozen=True)
class Header:
    """Geometry, sample type, and which weights code which channels."""

    kind: Kind
    width: int
    height: int
    bit_depth: int
    tile: int
    parts: tuple[Part, ...]
    """In channel order; RGB parts are coded as green and differences from it."""

    @property
    def channels(self) -> int:
        """Channels of the image."""
        return sum(part.channels for part in self.parts)


def put_varint(value: int) -> bytes:
    """Write an unsigned integer seven bits a byte, low bits first (LEB128)."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


class Fields:
    """Reads fields one after another from one chunk's payload."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def varint(self) -> int:
        """Read an unsigned integer of at most 63 bits.

        Raises:
            ContainerError: it does not end, or is written longer than need be.
        """
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                if byte == 0 and shift > 7:
                    raise ContainerError("a number is written longer than need be")
                return value
            if shift >= 63:
                raise ContainerError("a number does not end")

    def take(self, count: int) -> bytes:
        """Read exactly so many bytes.

        Raises:
            ContainerError: fewer are left.
        """
        part = self._data[self._at : self._at + count]
        if len(part) < count:
            raise ContainerError("a chunk is shorter than its fields")
        self._at += count
        return part

    def rest(self) -> bytes:
        """Read what is left."""
        return self.take(len(self._data) - self._at)

    def end(self) -> None:
        """Make sure that nothing is left.

        Raises:
            ContainerError: something is.
        """
        if self._at != len(self._data):
            raise ContainerError("a chunk is longer than its fields")


def build_header(header: Header) -> bytes:
    """Write the header chunk's payload."""
    numbers = (header.kind, header.width, header.height, header.bit_depth, header.tile, len(header.parts))
    out = b"".join(map(put_varint, numbers))
    return out + b"".join(put_varint(part.channels) + part.weights_digest for part in header.parts)


def parse_header(payload: bytes, limits: Limits) -> Header:
    """Read and check the header chunk's payload.

    Raises:
        ContainerError: a field is out of range.
    """
    fields = Fields(payload)
    kind, width, height, bit_depth, tile, num_parts = (fields.varint() for _ in range(6))
    if kind not in list(Kind):
        raise ContainerError(f"source kind {kind} is unknown")
    if not (0 < width <= limits.max_side and 0 < height <= limits.max_side):
        raise ContainerError(f"{width} x {height} pixels: each side is 1 to {limits.max_side}")
    if bit_depth != 8:
        raise ContainerError(f"bit depth {bit_depth} is none of this version's (8)")
    if not (8 <= tile <= 1024) or tile % 2:
        raise ContainerError(f"tile size {tile} is not an even number from 8 to 1024")
    if not 1 <= num_parts <= 4:
        raise ContainerError(f"{num_parts} parts: there are 1 to 4")
    parts = []
    for _ in range(num_parts):
        channels = fields.varint()
        if channels not in (1, 3):
            raise ContainerError(f"a part of {channels} channels: there are 1 or 3")
        parts.append(Part(fields.take(DIGEST_BYTES), channels))
    fields.end()
    return Header(Kind(kind), width, height, bit_depth, tile, tuple(parts))


def build_chunk_head(chunk_type: bytes, payload: bytes) -> bytes:
    """Write a chunk's type and length."""
    return chunk_type + put_varint(len(payload))


def pack_crc(crc: int) -> bytes:
    """Write a CRC-32 (ISO/IEC 15948, annex D), little endian."""
    return struct.pack("<I", crc)
