"""What of a damaged container can still be read: every chunk whose checksum matches.

Chunks follow each other without an index, so behind damage the next good one is searched for byte
by byte. A tile says its own number, so those between stay known as lost.
"""

import io
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
    HASH_BYTES,
    HEADER,
    MEMBERS,
    METADATA,
    PIECE,
    SIGNATURE,
    TILE,
    TINY_HASH_BYTES,
    VERSION_MAJOR,
    VERSION_MINOR,
    Header,
    Member,
    chunk_fields,
    most_unpacked,
    parse_piece,
)
from .parse import Head, TileChunk, parse_tile, unpack_piece

_CHUNK = re.compile(rb"[HSMPAFTE][\x80-\xff]{0,4}[\x00-\x7f]")
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
    member_hashes: tuple[bytes, ...] = ()
    """SHA-256 of each file of a series, or the beginning of it; empty if they are lost."""


def find_undamaged(data: bytes, limits: Limits) -> Salvaged:
    """Read all that is undamaged of a container.

    Raises:
        ContainerError: the header or a frame's description is lost, without which no tile can be placed.
        LimitExceededError: more pixels or metadata than limits allow.
    """
    chunks = list(_good_chunks(data))
    found = _read_head(data, chunks, limits)
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
    if found.header.is_series and chunks[-1].type == END:
        found.member_hashes = _read_hashes(found.header, chunks[-1])
    return found


def _read_hashes(header: Header, end: Chunk) -> tuple[bytes, ...]:
    """The hashes of a series' files, which end its last chunk."""
    fields, lengths = chunk_fields(end.payload), header.hash_lengths()
    of_samples = len(end.payload) - sum(lengths)
    if of_samples not in (HASH_BYTES[0], TINY_HASH_BYTES[0]):
        return ()
    fields.take(of_samples)
    return tuple(fields.take(length) for length in lengths)


def _unpack_pieces(chunks: list[Chunk], limit: int) -> dict[int, bytes]:
    """Pieces of a file of at most `limit` bytes; one that overlaps what comes before it is none."""
    pieces: dict[int, bytes] = {}
    end = 0
    for chunk in chunks:
        try:
            piece = parse_piece(chunk.payload) if chunk.type == PIECE else None
            if piece and end <= piece.offset <= limit - piece.size:
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


def _good_chunks(data: bytes) -> Iterator[Chunk]:
    at = len(SIGNATURE) + 2
    while match := _CHUNK.search(data, at):
        chunk = _chunk_at(data, match.start(), match.end())
        if chunk:
            yield chunk
        at = chunk.offset + chunk.size if chunk else match.start() + 1
        if chunk and chunk.type == END:
            return


def _chunk_at(data: bytes, start: int, body: int) -> Chunk | None:
    length = sum((byte & 127) << 7 * i for i, byte in enumerate(data[start + 1 : body]))
    stop = body + length
    if stop + CRC_BYTES > len(data):
        return None
    if zlib.crc32(memoryview(data)[start:stop]) != int.from_bytes(data[stop : stop + CRC_BYTES], "little"):
        return None
    return Chunk(data[start : start + 1], data[body:stop], start, stop + CRC_BYTES - start)
