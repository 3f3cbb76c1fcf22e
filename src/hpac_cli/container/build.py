"""Typed sections to bytes, streamed: every chunk is written as soon as it is known."""

import zlib
from typing import BinaryIO

from .fields import (
    END,
    HEADER,
    METADATA,
    SIGNATURE,
    TILE,
    VERSION_MAJOR,
    VERSION_MINOR,
    Header,
    TileMode,
    build_chunk_head,
    build_header,
    pack_crc,
    put_varint,
)


class Writer:
    """Writes one container to a binary stream that need not seek."""

    def __init__(self, stream: BinaryIO, header: Header) -> None:
        """Write signature, version and header."""
        self._stream = stream
        self._tiles = 0
        stream.write(SIGNATURE + bytes([VERSION_MAJOR, VERSION_MINOR]))
        self._chunk(HEADER, build_header(header))

    def metadata(self, data: bytes) -> None:
        """Write what the source file needs beside its samples, deflated."""
        if data:
            self._chunk(METADATA, zlib.compress(data, 9))

    def tile(self, mode: TileMode, payload: bytes) -> None:
        """Write the next tile; tiles come in raster order, parts of a tile one after another."""
        self._chunk(TILE, put_varint(self._tiles) + put_varint(mode) + payload)
        self._tiles += 1

    def end(self, samples_hash: bytes) -> None:
        """Write the end: SHA-256 of the samples."""
        self._chunk(END, samples_hash)
        self._stream.flush()

    def _chunk(self, chunk_type: bytes, payload: bytes) -> None:
        data = build_chunk_head(chunk_type, payload) + payload
        self._stream.write(data + pack_crc(zlib.crc32(data)))
