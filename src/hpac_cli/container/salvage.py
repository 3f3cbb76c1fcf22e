"""What of a damaged container can still be read? Every chunk whose checksum matches.

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

from .fields import (
    ADAPTER,
    ARRAYS,
    END,
    FRAME,
    HEADER,
    METADATA,
    PIECE,
    SIGNATURE,
    TILE,
    VERSION_MAJOR,
    VERSION_MINOR,
    Header,
    most_unpacked,
    parse_piece,
)
from .parse import Chunk, Reader, TileChunk, parse_tile, unpack_piece

_CHUNK = re.compile(rb"[HMPAFTE][\x80-\xff]{0,4}[\x00-\x7f]")
_CRC_BYTES = 4
_EMPTY_END = b"E\0" + zlib.crc32(b"E\0").to_bytes(_CRC_BYTES, "little")
"""Stands behind a head that is read alone; nobody looks into it."""


@dataclass
class Salvaged:
    """What was found."""

    header: Header
    metadata: bytes | None
    """None if it is damaged."""
    tiles: dict[int, TileChunk] = field(default_factory=dict)
    pieces: dict[int, bytes] = field(default_factory=dict)
    """Of a file that is kept whole, by where they begin in it, in ascending order."""


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
    if not found.header.frames:
        found.pieces = _unpack_pieces(chunks, most_unpacked(len(data)))
    return found


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
    for types in ((HEADER, METADATA, ADAPTER, FRAME), (HEADER, ADAPTER, FRAME)):
        parts = [data[c.offset : c.offset + c.size] for kind in types for c in chunks if c.type == kind]
        try:
            reader = Reader(io.BytesIO(start + b"".join(parts) + _EMPTY_END), limits)
        except ContainerError as error:
            lost = error
            continue
        is_lost = reader.header.frames and reader.header.kind not in ARRAYS and not reader.metadata
        return Salvaged(reader.header, None if is_lost else reader.metadata)
    raise ContainerError("the header is lost, without which no tile can be placed") from lost


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
    if stop + _CRC_BYTES > len(data):
        return None
    if zlib.crc32(memoryview(data)[start:stop]) != int.from_bytes(data[stop : stop + _CRC_BYTES], "little"):
        return None
    return Chunk(data[start : start + 1], data[body:stop], start, stop + _CRC_BYTES - start)
