"""Tiles in any order, from a stream that seeks: of what is not wanted, heads of chunks alone are read."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

from hpac_cli.errors import ContainerError
from hpac_cli.limits import Limits

from .chunks import CRC_BYTES, HEAD_BYTES, Chunk, parse_chunk, parse_head, read_available
from .fields import PIECE, TILE
from .parse import Head, TileChunk, parse_tile_of


class _Place(NamedTuple):
    """Where a chunk lies."""

    offset: int
    head: bytes
    size: int
    """Head and checksum included."""


class RangedReader(Head):
    """The head of a container, and its tiles in any order; threads may share it once it is made."""

    def __init__(self, stream: BinaryIO, limits: Limits) -> None:
        """Read signature, version, header and metadata.

        Args:
            stream: seeks; the container begins where it stands, and nobody else moves it.

        Raises:
            ContainerError: not hpac, truncated or altered.
            NewerVersionError: the format's version is higher than ours.
            LimitExceededError: more pixels or metadata than limits allow.
        """
        self._stream, self.start = stream, stream.tell()
        super().__init__(stream, limits)
        self._lock = threading.Lock()
        self._places: list[_Place] = []
        """Of the tiles that were looked for so far, and all before them."""
        self._behind = self._chunks.offset
        """Where the search goes on."""

    def tiles_of(self, wanted: Sequence[int]) -> Iterator[TileChunk]:
        """Read only some tiles.

        Raises:
            ContainerError: truncated, or a wanted tile is altered.
        """
        for number in wanted:
            yield parse_tile_of(self._read_tile(number), number)

    @contextmanager
    def alone(self) -> Iterator[BinaryIO]:
        """The stream, wherever it stands, for this thread alone, which must not wait for others meanwhile."""
        with self._lock:
            yield self._stream

    def _read_tile(self, index: int) -> Chunk:
        with self._lock:
            while len(self._places) <= index:
                self._find_next()
            place = self._places[index]
            data = self._read_at(place.offset, place.size)
        if len(data) < place.size:
            raise ContainerError(f"truncated in the chunk at byte {place.offset}; copy the file again")
        return parse_chunk(place.head, data[len(place.head) :], place.offset)

    def _find_next(self) -> None:
        """Go on to the next tile's chunk."""
        while True:
            head, length = parse_head(self._read_at(self._behind, HEAD_BYTES), self._behind)
            place, kind = _Place(self._behind, head, len(head) + length + CRC_BYTES), head[:1]
            is_before = kind == PIECE and self.header.is_series and not self._places
            if kind.isupper() and kind != TILE and not is_before:
                raise ContainerError("tiles are missing before the end")
            self._behind += place.size
            if kind == TILE:
                self._places.append(place)
                return

    def _read_at(self, offset: int, size: int) -> bytes:
        """As many bytes as there are, up to `size`."""
        self._stream.seek(self.start + offset)
        return read_available(self._stream, size)
