"""Typed sections to bytes, streamed: every chunk is written as soon as it is known."""

import lzma
import zlib
from typing import BinaryIO

from hpac_cli.binary import put_varint
from hpac_cli.errors import LimitExceededError

from .fields import (
    ADAPTER,
    END,
    FRAME,
    HASH_BYTES,
    HEADER,
    LZMA_FILTERS,
    MAX_CHUNK_BYTES,
    METADATA,
    MODES,
    SIGNATURE,
    TILE,
    TINY_BYTES,
    TINY_HASH_BYTES,
    VERSION_MAJOR,
    VERSION_MINOR,
    CodedTile,
    Header,
    Packing,
    build_adapter,
    build_chunk_head,
    build_frame,
    build_header,
    most_metadata,
    pack_crc,
)


class Writer:
    """Writes one container to a binary stream that need not seek."""

    def __init__(self, stream: BinaryIO, header: Header, metadata: bytes) -> None:
        """Write all that comes before the tiles.

        Args:
            metadata: what the source file needs beside its samples.
        """
        self._stream = stream
        self._tiles = self._size = 0
        stream.write(SIGNATURE + bytes([VERSION_MAJOR, VERSION_MINOR]))
        self._chunk(HEADER, build_header(header))
        if metadata:
            self._chunk(METADATA, pack_metadata(metadata))
        for adapted in header.adapters:
            self._chunk(ADAPTER, build_adapter(adapted))
        for frame in header.frames:
            self._chunk(FRAME, build_frame(frame))

    def tile(self, tile: CodedTile) -> None:
        """Write the next tile: frame after frame, in raster order, parts of a tile one after another.

        Raises:
            LimitExceededError: it is larger than a chunk can be.
        """
        self._chunk(TILE, put_varint(self._tiles) + put_varint(tile.mode + MODES * tile.orientation) + tile.payload)
        self._tiles += 1

    def end(self, samples_hash: bytes, file_hash: bytes) -> None:
        """Write the end: SHA-256 of the samples, and of the source file (empty for arrays)."""
        of_samples, of_file = TINY_HASH_BYTES if self._size < TINY_BYTES else HASH_BYTES
        self._chunk(END, samples_hash[:of_samples] + file_hash[:of_file])
        self._stream.flush()

    def _chunk(self, chunk_type: bytes, payload: bytes) -> None:
        if len(payload) > MAX_CHUNK_BYTES:  # which no reader takes
            raise LimitExceededError(f"a chunk of {len(payload):,} bytes; the limit is {MAX_CHUNK_BYTES:,}")
        data = build_chunk_head(chunk_type, payload) + payload
        self._size += self._stream.write(data + pack_crc(zlib.crc32(data)))


_SMALL, _HOPELESS = 1 << 18, 0.99
"""Metadata of so many bytes is packed in every way; more is not, if deflating it fast leaves this share of it."""


def pack_metadata(data: bytes) -> bytes:
    """Compress metadata in whichever way is smallest, of those that do not make too much of too little.

    Most large metadata is a file that is kept whole, and most such files are compressed already: that shows quickly.
    """
    packed = [(Packing.STORED, data), (Packing.ZLIB, zlib.compress(data, 1 if len(data) > _SMALL else 9))]
    if len(data) <= _SMALL or len(packed[1][1]) < _HOPELESS * len(data):
        packed.append((Packing.LZMA, lzma.compress(data, lzma.FORMAT_RAW, filters=LZMA_FILTERS)))
    allowed = [(packing, body) for packing, body in packed if len(data) <= most_metadata(len(body))]
    if len(allowed) == 1 and len(data) > len(packed[1][1]):
        entropy_only = zlib.compressobj(9, strategy=zlib.Z_HUFFMAN_ONLY)  # an eighth at least
        allowed.append((Packing.ZLIB, entropy_only.compress(data) + entropy_only.flush()))
    packing, body = min(allowed, key=lambda each: len(each[1]))
    return put_varint(packing) + body
