"""Bytes of a file, read from it whenever they are sliced: no large file lies in memory as a whole."""

import bisect
import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from hpac_cli.errors import CHANGED, FileAccessError

PIECE_BYTES = 1 << 20
"""Read at once, of what is gone through from one end to the other."""


class Source:
    """A file that can be sliced as bytes can, without steps.

    Slicing raises FileAccessError if the file cannot be read, or became shorter.
    """

    def __init__(self, stream: BinaryIO) -> None:
        """Begin to use a stream that seeks."""
        self.stream = stream
        self._size = stream.seek(0, os.SEEK_END)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._size)
        size = max(0, stop - start)
        try:
            self.stream.seek(start)
            data = self.stream.read(size)
        except OSError as error:
            raise FileAccessError(f"cannot read: {error.strerror or error}") from error
        if len(data) < size:
            raise FileAccessError(CHANGED)
        return data

    def pieces(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """A part of it from one end to the other."""
        stop = self._size if stop is None else min(stop, self._size)
        return (self[at : min(at + PIECE_BYTES, stop)] for at in range(start, stop, PIECE_BYTES))

    def hash(self) -> bytes:
        """SHA-256 of all of it."""
        return hash_pieces(self.pieces())


class Joined:
    """Places of a file that follow one another, as one run of bytes that can be sliced."""

    def __init__(self, source: "FileBytes", places: Sequence[tuple[int, int]]) -> None:
        """Join.

        Args:
            source: the file.
            places: start and length of each, in ascending order; little of the file lies between them.
        """
        self._source, self._places = source, places
        self._ends = list(itertools.accumulate(length for _, length in places))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(len(self))
        if start >= stop:
            return b""
        first, last = bisect.bisect_right(self._ends, start), bisect.bisect_left(self._ends, stop)
        begin, end = self._place_of(first, start), self._place_of(last, stop)
        data = memoryview(self._source[begin:end])
        cuts = [at - begin for place in self._places[first : last + 1] for at in (place[0], sum(place))]
        cuts[0], cuts[-1] = 0, end - begin
        return b"".join(data[a:b] for a, b in zip(cuts[::2], cuts[1::2], strict=True))

    def _place_of(self, number: int, at: int) -> int:
        """Where in the file a byte lies, which is in or right behind a place of this number."""
        start, length = self._places[number]
        return start + length - (self._ends[number] - at)


FileBytes = Source | bytes
"""A file, or a part of one, that can be sliced."""


def hash_pieces(pieces: Iterator[bytes]) -> bytes:
    """SHA-256 of bytes that follow one another."""
    sha = hashlib.sha256()
    for piece in pieces:
        sha.update(piece)
    return sha.digest()
