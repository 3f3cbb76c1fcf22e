"""Inputs that are read whole, and outputs that are written whole or not at all, whatever they are."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from hpac_cli import files
from hpac_cli.errors import FileAccessError, LimitExceededError
from hpac_cli.limits import MAX_IMAGE_BYTES

from .session import Options

IN_MEMORY = 16 << 20
"""Of what cannot be read twice, as much is kept in memory; more goes to a temporary file."""
_PIECE_BYTES = 1 << 20


class Opened(NamedTuple):
    """An opened input, which can be read again and again."""

    stream: BinaryIO
    size: int
    digest: bytes
    """SHA-256."""


@contextmanager
def open_source(source: str) -> Iterator[Opened]:
    """Open a path, or "-" for standard input, and hash what it holds.

    Raises:
        HpacError: it cannot be read.
    """
    with ExitStack() as stack:
        stream = stack.enter_context(files.open_input(source))
        if source == files.STANDARD or not stream.seekable():
            copy = stack.enter_context(tempfile.SpooledTemporaryFile(IN_MEMORY))
            _copy(stream, copy)  # type: ignore[arg-type]
            stream = copy  # type: ignore[assignment]
            stream.seek(0)
        with files.unchanging(stream):
            digest = hash_stream(stream)
        yield Opened(stream, stream.tell(), digest)


def _copy(stream: BinaryIO, copy: BinaryIO) -> None:
    """Copy what can be read once, to where it can be read again.

    Raises:
        FileAccessError: it cannot be read, or the copy not written.
    """
    while True:
        try:
            part = stream.read(_PIECE_BYTES)
        except OSError as error:
            raise FileAccessError(f"cannot read: {error.strerror or error}") from error
        if not part:
            return
        with files.writing("a temporary file"):
            copy.write(part)


def hash_stream(stream: BinaryIO) -> bytes:
    """SHA-256 of all that follows."""
    sha = hashlib.sha256()
    while part := stream.read(_PIECE_BYTES):
        sha.update(part)
    return sha.digest()


def same_bytes(one: BinaryIO, other: BinaryIO) -> bool:
    """Whether two streams hold the same from here on."""
    while part := one.read(_PIECE_BYTES):
        if other.read(len(part)) != part:
            return False
    return not other.read(1)


def read_whole(source: str) -> bytes:
    """Read a path, or "-" for standard input.

    Raises:
        LimitExceededError: there is more than MAX_IMAGE_BYTES.
        HpacError: it cannot be read.
    """
    parts, size = [], 0
    with files.open_input(source) as stream, files.unchanging(stream):
        while part := stream.read(_PIECE_BYTES):
            size += len(part)
            if size > MAX_IMAGE_BYTES:
                raise LimitExceededError(f"larger than {MAX_IMAGE_BYTES:,} bytes")
            parts.append(part)
    return b"".join(parts)


def model_of(source: str, options: Options) -> tuple[str, ...]:
    """The file whose permissions and times an output gets, if any."""
    return (source,) if options.preserve and source != files.STANDARD else ()


def write_bytes(target: Path | None, data: bytes, *, force: bool, like: tuple[str, ...] = ()) -> None:
    """Write all of an output, whole or not at all; arguments as for write_output."""

    def write(stream: BinaryIO) -> int:
        stream.write(data)
        return len(data)

    write_output(target, write, seekable=False, force=force, like=like)


def write_output(
    target: Path | None,
    write: Callable[[BinaryIO], int],
    *,
    seekable: bool,
    force: bool,
    like: tuple[str, ...],
    judged: files.Stamp | None = None,
) -> int:
    """Let `write` fill a file, or a stream; what must be read back first goes by a temporary file.

    Args:
        target: None for standard output.
        write: fills a stream and returns the number of bytes.
        seekable: whether it reads back what it wrote.
        force: whether a file that is there may be overwritten.
        like: the files whose permissions and times the output gets, as files.dress gives them.
        judged: of the file that may be overwritten, if only that one may be.

    Returns:
        What `write` returned.
    """
    if target is None:
        return _write_stream(sys.stdout.buffer, write, seekable=seekable)
    if files.is_special(target):
        with files.open_special(target) as stream:
            return _write_stream(stream, write, seekable=seekable)
    with files.atomic_output(target, force=force, like=like, judged=judged) as stream:
        return write(stream)


def _write_stream(out: BinaryIO, write: Callable[[BinaryIO], int], *, seekable: bool) -> int:
    with files.writing("the output"):
        if not seekable:
            size = write(out)
        else:
            with tempfile.TemporaryFile() as stream:
                size = write(stream)
                stream.seek(0)
                shutil.copyfileobj(stream, out)
        out.flush()
    return size


class Hashing:
    """A binary stream that keeps nothing of what is written but its SHA-256."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._sha.update(data)
        return len(data)

    def digest(self) -> bytes:
        return self._sha.digest()


class Counting:
    """A binary stream that counts the bytes that pass."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.count += len(data)
        return data

    def write(self, data: bytes) -> int:
        self.count += len(data)
        return self._stream.write(data)

    def seek(self, offset: int, whence: int) -> int:
        return self._stream.seek(offset, whence)

    def seekable(self) -> bool:
        return self._stream.seekable()

    def flush(self) -> None:
        self._stream.flush()
