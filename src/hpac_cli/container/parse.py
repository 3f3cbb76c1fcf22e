"""Chunks to typed sections, streamed, trusting nothing that the bytes claim."""

import lzma
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from hpac_cli.errors import ContainerError, LimitExceededError
from hpac_cli.limits import DEFAULT_LIMITS, Limits, Tally

from .chunks import Chunk, ChunkReader
from .fields import (
    ADAPTER,
    ARRAYS,
    END,
    FRAME,
    HASH_BYTES,
    HEADER,
    LZMA_FILTERS,
    MAX_ADAPTERS,
    MEMBERS,
    METADATA,
    MODES,
    NETWORK_MODES,
    ORIENTATIONS,
    PIECE,
    TILE,
    TINY_HASH_BYTES,
    Adapted,
    Frame,
    Header,
    Kind,
    Member,
    Packing,
    Piece,
    TileMode,
    chunk_fields,
    most_unpacked,
    parse_adapter,
    parse_frame,
    parse_header,
    parse_piece,
)
from .members import parse_members


@dataclass(frozen=True)
class TileChunk:
    """One tile's coded samples."""

    index: int
    mode: TileMode
    payload: bytes
    size: int
    orientation: int = 0
    """How the tile was turned before a network coded it (ORIENTATIONS)."""


class Head:
    """What stands before the pieces and tiles of a container, read when this is made."""

    def __init__(self, stream: BinaryIO, limits: Limits) -> None:
        """Read signature, version, header and metadata.

        Raises:
            ContainerError: not hpac, truncated or altered.
            NewerVersionError: the format's version is higher than ours.
            LimitExceededError: more pixels or metadata than limits allow.
        """
        self._chunks, self._limits, self._tally = ChunkReader(stream), limits, Tally(limits)
        self.version, self.sizes = self._chunks.version, self._chunks.sizes
        self.metadata = b""
        """What the source file needs beside its samples."""
        self.header = self._read_header()

    def _read_header(self) -> Header:
        header, num_frames = _take_header(self._chunks)
        if num_frames > self._limits.max_frames:
            raise LimitExceededError(f"{num_frames:,} frames; the limit is {self._limits.max_frames:,}")
        members = self._read_members() if header.is_series else ()
        if chunk := self._chunks.take(METADATA):
            self.metadata = _unpack_within(chunk, self._limits)
        adapters: list[Adapted] = []
        while chunk := self._chunks.take(ADAPTER):
            adapters.append(parse_adapter(chunk.payload))
            if len(adapters) > MAX_ADAPTERS:
                raise LimitExceededError(f"more than {MAX_ADAPTERS} adapters")
        frames: list[Frame] = []
        for _ in range(num_frames):
            chunk = self._chunks.take(FRAME)
            if chunk is None:
                raise ContainerError(f"a frame is missing before byte {self._chunks.offset}")
            frame = parse_frame(chunk.payload, self._limits, frames)
            frames.append(frame)
            self._tally.add(frame.width, frame.height, frame.channels, frame.num_bytes)
        header = replace(header, frames=tuple(frames), adapters=tuple(adapters), members=members)
        if header.is_whole and (header.kind in ARRAYS or not header.identical or self.metadata):
            raise ContainerError("what has no frames is a file as it is, and this is none")
        if frames and header.kind is Kind.FILE:
            raise ContainerError("a file that is kept whole has no frames")
        if header.kind in ARRAYS and not _is_array(header):
            raise ContainerError("its frames are not those of one array")
        if header.is_series:
            self._check_members(header)
        return header

    def _read_members(self) -> tuple[Member, ...]:
        return _take_members(self._chunks, self._limits)

    def _check_members(self, header: Header) -> None:
        """Make sure that frames and metadata are those of the members, no more and no less."""
        around = sum(member.size for member in header.members if member.num_frames)
        if sum(member.num_frames for member in header.members) != len(header.frames) or around != len(self.metadata):
            raise ContainerError("the table of members does not fit the frames and metadata")
        if header.identical != all(member.identical for member in header.members):
            raise ContainerError("what is said of the series is not true of its members")


def _is_array(header: Header) -> bool:
    """Whether frames are as the kind of array says that they came from."""
    first = header.frames[0]
    is_one = header.kind is Kind.ARRAY_FRAMES or len(header.frames) == 1
    is_flat = header.kind is not Kind.ARRAY_2D or first.channels == 1
    shapes = {(each.height, each.width, each.channels, each.sample_type) for each in header.frames}
    return is_one and is_flat and len(shapes) == 1


class Reader(Head):
    """Reads one container from a binary stream that need not seek: its head, then pieces, then tiles."""

    samples_hash = file_hash = b""
    """SHA-256 of all samples and of the source file, or the beginning of it; known at the end."""
    member_hashes: tuple[bytes, ...] = ()
    """Of each member of a series."""

    def pieces(self) -> Iterator[Piece]:
        """Read piece after piece of a file that is kept whole; there are none where there are frames.

        Raises:
            ContainerError: truncated or altered, or they claim more than so few bytes can hold.
        """
        held = packed = 0
        while (self.header.is_whole or self.header.is_series) and (chunk := self._chunks.take(PIECE)):
            piece = parse_piece(chunk.payload)
            if piece.offset != held:
                raise ContainerError(f"the piece at byte {chunk.offset} is out of order")
            held, packed = held + piece.size, packed + len(piece.payload)
            if held > most_unpacked(packed):
                raise ContainerError(f"{packed:,} bytes cannot hold {held:,}")
            yield piece

    def tiles(self) -> Iterator[TileChunk]:
        """Read tile after tile, when all pieces were read; at the end samples_hash is known.

        Raises:
            ContainerError: truncated or altered.
        """
        index = 0
        while True:
            chunk = self._chunks.next()
            if chunk.type == END:
                self._finish(chunk)
                return
            if chunk.type != TILE:
                raise ContainerError(f"an unexpected {chunk.type.decode()} chunk at byte {chunk.offset}")
            yield parse_tile_of(chunk, index)
            index += 1

    def tiles_of(self, wanted: Sequence[int]) -> Iterator[TileChunk]:
        """Read only some tiles, and nothing behind the last of them; others are passed over unread.

        Args:
            wanted: their numbers, ascending.

        Raises:
            ContainerError: truncated, or a wanted tile is altered.
        """
        index = 0
        for number in wanted:
            while index <= number:
                chunk = self._chunks.next(skip=index != number)
                if chunk.type == PIECE and self.header.is_series and not index:
                    continue
                if chunk.type != TILE:
                    raise ContainerError("tiles are missing before the end")
                index += 1
            yield parse_tile_of(chunk, number)

    def skip_to_end(self) -> None:
        """Pass over the tiles that were not read; then samples_hash and the hashes of files are known.

        Raises:
            ContainerError: truncated, or the end is altered.
        """
        while True:
            chunk = self._chunks.next(skip=True)
            if chunk.type == END:
                return self._finish(chunk)

    def _finish(self, chunk: Chunk) -> None:
        self.samples_hash, hashes = parse_end(self.header, chunk.payload)
        if self.header.is_series:
            self.member_hashes = hashes
        elif hashes:
            (self.file_hash,) = hashes
        self._chunks.end()


def parse_end(header: Header, payload: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Read the end chunk's payload: SHA-256, or its beginning, of all samples, and of each source file; of arrays none.

    Raises:
        ContainerError: it is not as long as hashes are.
    """
    for of_samples, of_file in (HASH_BYTES, TINY_HASH_BYTES):
        of_files = header.hash_lengths() if header.is_series else [] if header.kind in ARRAYS else [of_file]
        if len(payload) == of_samples + sum(of_files):
            fields = chunk_fields(payload)
            return fields.take(of_samples), tuple(fields.take(length) for length in of_files)
    raise ContainerError("the end chunk has no SHA-256")


def peek(stream: BinaryIO) -> tuple[Kind, bytes, tuple[bytes, ...]]:
    """Read only what names the files that a container came from: its kind, its name's suffix, names in a series.

    Raises:
        ContainerError: not hpac, or damaged.
        NewerVersionError: the format's version is higher than ours.
        LimitExceededError: it claims more members than are allowed.
    """
    chunks = ChunkReader(stream)
    header, _ = _take_header(chunks)
    members = _take_members(chunks, DEFAULT_LIMITS) if header.is_series else ()
    return header.kind, header.suffix, tuple(member.name for member in members)


def _take_header(chunks: ChunkReader) -> tuple[Header, int]:
    """What the first chunk says, and how many frames there are."""
    first = chunks.offset
    chunk = chunks.take(HEADER)
    if chunk is None or chunk.offset > first:
        raise ContainerError(f"the first chunk, at byte {first}, is no header")
    return parse_header(chunk.payload)


def _take_members(chunks: ChunkReader, limits: Limits) -> tuple[Member, ...]:
    chunk = chunks.take(MEMBERS)
    if chunk is None:
        raise ContainerError("the table of members is missing")
    return parse_members(_unpack_within(chunk, limits), limits)


def _unpack_within(chunk: Chunk, limits: Limits) -> bytes:
    limit = min(limits.max_metadata_bytes, most_unpacked(len(chunk.payload)))
    return unpack_metadata(chunk.payload, limit)


def parse_tile_of(chunk: Chunk, number: int) -> TileChunk:
    """Read the chunk of one tile.

    Raises:
        ContainerError: its mode or orientation is unknown, or it is another tile's.
    """
    tile = parse_tile(chunk)
    if tile.index != number:
        raise ContainerError(f"tile {tile.index} at byte {chunk.offset} is out of order")
    return tile


def parse_tile(chunk: Chunk) -> TileChunk:
    """Read a tile chunk.

    Raises:
        ContainerError: its mode or orientation is unknown.
    """
    fields = chunk_fields(chunk.payload)
    number = fields.varint()
    orientation, mode = divmod(fields.varint(), MODES)
    if mode not in list(TileMode) or orientation >= (ORIENTATIONS if mode in NETWORK_MODES else 1):
        raise ContainerError(f"tile {number} at byte {chunk.offset} is of an unknown mode")
    return TileChunk(number, TileMode(mode), fields.rest(), chunk.size, orientation)


def unpack_metadata(payload: bytes, limit: int) -> bytes:
    """Undo build.pack_metadata.

    Raises:
        ContainerError: damaged.
        LimitExceededError: more than `limit` bytes.
    """
    fields = chunk_fields(payload)
    packing = fields.varint()
    if packing not in list(Packing):
        raise ContainerError(f"metadata packing {packing} is unknown")
    return _unpack(Packing(packing), fields.rest(), limit)


def unpack_piece(piece: Piece) -> bytes:
    """Unpack a piece of a file that is kept whole.

    Raises:
        ContainerError: damaged, or not as long as it says.
    """
    try:
        data = _unpack(piece.packing, piece.payload, piece.size)
    except LimitExceededError as error:
        raise ContainerError(f"a piece of the file is longer than its {piece.size:,} bytes") from error
    if len(data) != piece.size:
        raise ContainerError(f"a piece of the file holds {len(data):,} bytes, not {piece.size:,}")
    return data


def _unpack(packing: Packing, data: bytes, limit: int) -> bytes:
    if packing is Packing.ZLIB:
        return inflate(data, limit)
    if packing is Packing.LZMA:
        return unpack_lzma(data, limit)
    if len(data) > limit:
        raise LimitExceededError(f"what is stored is larger than {limit:,} bytes")
    return data


def inflate(data: bytes, limit: int) -> bytes:
    """Inflate a whole zlib stream (RFC 1950) of at most `limit` bytes.

    Raises:
        ContainerError: damaged, or something follows it.
        LimitExceededError: larger.
    """
    return _decompress(zlib.decompressobj(), data, limit, "a zlib stream")


def unpack_lzma(data: bytes, limit: int) -> bytes:
    """Unpack a whole raw LZMA2 stream of at most `limit` bytes.

    Raises:
        ContainerError: damaged, or something follows it.
        LimitExceededError: larger.
    """
    return _decompress(lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=LZMA_FILTERS), data, limit, "an LZMA stream")


def _decompress(decompressor: Any, data: bytes, limit: int, name: str) -> bytes:
    try:
        out: bytes = decompressor.decompress(data, limit + 1)
    except (zlib.error, lzma.LZMAError) as error:
        raise ContainerError(f"{name} is damaged") from error
    if len(out) > limit:
        raise LimitExceededError(f"{name} holds more than {limit:,} bytes")
    if not decompressor.eof or decompressor.unused_data:
        raise ContainerError(f"{name} is damaged")
    return out
