"""Typed sections to bytes, streamed: every chunk is written as soon as it is known."""

import lzma
import zlib
from collections.abc import Callable, Sequence
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
    MEMBERS,
    METADATA,
    MODES,
    PIECE,
    SIGNATURE,
    TILE,
    TINY_BYTES,
    TINY_HASH_BYTES,
    VERSION_MAJOR,
    VERSION_MINOR,
    CodedTile,
    Header,
    Packing,
    Piece,
    build_adapter,
    build_chunk_head,
    build_frame,
    build_header,
    build_piece,
    most_unpacked,
    pack_crc,
)
from .members import build_members


class Writer:
    """Writes one container to a binary stream that need not seek."""

    def __init__(self, stream: BinaryIO, header: Header, metadata: bytes) -> None:
        """Write all that comes before the tiles.

        Args:
            metadata: what the source file needs beside its samples.
        """
        self._stream = stream
        self._tiles = self._size = self._held = self._packed = 0
        stream.write(SIGNATURE + bytes([VERSION_MAJOR, VERSION_MINOR]))
        self._chunk(HEADER, build_header(header))
        self._hash_lengths = header.hash_lengths()
        if header.is_series:
            self._chunk(MEMBERS, pack_metadata(build_members(header.members)))
        if metadata:
            self._chunk(METADATA, pack_metadata(metadata))
        for adapted in header.adapters:
            self._chunk(ADAPTER, build_adapter(adapted))
        for frame in header.frames:
            self._chunk(FRAME, build_frame(frame))

    def piece(self, data: bytes) -> None:
        """Write the next part of what is kept whole, packed; 1 to MAX_PIECE_BYTES bytes."""
        self._piece(len(data), *self._pack(data))

    def pieces(self, parts: Sequence[bytes]) -> None:
        """Write parts that follow one another, packed together or one by one, whichever is smaller."""
        together = self._pack(b"".join(parts))
        apart = [self._pack(part) for part in parts] if len(parts) > 1 else []
        if apart and sum(_PIECE_HEAD + len(body) for _, body in apart) < _PIECE_HEAD + len(together[1]):
            for part in parts:  # once more: what may be made of little depends on what came before
                self.piece(part)
        else:
            self._piece(sum(map(len, parts)), *together)

    def _pack(self, data: bytes) -> "_Packed":
        held = self._held + len(data)
        return _pack_smallest(data, lambda size: held <= most_unpacked(self._packed + size))

    def _piece(self, size: int, packing: Packing, body: bytes) -> None:
        self._chunk(PIECE, build_piece(Piece(self._held, size, packing, body)))
        self._held, self._packed = self._held + size, self._packed + len(body)

    def tile(self, tile: CodedTile) -> None:
        """Write the next tile: frame after frame, in raster order, parts of a tile one after another.

        Raises:
            LimitExceededError: it is larger than a chunk can be.
        """
        self._chunk(TILE, put_varint(self._tiles) + put_varint(tile.mode + MODES * tile.orientation) + tile.payload)
        self._tiles += 1

    def end(self, samples_hash: bytes, *file_hashes: bytes) -> None:
        """Write the end: SHA-256 of the samples, and of the source file (empty for arrays), or of each of a series."""
        of_samples, of_file = TINY_HASH_BYTES if self._size < TINY_BYTES else HASH_BYTES
        lengths = self._hash_lengths or [of_file]
        kept = (file_hash[:length] for file_hash, length in zip(file_hashes, lengths, strict=True))
        self._chunk(END, samples_hash[:of_samples] + b"".join(kept))
        self._stream.flush()

    def _chunk(self, chunk_type: bytes, payload: bytes) -> None:
        if len(payload) > MAX_CHUNK_BYTES:  # which no reader takes
            raise LimitExceededError(f"a chunk of {len(payload):,} bytes; the limit is {MAX_CHUNK_BYTES:,}")
        data = build_chunk_head(chunk_type, payload) + payload
        self._size += self._stream.write(data + pack_crc(zlib.crc32(data)))


_Packed = tuple[Packing, bytes]

_PIECE_HEAD = 12
"""What a piece takes beside its payload, about."""

_TASTES, _TASTE_BYTES, _WON = 8, 1 << 14, 0.99
"""So many parts, of so many bytes each, must deflate to less than this for what is large to be compressed."""


def pack_metadata(data: bytes) -> bytes:
    """Compress metadata in whichever way is smallest, of those that do not make too much of too little."""
    packing, body = _pack_smallest(data, lambda size: len(data) <= most_unpacked(size))
    return put_varint(packing) + body


def _pack_smallest(data: bytes, is_allowed: Callable[[int], bool]) -> _Packed:
    """Compress in whichever way is smallest, of those whose size is allowed; what is compressed already is quickly left.

    As it is, data always may be.
    """
    if _is_compressed(data):
        return Packing.STORED, data
    packed = [
        (Packing.ZLIB, zlib.compress(data, 9)),
        (Packing.LZMA, lzma.compress(data, lzma.FORMAT_RAW, filters=LZMA_FILTERS)),
    ]
    allowed = [each for each in packed if is_allowed(len(each[1]))]
    if not allowed:
        entropy_only = zlib.compressobj(9, strategy=zlib.Z_HUFFMAN_ONLY)  # an eighth at least
        allowed.append((Packing.ZLIB, entropy_only.compress(data) + entropy_only.flush()))
    return min((Packing.STORED, data), *allowed, key=lambda each: len(each[1]))


def _is_compressed(data: bytes) -> bool:
    """Whether there is much data, and parts of it hardly become smaller."""
    if len(data) <= _TASTES * _TASTE_BYTES:
        return False
    step = len(data) // _TASTES
    tastes = (data[at : at + _TASTE_BYTES] for at in range(0, step * _TASTES, step))
    return sum(len(zlib.compress(taste, 1)) for taste in tastes) > _WON * _TASTES * _TASTE_BYTES
