"""A stream as chunks, one after another, each with its checksum; what they hold is not looked at."""

import io
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from hpac_cli.binary import put_varint
from hpac_cli.errors import ContainerError, FileAccessError, NewerVersionError

from .fields import (
    ADAPTER,
    END,
    FRAME,
    HEADER,
    MAX_CHUNK_BYTES,
    MEMBERS,
    METADATA,
    PIECE,
    SIGNATURE,
    TILE,
    VERSION_MAJOR,
    VERSION_MINOR,
)

HEAD_BYTES = 6
"""Of a chunk, at most: its type, and a length below 2^35."""
CRC_BYTES = 4
_READ_BYTES = 1 << 20
"""Are read at once, so that a length that lies allocates nothing."""
_NAMES = {
    HEADER: "header",
    MEMBERS: "members",
    METADATA: "metadata",
    ADAPTER: "adapters",
    FRAME: "frames",
    PIECE: "pieces",
    TILE: "tiles",
    END: "end",
}


@dataclass(frozen=True)
class Chunk:
    """One chunk as it lies in the file."""

    type: bytes
    payload: bytes
    offset: int
    size: int
    """Bytes in the file, type, length and checksum included."""


def read_available(stream: BinaryIO, count: int) -> bytes:
    """So many bytes, or as many as there are.

    Raises:
        FileAccessError: the operating system cannot read them.
    """
    parts, missing = list[bytes](), count
    try:
        while missing and (part := stream.read(min(missing, _READ_BYTES))):
            parts.append(part)
            missing -= len(part)
    except OSError as error:
        raise FileAccessError(f"cannot read: {error.strerror or error}") from error
    return b"".join(parts)


def parse_head(data: bytes, offset: int) -> tuple[bytes, int]:
    """Find the head of a chunk: type, and length of the payload.

    Args:
        data: begins with it.
        offset: of the chunk, for messages.

    Returns:
        The bytes of the head, and the length that it tells.

    Raises:
        ContainerError: cut short, damaged, or the length is written longer than need be.
    """
    end = next((i for i, byte in enumerate(data[1:HEAD_BYTES], 2) if byte < 128), 0)
    length = sum((byte & 127) << 7 * i for i, byte in enumerate(data[1:end]))
    is_sound = end and length <= MAX_CHUNK_BYTES and put_varint(length) == data[1:end] and data[:1].isalpha()
    if not is_sound:
        raise ContainerError(f"the chunk at byte {offset} is damaged, or cut short")
    return data[:end], length


def parse_chunk(head: bytes, rest: bytes, offset: int) -> Chunk:
    """Check a chunk.

    Args:
        head: as parse_head finds it.
        rest: all of the payload and the checksum.

    Raises:
        ContainerError: altered.
    """
    body, crc = memoryview(rest)[:-CRC_BYTES], int.from_bytes(rest[-CRC_BYTES:], "little")
    if zlib.crc32(body, zlib.crc32(head)) != crc:
        raise ContainerError(f"the {head[:1].decode()} chunk at byte {offset} is damaged: its checksum does not match")
    return Chunk(head[:1], bytes(body), offset, len(head) + len(rest))


class ChunkReader:
    """Reads chunk after chunk from a binary stream that need not seek. Those that need not be understood are skipped."""

    def __init__(self, stream: BinaryIO) -> None:
        """Read signature and version.

        Raises:
            ContainerError: not hpac, or truncated.
            NewerVersionError: the format's version is higher than ours.
        """
        self._stream = stream
        self._waiting: Chunk | None = None
        """Was read already, and comes next."""
        self.offset = 0
        """Of the first byte in the container that was not read or passed over."""
        self.version = self._read_signature()
        self.sizes = {"signature": self.offset, **dict.fromkeys(_NAMES.values(), 0)}
        """Bytes in the container by what they are for, of all that was read or passed over."""

    def take(self, kind: bytes) -> Chunk | None:
        """The next chunk, if it is of this type; else it waits.

        Raises:
            ContainerError: truncated or altered.
        """
        return self.next() if self.comes_next(kind) else None

    def comes_next(self, kind: bytes) -> bool:
        """Whether the next chunk is of this type.

        Raises:
            ContainerError: truncated or altered.
        """
        self._waiting = self.next()
        return self._waiting.type == kind

    def next(self, *, skip: bool = False) -> Chunk:
        """The next chunk.

        Args:
            skip: pass over the payload, unless it is the end's or was read; it is then empty and unchecked.

        Raises:
            ContainerError: truncated or altered.
        """
        chunk, self._waiting = self._waiting, None
        while chunk is None or not chunk.type.isupper():
            chunk = self._read(skip=skip)
            name = _NAMES.get(chunk.type, "skipped")
            self.sizes[name] = self.sizes.get(name, 0) + chunk.size
        return chunk

    def end(self) -> None:
        """Make sure that nothing follows.

        Raises:
            ContainerError: something does.
        """
        if read_available(self._stream, 1):
            raise ContainerError(f"there are bytes after the end, from byte {self.offset}")

    def _read_signature(self) -> tuple[int, int]:
        found = read_available(self._stream, len(SIGNATURE))
        if found != SIGNATURE:
            if found[1:5] == SIGNATURE[1:5]:
                raise ContainerError("the signature is damaged: was the file copied in text mode?")
            raise ContainerError("not an hpac file")
        self.offset = len(SIGNATURE)
        major, minor = self._exactly(2)
        if (major, minor) > (VERSION_MAJOR, VERSION_MINOR):
            raise NewerVersionError(
                f"format version {major}.{minor} is newer than this program's {VERSION_MAJOR}.{VERSION_MINOR}; update hpac"
            )
        if major < VERSION_MAJOR:
            raise ContainerError(f"format version {major}.{minor} does not exist")
        return major, minor

    def _read(self, *, skip: bool) -> Chunk:
        offset = self.offset
        head = self._exactly(2)
        while head[-1] >= 128 and len(head) < HEAD_BYTES:
            head += self._exactly(1)
        head, length = parse_head(head, offset)
        if skip and head[:1] != END:
            self._pass_over(length + CRC_BYTES)
            return Chunk(head[:1], b"", offset, self.offset - offset)
        return parse_chunk(head, self._exactly(length + CRC_BYTES), offset)

    def _exactly(self, count: int) -> bytes:
        data = read_available(self._stream, count)
        self.offset += len(data)
        if len(data) < count:
            raise ContainerError(
                f"truncated at byte {self.offset}: {count - len(data):,} bytes are missing; copy the file again"
            )
        return data

    def _pass_over(self, count: int) -> None:
        if count and self._stream.seekable():
            self._stream.seek(count - 1, io.SEEK_CUR)
            self.offset += count - 1
            count = 1  # reading the last byte shows whether it is there
        while count:
            count -= len(self._exactly(min(count, _READ_BYTES)))
