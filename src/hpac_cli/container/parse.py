"""Bytes to typed sections, streamed, trusting nothing that the bytes claim."""

import io
import lzma
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from hpac_cli.binary import put_varint
from hpac_cli.errors import ContainerError, LimitExceededError, NewerVersionError
from hpac_cli.limits import DEFAULT_LIMITS, Limits, Tally

from .fields import (
    ADAPTER,
    ARRAYS,
    END,
    FRAME,
    HASH_BYTES,
    HEADER,
    LZMA_FILTERS,
    MAX_ADAPTERS,
    MAX_CHUNK_BYTES,
    MEMBERS,
    METADATA,
    MODES,
    NETWORK_MODES,
    ORIENTATIONS,
    PIECE,
    SIGNATURE,
    TILE,
    TINY_HASH_BYTES,
    VERSION_MAJOR,
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

_READ_BYTES = 1 << 20
_CRC_BYTES = 4


@dataclass(frozen=True)
class Chunk:
    """One chunk as it lies in the file."""

    type: bytes
    payload: bytes
    offset: int
    size: int
    """Bytes in the file, type, length and checksum included."""


@dataclass(frozen=True)
class TileChunk:
    """One tile's coded samples."""

    index: int
    mode: TileMode
    payload: bytes
    size: int
    orientation: int = 0
    """How the tile was turned before a network coded it (ORIENTATIONS)."""


class Reader:
    """Reads one container from a binary stream that need not seek."""

    def __init__(self, stream: BinaryIO, limits: Limits) -> None:
        """Read signature, version, header and metadata.

        Raises:
            ContainerError: not hpac, truncated or altered.
            NewerVersionError: the format's major version is higher than ours.
            LimitExceededError: more pixels or metadata than limits allow.
        """
        self._stream, self._limits, self._offset = stream, limits, 0
        self._tally = Tally(limits)
        self._read_signature()
        self.metadata = b""
        """What the source file needs beside its samples."""
        self.samples_hash = self.file_hash = b""
        self.member_hashes: tuple[bytes, ...] = ()
        """SHA-256 of each member of a series, or the beginning of it; known at the end."""
        self.sizes = dict.fromkeys(
            ("signature", "header", "members", "metadata", "adapters", "frames", "pieces", "tiles", "end"), 0
        )
        self.sizes["signature"] = self._offset
        first = self._chunk()
        if first.type != HEADER:
            raise ContainerError(f"the first chunk, at byte {first.offset}, is no header")
        self.sizes["header"] = first.size
        self._next: Chunk | None = None
        self.header = self._read_header(first)

    def _read_header(self, first: Chunk) -> Header:
        header, num_frames = parse_header(first.payload)
        if num_frames > self._limits.max_frames:
            raise LimitExceededError(f"{num_frames:,} frames; the limit is {self._limits.max_frames:,}")
        members = self._read_members() if header.is_series else ()
        if chunk := self._take(METADATA):
            self.metadata = self._unpack(chunk)
            self.sizes["metadata"] = chunk.size
        adapters: list[Adapted] = []
        while chunk := self._take(ADAPTER):
            adapters.append(parse_adapter(chunk.payload))
            self.sizes["adapters"] += chunk.size
            if len(adapters) > MAX_ADAPTERS:
                raise LimitExceededError(f"more than {MAX_ADAPTERS} adapters")
        frames: list[Frame] = []
        for _ in range(num_frames):
            chunk = self._take(FRAME)
            if chunk is None:
                raise ContainerError(f"a frame is missing before byte {self._offset}")
            frame = parse_frame(chunk.payload, self._limits, frames)
            frames.append(frame)
            self.sizes["frames"] += chunk.size
            self._tally.add(frame.width, frame.height, frame.channels, frame.num_bytes)
        header = replace(header, frames=tuple(frames), adapters=tuple(adapters), members=members)
        if header.is_whole and (header.kind in ARRAYS or not header.identical or self.metadata):
            raise ContainerError("what has no frames is a file as it is, and this is none")
        if frames and header.kind is Kind.FILE:
            raise ContainerError("a file that is kept whole has no frames")
        if header.is_series:
            self._check_members(header)
        return header

    def _read_members(self) -> tuple[Member, ...]:
        chunk = self._take(MEMBERS)
        if chunk is None:
            raise ContainerError("the table of members is missing")
        self.sizes["members"] = chunk.size
        return parse_members(self._unpack(chunk), self._limits)

    def _unpack(self, chunk: Chunk) -> bytes:
        limit = min(self._limits.max_metadata_bytes, most_unpacked(len(chunk.payload)))
        return unpack_metadata(chunk.payload, limit)

    def _check_members(self, header: Header) -> None:
        """Make sure that frames and metadata are those of the members, no more and no less."""
        around = sum(member.size for member in header.members if member.num_frames)
        if sum(member.num_frames for member in header.members) != len(header.frames) or around != len(self.metadata):
            raise ContainerError("the table of members does not fit the frames and metadata")
        if header.identical != all(member.identical for member in header.members):
            raise ContainerError("what is said of the series is not true of its members")

    def _take(self, kind: bytes) -> Chunk | None:
        """The next chunk that must be understood, if it is of this type; else it waits."""
        self._next = self._next or self._critical()
        if self._next.type != kind:
            return None
        chunk, self._next = self._next, None
        return chunk

    def pieces(self) -> Iterator[Piece]:
        """Read piece after piece of a file that is kept whole; there are none where there are frames.

        Raises:
            ContainerError: truncated or altered, or they claim more than so few bytes can hold.
        """
        held = packed = 0
        while (self.header.is_whole or self.header.is_series) and (chunk := self._take(PIECE)):
            piece = parse_piece(chunk.payload)
            self.sizes["pieces"] += chunk.size
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
            chunk = self._next or self._critical()
            self._next = None
            if chunk.type == END:
                self._finish(chunk)
                return
            if chunk.type != TILE:
                raise ContainerError(f"an unexpected {chunk.type.decode()} chunk at byte {chunk.offset}")
            tile = self._parse_tile(chunk, index)
            self.sizes["tiles"] += chunk.size
            yield tile
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
                chunk = self._next or self._critical(skip=index != number)
                self._next = None
                if chunk.type == PIECE and self.header.is_series and not index:
                    continue
                if chunk.type != TILE:
                    raise ContainerError("tiles are missing before the end")
                index += 1
            yield self._parse_tile(chunk, number)

    def skip_to_end(self) -> None:
        """Pass over the tiles that were not read; then samples_hash and the hashes of files are known.

        Raises:
            ContainerError: truncated, or the end is altered.
        """
        while True:
            chunk = self._next or self._critical(skip=True)
            self._next = None
            if chunk.type == END:
                return self._finish(chunk)

    def _parse_tile(self, chunk: Chunk, index: int) -> TileChunk:
        tile = parse_tile(chunk)
        if tile.index != index:
            raise ContainerError(f"tile {index} at byte {chunk.offset} is out of order")
        return tile

    def _finish(self, chunk: Chunk) -> None:
        size = len(chunk.payload)
        arrays, series = self.header.kind in ARRAYS, self.header.hash_lengths()
        lengths = ((s, series or [0 if arrays else f]) for s, f in (HASH_BYTES, TINY_HASH_BYTES))
        of_samples, of_files = next(((s, of) for s, of in lengths if size == s + sum(of)), (0, []))
        if not of_samples:
            raise ContainerError("the end chunk has no SHA-256")
        fields = chunk_fields(chunk.payload)
        self.samples_hash = fields.take(of_samples)
        hashes = tuple(fields.take(length) for length in of_files)
        if self.header.is_series:
            self.member_hashes = hashes
        else:
            (self.file_hash,) = hashes
        self.sizes["end"] = chunk.size
        if self._stream.read(1):
            raise ContainerError(f"there are bytes after the end, from byte {self._offset}")

    def _critical(self, *, skip: bool = False) -> Chunk:
        """Read on to the next chunk that must be understood; others are skipped.

        Args:
            skip: pass over the payload, unless it is the end's; it is then empty and unchecked.
        """
        while True:
            chunk = self._chunk(skip=skip)
            if chunk.type.isupper():
                return chunk
            self.sizes["skipped"] = self.sizes.get("skipped", 0) + chunk.size

    def _read_signature(self) -> None:
        found = self._stream.read(len(SIGNATURE))
        if found != SIGNATURE:
            if found[1:5] == SIGNATURE[1:5]:
                raise ContainerError("the signature is damaged: was the file copied in text mode?")
            raise ContainerError("not an hpac file")
        major, minor = self._exactly(2)
        self._offset = len(SIGNATURE) + 2
        self.version = (major, minor)
        if major > VERSION_MAJOR:
            raise NewerVersionError(
                f"format version {major}.{minor} is newer than this program's {VERSION_MAJOR}; update hpac"
            )
        if major < VERSION_MAJOR:
            raise ContainerError(f"format version {major}.{minor} does not exist")

    def _exactly(self, count: int) -> bytes:
        parts = []
        missing = count
        while missing:  # in steps, so that a length that lies allocates nothing
            part = self._stream.read(min(missing, _READ_BYTES))
            if not part:
                raise ContainerError(
                    f"truncated at byte {self._offset + count - missing}: {missing:,} bytes are missing; copy the file again"
                )
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _pass_over(self, count: int) -> None:
        if count and self._stream.seekable():
            self._stream.seek(count - 1, io.SEEK_CUR)
            count = 1  # reading the last byte shows whether it is there
        while count:
            count -= len(self._exactly(min(count, _READ_BYTES)))

    def _chunk(self, *, skip: bool = False) -> Chunk:
        offset = self._offset
        head = self._exactly(1)
        length = shift = 0
        self._offset += 1
        while True:
            byte = self._exactly(1)
            self._offset += 1
            head += byte
            length |= (byte[0] & 127) << shift
            shift += 7
            if byte[0] < 128:
                break
            if shift > 28:
                raise ContainerError(f"the chunk at byte {offset} has an impossible length")
        if length > MAX_CHUNK_BYTES or put_varint(length) != head[1:] or not head[:1].isalpha():
            raise ContainerError(f"the chunk at byte {offset} is damaged")
        if skip and head[:1] != END:
            self._pass_over(length + _CRC_BYTES)
            self._offset += length + _CRC_BYTES
            return Chunk(head[:1], b"", offset, self._offset - offset)
        payload = self._exactly(length)
        self._offset += length
        crc = int.from_bytes(self._exactly(_CRC_BYTES), "little")
        self._offset += _CRC_BYTES
        if zlib.crc32(head + payload) != crc:
            raise ContainerError(
                f"the {head[:1].decode()} chunk at byte {offset} is damaged: its checksum does not match"
            )
        return Chunk(head[:1], payload, offset, self._offset - offset)


def peek(stream: BinaryIO) -> tuple[Kind, bytes, tuple[bytes, ...]]:
    """Read only what names the files that a container came from: its kind, its name's suffix, names in a series.

    Raises:
        ContainerError: not hpac, or damaged.
        NewerVersionError: the format's major version is higher than ours.
    """
    head = _Peek(stream)
    return head.kind, head.suffix, head.names


class _Peek(Reader):
    """Reads up to the header, and the table of members behind it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._offset, self._limits = stream, 0, DEFAULT_LIMITS
        self._next, self.sizes = None, {}
        self._read_signature()
        first = self._chunk()
        if first.type != HEADER:
            raise ContainerError(f"the first chunk, at byte {first.offset}, is no header")
        header, _ = parse_header(first.payload)
        self.kind, self.suffix = header.kind, header.suffix
        self.names = tuple(member.name for member in self._read_members()) if header.is_series else ()


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
