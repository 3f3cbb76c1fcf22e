"""What of a damaged container can still be read: every chunk whose checksum matches.

Chunks follow each other without an index. A damaged one is passed over where the next good one begins as its head says;
else that is searched for byte by byte. A tile says its own number, so those between stay known as lost.
"""

import contextlib
import io
import itertools
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from hpac_cli.errors import ContainerError
from hpac_cli.limits import Limits

from .chunks import CRC_BYTES, Chunk
from .fields import (
    ADAPTER,
    ARRAYS,
    END,
    FRAME,
    HEADER,
    MEMBERS,
    METADATA,
    PIECE,
    SIGNATURE,
    TILE,
    VERSION_MAJOR,
    VERSION_MINOR,
    Header,
    Member,
    Packing,
    most_unpacked,
    parse_piece,
)
from .parse import Head, TileChunk, parse_end, parse_tile, unpack_piece

_HEAD = re.compile(rb"[\x00-\xff](?:[\x80-\xff]{1,4}[\x01-\x7f]|[\x00-\x7f])")
_CHUNK = re.compile(rb"[HSMPAFTE](?:[\x80-\xff]{1,4}[\x01-\x7f]|[\x00-\x7f])")
"""The head of a chunk of any type, which may be damaged, and of one that is known."""
_START = len(SIGNATURE) + 2
"""Where the first chunk begins: behind the version."""
_CHECKS = 256
"""As many times the size of the file may be spent on checksums that do not match; of noise it is some 90."""
_FIELDS_BYTES = 32
"""All fields of a piece or tile before what is packed are shorter."""
_EMPTY_END = b"E\0" + zlib.crc32(b"E\0").to_bytes(CRC_BYTES, "little")
"""Stands behind a head that is read alone; nobody looks into it."""


@dataclass
class Salvaged:
    """What was found."""

    header: Header
    metadata: bytes | None
    """None if it is damaged."""
    tiles: dict[int, TileChunk] = field(default_factory=dict)
    pieces: dict[int, bytes] = field(default_factory=dict)
    """Of what is kept whole, by where they begin in it, in ascending order."""
    samples_hash: bytes = b""
    """SHA-256 of all samples, or the beginning of it; empty if it is lost."""
    file_hashes: tuple[bytes, ...] = ()
    """The same of each file that was encoded; empty if they are lost, and of arrays."""


def find_undamaged(data: bytes, limits: Limits) -> Salvaged:
    """Read all that is undamaged of a container.

    Raises:
        ContainerError: the header or a frame's description is lost, without which no tile can be placed.
        LimitExceededError: more pixels or metadata than limits allow.
    """
    chunks = _own_chunks(data)
    head = list(itertools.takewhile(lambda chunk: chunk.type not in (PIECE, TILE), chunks))
    found = _read_head(data, head, limits)
    claimed = sum(frame.num_tiles for frame in found.header.frames)
    if claimed > len(data):  # each takes several bytes, so this is no file that was cut short by chance
        raise ContainerError(f"{claimed:,} tiles cannot have been in a file of {len(data):,} bytes")
    size = sum(frame.num_bytes for frame in found.header.frames)
    if size > most_unpacked(len(data)):  # of a file that is whole, decoding gives even that
        raise ContainerError(f"{size:,} bytes of samples are too many to be salvaged of {len(data):,}")
    for chunk in chunks:
        if chunk.type == TILE:
            try:
                tile = parse_tile(chunk)
            except ContainerError:
                continue
            found.tiles.setdefault(tile.index, tile)
    if found.header.is_whole or found.header.is_series:
        found.pieces = _unpack_pieces(chunks, most_unpacked(len(data)))
    is_table_lost = found.header.is_series and not found.header.members
    if chunks[-1].type == END and not is_table_lost:
        with contextlib.suppress(ContainerError):
            found.samples_hash, found.file_hashes = parse_end(found.header, chunks[-1].payload)
    return found


def _unpack_pieces(chunks: list[Chunk], limit: int) -> dict[int, bytes]:
    """Pieces of a file of at most `limit` bytes; one that overlaps what comes before it is none.

    Where a damaged piece lies, nothing but the very next one can have moved to: all else belongs to a file within it.
    """
    pieces: dict[int, bytes] = {}
    end = damaged_until = 0
    for chunk in chunks:
        try:
            piece = parse_piece(chunk.payload) if chunk.type == PIECE else None
            if piece is None or piece.offset < end or piece.offset > limit - piece.size:
                continue
            if piece.offset > end and (chunk.offset < damaged_until or isinstance(chunk, _Damaged)):
                continue
            if isinstance(chunk, _Damaged):
                damaged_until = chunk.offset + chunk.size
            else:
                pieces[piece.offset] = unpack_piece(piece)
            end = piece.offset + piece.size
        except ContainerError:
            continue
    return pieces


def _read_head(data: bytes, chunks: list[Chunk], limits: Limits) -> Salvaged:
    """Read header, metadata and frames as if the file held nothing else; failing that, without metadata."""
    start = SIGNATURE + bytes([VERSION_MAJOR, VERSION_MINOR])  # the file's own may be damaged
    lost: ContainerError | None = None
    needed = (HEADER, ADAPTER, FRAME)
    for types in ((HEADER, MEMBERS, METADATA, ADAPTER, FRAME), (HEADER, MEMBERS, ADAPTER, FRAME), needed):
        parts = [data[c.offset : c.offset + c.size] for kind in types for c in chunks if c.type == kind]
        try:
            reader = _LostHead(io.BytesIO(start + b"".join(parts) + _EMPTY_END), limits)
        except ContainerError as error:
            lost = error
            continue
        is_lost = reader.header.frames and reader.header.kind not in ARRAYS and not reader.metadata
        is_lost = is_lost or (reader.header.is_series and not reader.header.members)
        return Salvaged(reader.header, None if is_lost else reader.metadata)
    raise ContainerError("the header is lost, without which no tile can be placed") from lost


class _LostHead(Head):
    """Reads the head of a series too whose table, or whose metadata, is lost."""

    def _read_members(self) -> tuple[Member, ...]:
        return super()._read_members() if self._chunks.comes_next(MEMBERS) else ()

    def _check_members(self, header: Header) -> None:
        if header.members and (self.metadata or not header.frames):
            super()._check_members(header)
        elif header.members and sum(member.num_frames for member in header.members) != len(header.frames):
            raise ContainerError("the table of members does not fit the frames")


def _own_chunks(data: bytes) -> list[Chunk]:
    """Undamaged chunks without those of any .hpac file that lies within this one, as far as can be told."""
    runs = list(_Search(data).runs())
    if not runs or _is_inner(data, runs[0][0]):
        return []
    first, *others = runs
    kept: list[list[Chunk]] = []
    for run in [] if first[-1].type == END else reversed(others):
        is_ours = run[0].type != HEADER and (run[-1].type != END or not kept)  # nothing of ours follows our end
        if is_ours:
            kept.append(run)
    return [*first, *(chunk for run in reversed(kept) for chunk in run)]


def _is_inner(data: bytes, chunk: Chunk) -> bool:
    """Whether a chunk is the header of a file within this one: that has a signature too."""
    return data.startswith(SIGNATURE) and chunk.offset > _START and data[: chunk.offset - 2].endswith(SIGNATURE)


def _length(head: re.Match[bytes]) -> int:
    """Of a chunk's payload, as its head says."""
    return sum((byte & 127) << 7 * i for i, byte in enumerate(head.group()[1:]))


class _Damaged(Chunk):
    """A piece whose head and fields agree, so that it is only its body that is damaged, or cut short; its payload is the fields."""


class _Search:
    """Looks for good chunks; what it does in vain is bounded by a multiple of the file's size."""

    def __init__(self, data: bytes) -> None:
        self._data, self._left = data, _CHECKS * len(data)

    def runs(self) -> Iterator[list[Chunk]]:
        """Good chunks that lie one behind the other, no end but at the end of a run.

        A damaged chunk between them is passed over as a whole where it ends as its head says: what it holds may be another
        .hpac file.
        """
        at: int | None = _START
        while at is not None:
            run: list[Chunk] = []
            while chunk := self._chunk_at(at) or self._chunk_behind(at):
                run.append(chunk)
                at = chunk.offset + chunk.size
                if chunk.type == END:
                    break
            piece = None if run and run[-1].type == END else self._damaged_piece(at)
            if piece:
                run.append(piece)
            if run:
                yield run
            extent = self._extent(at)
            at = None if extent and extent[1] == len(self._data) else self._find(at + 1 if piece else at)

    def _find(self, at: int) -> int | None:
        """Where the next good chunk of a known type begins, or a piece of which no more than the body is damaged."""
        while match := _CHUNK.search(self._data, at):
            at = match.start()
            if (self._is_likely(at) and self._chunk_at(at)) or self._damaged_piece(at):
                return at
            at += 1
        return None

    def _is_likely(self, at: int) -> bool:
        """Whether what looks like a chunk is worth its checksum: the longer it claims to be, the more must speak for it."""
        extent = self._extent(at)
        if extent is None:
            return False
        body, end = extent
        kind, begin = self._data[at : at + 1], self._data[body : min(body + _FIELDS_BYTES, end - CRC_BYTES)]
        followers = body - at - 2
        if kind in (PIECE, TILE):
            try:
                if kind == PIECE:
                    return end - body <= parse_piece(begin).size + _FIELDS_BYTES
                parse_tile(Chunk(kind, begin, at, end - at))
            except ContainerError:
                return False
            followers -= 2
        return self._is_followed(end, followers)

    def _is_followed(self, at: int, count: int) -> bool:
        """Whether so many heads of chunks follow here, or the end of the file does."""
        for _ in range(count):
            if at == len(self._data):
                return True
            extent = self._extent(at) if _CHUNK.match(self._data, at) else None
            if extent is None:
                return False
            at = extent[1]
        return True

    def _extent(self, at: int) -> tuple[int, int] | None:
        """Where the payload of a chunk begins and the chunk ends that may stand here, by its head."""
        head = _HEAD.match(self._data, at)
        if head is None:
            return None
        end = head.end() + _length(head) + CRC_BYTES
        return (head.end(), end) if end <= len(self._data) else None

    def _damaged_piece(self, at: int) -> _Damaged | None:
        """The piece that begins here, if it is one that lies as it is in the file, and says of itself what can be."""
        head = _CHUNK.match(self._data, at)
        if head is None or head.group()[:1] != PIECE:
            return None
        begin = self._data[head.end() : head.end() + _FIELDS_BYTES]
        try:
            piece = parse_piece(begin)
        except ContainerError:
            return None
        fields = len(begin) - len(piece.payload)
        if piece.packing is not Packing.STORED or _length(head) != fields + piece.size:
            return None
        return _Damaged(PIECE, begin[:fields], at, len(head.group()) + fields + piece.size + CRC_BYTES)

    def _chunk_behind(self, at: int) -> Chunk | None:
        """The good chunk right behind the damaged one that begins here."""
        extent = self._extent(at)
        return extent and self._chunk_at(extent[1])

    def _chunk_at(self, at: int) -> Chunk | None:
        extent = self._extent(at)
        if extent is None:
            return None
        body, end = extent
        if self._left < 0:
            return None
        stop = end - CRC_BYTES
        if zlib.crc32(memoryview(self._data)[at:stop]) != int.from_bytes(self._data[stop:end], "little"):
            self._left -= end - at
            return None
        return Chunk(self._data[at : at + 1], self._data[body:stop], at, end - at)
