"""Files that share a container: the table of them, those that are kept whole, and one of them alone."""

import contextlib
import hashlib
import io
import itertools
import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, BinaryIO

from hpac_cli.container import fields
from hpac_cli.container.build import Writer
from hpac_cli.container.fields import MAX_PIECE_BYTES
from hpac_cli.container.parse import Head, Reader, unpack_piece
from hpac_cli.errors import ContainerError, FileAccessError
from hpac_cli.image import Image, Member, Samples
from hpac_cli.kept import Kept

from .kinds import KIND_NAMES, KINDS

_IN_MEMORY = 64 << 20
"""Of members that are kept whole, as much is in memory when they are decoded; more goes to a temporary file."""

_MISFIT = "the pieces do not fit the members that are kept whole"


class Extent(io.RawIOBase):
    """Some bytes of a file, which is opened for every read: many of them keep no file open."""

    def __init__(self, open_file: Callable[[], contextlib.AbstractContextManager[IO[bytes]]], start: int, size: int):
        super().__init__()
        self._open, self._start, self._size, self._at = open_file, start, size, 0

    def read(self, size: int = -1) -> bytes:
        """Read from where the last read ended; less than asked for only at the end."""
        left = max(0, self._size - self._at)
        with self._open() as file:
            file.seek(self._start + self._at)
            data = file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to where the next read begins."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seekable(self) -> bool:
        """It is."""
        return True

    def readable(self) -> bool:
        """It is."""
        return True


def table_of(image: Image) -> tuple[fields.Member, ...]:
    """What a container says of the members of a series; nothing of any other image."""
    return tuple(
        fields.Member(os.fsencode(name), KINDS[each.kind], each.identical, each.kept, len(each.frames), _size_of(each))
        for name, each in image.members
    )


def _size_of(image: Image) -> int:
    return len(image.envelope) if image.whole is None else image.whole.seek(0, os.SEEK_END)


def write_whole_members(image: Image, writer: Writer, progress: Callable[[int], None]) -> None:
    """Write members that are kept whole: large ones piece by piece, small ones several to a piece.

    Raises:
        FileAccessError: a file is not what it was when it was hashed.
    """
    small: list[bytes] = []
    for name, member in image.members:
        if member.whole is None:
            continue
        sha = hashlib.sha256()
        member.whole.seek(0)
        parts = iter(lambda file=member.whole: file.read(MAX_PIECE_BYTES), b"")  # type: ignore[misc]
        for part in parts:
            sha.update(part)
            if small and sum(map(len, small)) + len(part) > MAX_PIECE_BYTES:
                writer.pieces(small)
                small = []
            small.append(part)
            progress(len(part))
        if sha.digest() != member.file_hash:
            raise FileAccessError(f"{name} changed while it was encoded; try again when it is complete")
    if small:
        writer.pieces(small)


def read_whole_members(reader: Reader) -> list[BinaryIO]:
    """Unpack the members of a series that are kept whole, in order; of other containers nothing.

    Raises:
        ContainerError: damaged, or they are not as long as they say.
    """
    sizes = [member.size for member in reader.header.members if not member.num_frames]
    if not reader.header.is_series:
        return []
    spool = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 (_extents closes it)
    with _closing_at_failure(spool):
        for piece in reader.pieces():
            spool.write(unpack_piece(piece))
        if spool.tell() != sum(sizes):
            raise ContainerError(_MISFIT)
    starts = itertools.accumulate(sizes, initial=0)
    return _extents(spool, zip(starts, sizes, strict=False))


@contextlib.contextmanager
def _closing_at_failure(file: IO[bytes]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        file.close()
        raise


def _extents(file: IO[bytes], places: Iterable[tuple[int, int]]) -> list[BinaryIO]:
    """Parts of an open file, which several threads may read; it is closed when none of them is left."""
    lock = threading.Lock()

    @contextlib.contextmanager
    def alone() -> Iterator[IO[bytes]]:
        with lock:
            yield file

    weakref.finalize(alone, file.close)
    return [Extent(alone, start, size) for start, size in places]  # type: ignore[misc]


def list_members(reader: Reader, frames: Sequence[Samples], whole: Sequence[BinaryIO]) -> list[Member]:
    """Give each member of a series what is its own.

    Args:
        reader: read to its end.
        frames: all of the container.
        whole: files that are kept whole, in order.
    """
    each_frame, each_file, at = iter(frames), iter(whole), 0
    found = []
    for entry, file_hash in zip(reader.header.members, reader.member_hashes, strict=True):
        own = tuple(itertools.islice(each_frame, entry.num_frames))
        file = None if own else next(each_file)
        envelope = reader.metadata[at : at + entry.size] if own else b""
        at += len(envelope)
        found.append(make_member(entry, own, envelope, file_hash, file))
    return found


def make_member(
    entry: fields.Member, frames: tuple[Samples, ...], envelope: bytes, file_hash: bytes, whole: BinaryIO | None
) -> Member:
    """Put together what was decoded of one member."""
    kind, kept = KIND_NAMES[entry.kind], Kept(entry.kept)
    image = Image(frames, kind, envelope, file_hash, entry.identical, kept=kept, whole=whole)
    return Member(os.fsdecode(entry.name), image)


def envelope_of(reader: Head, number: int) -> bytes:
    """The envelope of one member."""
    sizes = [member.size if member.num_frames else 0 for member in reader.header.members[: number + 1]]
    return reader.metadata[sum(sizes[:-1]) : sum(sizes)]


def places_of_whole(members: Sequence[fields.Member]) -> Iterator[tuple[int, int, int]]:
    """List the members that are kept whole: number, and where the file begins and ends in all pieces."""
    at = 0
    for number, member in enumerate(members):
        if not member.num_frames:
            yield number, at, at + member.size
            at += member.size


def read_whole_member(reader: Reader, number: int) -> BinaryIO:
    """Unpack one member that is kept whole, and of all others no more than shares its pieces.

    Raises:
        ContainerError: damaged.
    """
    start, end = next((start, end) for each, start, end in places_of_whole(reader.header.members) if each == number)
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 (_extents closes it)
    with _closing_at_failure(file):
        for piece in reader.pieces():
            if piece.offset < end and piece.offset + piece.size > start:
                file.write(unpack_piece(piece)[max(0, start - piece.offset) : end - piece.offset])
        if file.tell() != end - start:
            raise ContainerError(_MISFIT)
    return _extents(file, [(0, end - start)])[0]
