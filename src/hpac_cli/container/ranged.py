"""Tiles in any order, from a stream that seeks: of what is not wanted, heads of chunks alone are read."""

import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

from hpac_cli.errors import ContainerError
from hpac_cli.limits import Limits

from .fields import MAX_CHUNK_BYTES, PIECE, TILE
from .parse import Chunk, Reader, TileChunk

_HEAD_BYTES = 6
"""Of a chunk, at most: its type, and a length below 2^35."""
_CRC_BYTES = 4
_READ_BYTES = 1 << 20


class _Place(NamedTuple):
    """Where a chunk lies."""

    offset: int
    head_bytes: int
    size: int
    """Head and checksum included."""


class RangedReader(Reader):
    """Reads one container; threads may share it once it is made."""

    def __init__(self, stream: BinaryIO, limits: Limits) -> None:
        """Read signature, version, header and metadata.

        Args:
            stream: seeks; the container begins where it stands, and nobody else moves it.

        Raises:
            ContainerError: not hpac, truncated or altered.
            NewerVersionError: the format's major version is higher than ours.
            LimitExceededError: more pixels or metadata than limits allow.
        """
        self._start = stream.tell()
        super().__init__(stream, limits)
        self._lock = threading.Lock()
        self._places: list[_Place] = []
        """Of the tiles that were looked for so far, and all before them."""
        self._behind = self._offset
        """Where the search goes on."""

    def tiles_of(self, wanted: Sequence[int]) -> Iterator[TileChunk]:
        """Read only some tiles.

        Raises:
            ContainerError: truncated, or a wanted tile is altered.
        """
        for number in wanted:
            yield self._parse_tile(self._read_tile(number), number)

    @contextmanager
    def from_start(self) -> Iterator[BinaryIO]:
        """The stream, at the beginning of the container, for this thread alone; it must not wait for others meanwhile."""
        with self._lock:
            self._stream.seek(self._start)
            yield self._stream

    def read_all(self) -> bytes:
        """The whole container."""
        with self.from_start() as stream:
            return stream.read()

    def _read_tile(self, index: int) -> Chunk:
        with self._lock:
            while len(self._places) <= index:
                self._find_next()
            place = self._places[index]
            data = self._read_at(place.offset, place.size)
        if len(data) < place.size:
            raise ContainerError(f"truncated in the chunk at byte {place.offset}; copy the file again")
        body, crc = data[:-_CRC_BYTES], int.from_bytes(data[-_CRC_BYTES:], "little")
        if zlib.crc32(body) != crc:
            raise ContainerError(f"the T chunk at byte {place.offset} is damaged: its checksum does not match")
        return Chunk(TILE, body[place.head_bytes :], place.offset, place.size)

    def _find_next(self) -> None:
        """Go on to the next tile's chunk."""
        while True:
            place, kind = _parse_head(self._read_at(self._behind, _HEAD_BYTES), self._behind)
            is_before = kind == PIECE and self.header.is_series and not self._places
            if kind.isupper() and kind != TILE and not is_before:
                raise ContainerError("tiles are missing before the end")
            self._behind += place.size
            if kind == TILE:
                self._places.append(place)
                return

    def _read_at(self, offset: int, size: int) -> bytes:
        """As many bytes as there are, up to `size`."""
        self._stream.seek(self._start + offset)
        parts, missing = list[bytes](), size
        while missing and (part := self._stream.read(min(missing, _READ_BYTES))):  # a length may lie
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)


def _parse_head(head: bytes, offset: int) -> tuple[_Place, bytes]:
    """Place and type of a chunk.

    Raises:
        ContainerError: truncated or damaged.
    """
    length = 0
    for number, byte in enumerate(head[1:]):
        length |= (byte & 127) << 7 * number
        if byte < 128 and length <= MAX_CHUNK_BYTES and head[:1].isalpha():
            return _Place(offset, number + 2, number + 2 + length + _CRC_BYTES), head[:1]
    raise ContainerError(f"the chunk at byte {offset} is truncated or damaged")
