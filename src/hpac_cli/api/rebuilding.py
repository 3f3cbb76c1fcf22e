"""A decoded image to the file that it came from, piece by piece, and its hash checked."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, BinaryIO

from hpac_cli.errors import ContainerError, UnsupportedError

if TYPE_CHECKING:
    from hpac_cli.codec.whole import Written
    from hpac_cli.image import Image


def rebuild(image: Image) -> bytes:
    """The file that an image came from; errors as of `write_file`."""
    out = io.BytesIO()
    write_file(image, out)
    return out.getvalue()


def write_file(image: Image, out: BinaryIO) -> Written:
    """Write a decoded image as the file that it came from, and check its hash, which is known only at the end.

    Raises:
        UnsupportedError: another version of hpac makes other bytes than the one that the file was encoded with.
        ContainerError: a file that was kept whole is not what was encoded.
        InputError: the envelope does not fit the samples.
        HpacError: any of these; nothing that was written may be used then.
    """
    from hpac_cli import images
    from hpac_cli.codec.whole import Written

    sha, size = hashlib.sha256(), 0
    for piece in images.write_pieces(image):
        sha.update(piece)
        out.write(piece)
        size += len(piece)
    if image.identical and not sha.digest().startswith(image.file_hash):
        if image.whole is not None:
            raise ContainerError("a decoded file does not match the stored SHA-256")
        raise UnsupportedError(
            "another version of hpac compresses differently from the one that the file was encoded with, so the "
            "original bytes cannot be made; the samples are intact: decode to another kind, such as -o x.npy"
        )
    return Written(size, sha.digest())
