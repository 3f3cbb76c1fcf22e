"""Image files to `Image` and back, by what the bytes say, never by the file's name."""

import hashlib
import io
import os
from dataclasses import replace
from typing import BinaryIO

from hpac_cli.errors import (
    DecoderMissingError,
    FileAccessError,
    HpacError,
    InputError,
    LimitExceededError,
    UnsupportedError,
)
from hpac_cli.image import Image
from hpac_cli.limits import DEFAULT_LIMITS, MAX_IMAGE_BYTES, Limits

SUFFIXES = {
    "png": ".png",
    "tiff": ".tif",
    "dicom": ".dcm",
    "array": ".npy",
    "array2d": ".npy",
    "arrays": ".npy",
    "file": "",
}
"""What a decoded file of each kind is called."""
KINDS_BY_SUFFIX = {
    ".png": "png",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".dcm": "dicom",
    ".npy": "array",
    **dict.fromkeys((".jpg", ".jpeg", ".webp", ".jxl", ".gif", ".bmp"), "none"),
}
ARRAYS = ("array", "array2d", "arrays")
"""Kinds that come from memory, not from files."""
CONVERTED = ("png", "tiff", "array")
"""Kinds that any samples can be written as, where they fit."""

_LARGE_BYTES = 32 << 20
"""Files of more are looked at before they are read into memory."""
_WORTH_READING = 16
"""Of large files, at least one byte in so many must be of samples that may be coded; else they are kept whole at once."""
_HEAD_BYTES, _META_BYTES = 512, 1 << 16

_FOREIGN = (
    (b"\xff\xd8\xff", 0, "JPEG"),
    (b"RIFF", 0, "WebP or another RIFF file"),
    (b"GIF8", 0, "GIF"),
    (b"\x89HPAC", 0, "an .hpac file already"),
)


def read(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Image:
    """Read an image file, and find out whether the same bytes can be made again.

    The file is made again at once. Where it differs from the source, it must be shown to hold the same: all that is
    beside the samples, and all samples as a reader of their own sees them (images.proof). Else, and where
    the file is damaged, or holds too much beside its samples, it is kept whole: no frames, but the file itself.

    Raises:
        InputError: no image.
        UnsupportedError: an image that this version does not take.
        LimitExceededError: larger than limits allow.
    """
    image = _read_faithfully(_recognise(data), data, limits)
    if image.frames and len(image.envelope) <= limits.max_metadata_bytes:
        return image
    return keep_whole(io.BytesIO(data), image.kind, image.file_hash)


def read_stream(
    stream: BinaryIO, file_hash: bytes, limits: Limits = DEFAULT_LIMITS, *, keep_all: bool = False
) -> Image:
    """Read an image file as `read` does; a large one with little that can be coded never lies in memory as a whole.

    Args:
        stream: seeks; it stays in use where the file is kept whole.
        file_hash: SHA-256 of the file.
        keep_all: keep whole what is no image or cannot be read as one.

    Raises:
        FileAccessError: the file is not what was hashed.
        InputError: no image.
        UnsupportedError: an image that this version does not take.
        LimitExceededError: larger than limits allow.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(_HEAD_BYTES)
    try:
        kind = _recognise(head)
        if size > _LARGE_BYTES and _WORTH_READING * _count_codable(stream, kind, size, limits) < size:
            return keep_whole(stream, kind, file_hash)
        if size > MAX_IMAGE_BYTES:
            raise LimitExceededError(f"larger than {MAX_IMAGE_BYTES:,} bytes")
        stream.seek(0)
        data = stream.read()
        if hashlib.sha256(data).digest() != file_hash:
            raise FileAccessError("it changed while it was read; try again when it is complete")
        return read(data, limits)
    except HpacError as error:
        if not keep_all or isinstance(error, FileAccessError):
            raise
        return keep_whole(stream, "file", file_hash)


def keep_whole(stream: BinaryIO, kind: str, file_hash: bytes) -> Image:
    """Take a file as it is."""
    return Image((), kind, file_hash=file_hash, made_hash=file_hash, identical=True, whole=stream)


def _count_codable(stream: BinaryIO, kind: str, size: int, limits: Limits) -> int:
    """About the bytes of a file that are samples which may be coded; all where that cannot be told without reading them.

    Raises:
        LimitExceededError: larger than limits allow.
    """
    from . import dicom, tiff

    stream.seek(0)
    if kind == "tiff":
        try:
            return tiff.count_codable(stream, size, limits)
        except InputError:
            return 0  # damaged, and so kept whole
    return size if kind == "png" or dicom.may_be_coded(stream.read(_META_BYTES)) else 0


def _read_faithfully(kind: str, data: bytes, limits: Limits) -> Image:
    from . import dicom, png, proof, tiff

    read_kind = {"png": png.read, "tiff": tiff.read, "dicom": dicom.read}[kind]
    holds_the_same = {"png": png.holds_the_same, "tiff": proof.same_tiff, "dicom": proof.same_dicom}[kind]
    source = hashlib.sha256(data).digest()
    for rewrite in (True, False):
        try:
            image = read_kind(data, limits, rewrite=rewrite)
            again = write(image)
        except DecoderMissingError:
            raise
        except InputError:
            if kind == "dicom" and not dicom.is_marked(data):
                raise  # it may be anything
            continue
        if again == data:
            return replace(image, file_hash=source, made_hash=source, identical=True)
        if rewrite and holds_the_same(data, again):
            return replace(image, file_hash=source, made_hash=hashlib.sha256(again).digest())
    return keep_whole(io.BytesIO(data), kind, source)


def is_picture(head: bytes, name: str) -> bool:
    """Whether a file is likely one that `read` takes, by its first 512 bytes; its name tells where DICOM has no mark."""
    from . import dicom, png, tiff

    has_name = name.lower().endswith((".dcm", ".dicom"))
    return png.is_png(head) or tiff.is_tiff(head) or dicom.is_marked(head) or (has_name and dicom.is_dicom(head))


def _recognise(data: bytes) -> str:
    from . import dicom, png, tiff

    # a DICOM file may begin with a TIFF header, for programs that know only that
    for kind, is_kind in ("png", png.is_png), ("dicom", dicom.is_dicom), ("tiff", tiff.is_tiff):
        if is_kind(data):
            return kind
    for magic, offset, name in _FOREIGN:
        if data[offset : offset + len(magic)] == magic:
            raise UnsupportedError(f"this is {name}; this version takes PNG, TIFF and DICOM")
    raise InputError("this is no PNG, TIFF or DICOM file")


def write(image: Image) -> bytes:
    """Write an image as the kind of file that it came from.

    Raises:
        InputError: the envelope does not fit the samples.
    """
    from . import npy, png, splice

    if not image.frames and image.kind not in ARRAYS:
        return image.read_whole()
    if image.kind == "png":
        return png.write(image)
    return splice.write(image) if image.kind in ("tiff", "dicom") else npy.write(image)


def surroundings(image: Image) -> bytes:
    """All that a picture's file holds beside its samples, but for how PNG compressed them."""
    from . import png

    if image.kind != "png" or not image.frames:
        return image.envelope
    (samples,) = image.frames
    return png.open_envelope(image.envelope, samples.shape, samples.dtype.itemsize)[1]


def convert(image: Image, kind: str) -> bytes:
    """Write an image's samples, and nothing else of it, as another kind of file.

    PNG and TIFF show the same picture; .npy holds the samples as they are stored.

    Args:
        kind: one of CONVERTED.

    Raises:
        UnsupportedError: the samples do not fit that kind.
    """
    from . import npy, png, tiff
    from .colours import show

    if not image.frames:
        raise UnsupportedError(f"the file holds no samples that were coded, so it cannot become {kind}")
    if kind != "array" and image.kind not in ARRAYS:
        shown = show(image.kind, image.envelope, image.frames, dict(enumerate(image.frames)))
        image = Image(shown, "array")
    if kind == "tiff":
        return tiff.from_samples(image.frames)
    if kind == "png":
        if len(image.frames) > 1:
            raise UnsupportedError(f"PNG holds one picture, and this file has {len(image.frames)}; use -o x.tif")
        (samples,) = image.frames
        if samples.dtype.kind != "u" or samples.dtype.itemsize > 2 or samples.shape[2] > 4:
            raise UnsupportedError(
                f"PNG holds up to 4 channels of unsigned 8 or 16 bits, not {samples.shape[2]} of {samples.dtype}; use -o x.tif"
            )
        return png.write(png.from_samples(samples))
    try:
        return npy.write(image)
    except ValueError as error:
        raise UnsupportedError(f"this file is not one array ({error}); use -o x.tif") from error
