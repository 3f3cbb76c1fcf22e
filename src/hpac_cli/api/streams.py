"""How are inputs read whole, and outputs written whole or not at all, whatever they are?"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from hpac_cli import files
from hpac_cli.errors import LimitExceededError

from .session import Options

MAX_FILE_BYTES = 4 << 30


def read_whole(source: str) -> bytes:
    """Read a path, or "-" for standard input.

    Raises:
        LimitExceededError: there is more than MAX_FILE_BYTES.
        HpacError: it cannot be read.
    """
    parts, size = [], 0
    with files.open_input(source) as stream, files.unchanging(stream):
        while part := stream.read(1 << 20):
            size += len(part)
            if size > MAX_FILE_BYTES:
                raise LimitExceededError(f"larger than {MAX_FILE_BYTES:,} bytes")
            parts.append(part)
    return b"".join(parts)


def model_of(source: str, options: Options) -> str | None:
    """The file whose permissions and times an output gets."""
    return source if options.preserve and source != files.STANDARD else None


def write_bytes(target: Path | None, data: bytes, *, force: bool, like: str | None = None) -> None:
    """Write all of an output, whole or not at all; arguments as for write_output."""

    def write(stream: BinaryIO) -> int:
        stream.write(data)
        return len(data)

    write_output(target, write, seekable=False, force=force, like=like)


def write_output(
    target: Path | None, write: Callable[[BinaryIO], int], *, seekable: bool, force: bool, like: str | None
) -> int:
    """Let `write` fill a file, or a stream; what must be read back first goes by a temporary file.

    Args:
        target: None for standard output.
        write: fills a stream and returns the number of bytes.
        seekable: whether it reads back what it wrote.
        force: whether a file that is there may be overwritten.
        like: the file whose permissions and times the output gets.

    Returns:
        What `write` returned.
    """
    if target is None:
        return _write_stream(sys.stdout.buffer, write, seekable=seekable)
    if files.is_special(target):
        with files.open_special(target) as stream:
            return _write_stream(stream, write, seekable=seekable)
    with files.atomic_output(target, force=force, like=like) as stream:
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
