"""Files that are kept whole: packed piece by piece, so that they never lie in memory as a whole."""

import hashlib
import os
import zlib
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

from hpac_cli.container.build import Writer
from hpac_cli.container.fields import MAX_PIECE_BYTES, Header
from hpac_cli.container.parse import Reader, unpack_piece
from hpac_cli.errors import ContainerError, FileAccessError
from hpac_cli.image import Image

from .hashes import hash_samples
from .kinds import KINDS

_TASTES, _TASTE_BYTES = 16, 1 << 16
"""How much of a file is compressed to estimate how small it becomes."""


def encode_whole(image: Image, stream: BinaryIO, progress: Callable[[int], None] = lambda _: None) -> None:
    """Write an image without frames as a container.

    Args:
        stream: binary, need not seek.
        progress: called with the number of bytes done since the last call.

    Raises:
        FileAccessError: the file is not what it was when it was hashed.
    """
    source, sha = _opened(image), hashlib.sha256()
    suffix = os.fsencode(image.suffix)
    writer = Writer(stream, Header(KINDS[image.kind], True, (), (), suffix, image.kept), b"")
    while data := source.read(MAX_PIECE_BYTES):
        sha.update(data)
        writer.piece(data)
        progress(len(data))
    if not sha.digest().startswith(image.file_hash):
        raise FileAccessError("it changed while it was encoded; try again when it is complete")
    writer.end(hash_samples(()), sha.digest())


class Written(NamedTuple):
    """What is known of a file once it is written."""

    size: int
    """Bytes."""
    digest: bytes
    """SHA-256."""


def decode_whole(reader: Reader, out: BinaryIO) -> Written:
    """Write the file that a container without frames holds.

    Raises:
        ContainerError: damaged, or not the file that was encoded; nothing that was written may be used then.
    """
    sha, size = hashlib.sha256(), 0
    for piece in reader.pieces():
        data = unpack_piece(piece)
        sha.update(data)
        out.write(data)
        size += len(data)
    if next(reader.tiles(), None) is not None:
        raise ContainerError("there are tiles, but no frames")
    if not sha.digest().startswith(reader.file_hash):
        raise ContainerError("the decoded file does not match the stored SHA-256")
    return Written(size, sha.digest())


def estimate_whole(image: Image) -> int:
    """Estimate the bytes of the container of an image without frames, by compressing some of it."""
    source, size = _opened(image), size_of_whole(image)
    taken = packed = 0
    for start in range(0, size, max(_TASTE_BYTES, size // _TASTES)):
        source.seek(start)
        taste = source.read(_TASTE_BYTES)
        taken, packed = taken + len(taste), packed + min(len(taste), len(zlib.compress(taste, 6)))
    return round(size * packed / max(1, taken))


def size_of_whole(image: Image) -> int:
    """Bytes of the file that an image without frames is."""
    return _opened(image).seek(0, os.SEEK_END)


def _opened(image: Image) -> BinaryIO:
    assert image.whole is not None, "an image without frames is a file"
    image.whole.seek(0)
    return image.whole
