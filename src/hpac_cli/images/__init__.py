"""Image files to `Image` and back, by what the bytes say, never by the file's name."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from hpac_cli.errors import (
    CHANGED,
    DecoderMissingError,
    FileAccessError,
    HpacError,
    InputError,
    LimitExceededError,
    UnsupportedError,
)
from hpac_cli.image import Image, RawSamples, Samples, keep_whole
from hpac_cli.kept import Kept
from hpac_cli.limits import DEFAULT_LIMITS, MAX_IMAGE_BYTES, Limits

from .source import Source, hash_pieces

SUFFIXES = {
    "png": ".png",
    "tiff": ".tif",
    "dicom": ".dcm",
    "pnm": ".pnm",
    "bmp": ".bmp",
    "npy": ".npy",
    "raw": ".raw",
    "array": ".npy",
    "array2d": ".npy",
    "arrays": ".npy",
    "file": "",
    "series": "",
}
"""What a decoded file of each kind is called."""
KINDS_BY_SUFFIX = {
    ".png": "png",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".dcm": "dicom",
    ".npy": "array",
    **dict.fromkeys((".pnm", ".pbm", ".pgm", ".ppm", ".pam"), "pnm"),
    ".bmp": "bmp",
    **dict.fromkeys((".jpg", ".jpeg", ".webp", ".jxl", ".gif"), "none"),
}
ARRAYS = ("array", "array2d", "arrays")
"""Kinds that come from memory, not from files."""
CUT = ("tiff", "dicom", "pnm", "bmp", "npy", "raw")
"""Kinds of files that come back by putting samples where they were (images.splice)."""
CONVERTED = ("png", "tiff", "array")
"""Kinds that any samples can be written as, where they fit."""

KNOWN = "PNG, TIFF, DICOM, BMP, PNM or .npy"
"""What files are recognised as, in words."""
_LARGE_BYTES = 32 << 20
"""Files of more are looked at before they are read."""
_WORTH_READING = 16
"""Of large files, at least one byte in so many must be of samples that may be coded; else they are kept whole at once."""
_HEAD_BYTES, _META_BYTES = 512, 1 << 16

_FOREIGN = (
    (b"\xff\xd8\xff", 0, "JPEG"),
    (b"RIFF", 0, "WebP or another RIFF file"),
    (b"GIF8", 0, "GIF"),
    (b"\x89HPAC", 0, "an .hpac file already"),
)


def read(
    data: bytes, limits: Limits = DEFAULT_LIMITS, *, transcode: bool = False, raw: RawSamples | None = None
) -> Image:
    """Read an image file so that its bytes come back: samples where they can be made again from them, else as they are.

    The file is made again at once and compared, so the image gives its bytes, whatever it is. Samples that are not made
    again stay in the envelope. Where none are, and where the file is damaged or holds too much beside its samples, it is
    kept whole: no frames, but the file itself. `Image.kept` says why.

    Args:
        transcode: where samples are kept though they can be decoded, put them into a fresh file, if it is proved to
            hold all that its source holds (images.proof). What comes back then is that file.
        raw: how samples lie, of a file that is nothing else.

    Raises:
        InputError: no image.
        DecoderMissingError: transcoding needs a decoder that is not installed.
        UnsupportedError: an image that this version does not take.
        LimitExceededError: larger than limits allow.
    """
    stream, file_hash = io.BytesIO(data), hashlib.sha256(data).digest()
    return read_stream(stream, file_hash, limits, transcode=transcode, raw=raw)


def read_stream(
    stream: BinaryIO,
    file_hash: bytes,
    limits: Limits = DEFAULT_LIMITS,
    *,
    transcode: bool = False,
    keep_all: bool = False,
    raw: RawSamples | None = None,
) -> Image:
    """Read an image file as `read` does, piece by piece.

    Args:
        stream: seeks; it stays in use where the file is kept whole.
        file_hash: SHA-256 of the file.
        keep_all: keep whole what is no image or cannot be read as one.
        raw: as of `read`.

    Raises:
        FileAccessError: the file is not what was hashed.
        InputError: no image.
        DecoderMissingError: transcoding needs a decoder that is not installed.
        UnsupportedError: an image that this version does not take.
        LimitExceededError: larger than limits allow.
    """
    file = Source(stream)
    try:
        return _read(file, file_hash, limits, transcode, raw)
    except FileAccessError:
        raise
    except HpacError:
        _check_unchanged(file, file_hash)
        if not keep_all:
            raise
        return keep_whole(stream, "file", Kept.NO_PICTURE, file_hash)


def _read(file: Source, file_hash: bytes, limits: Limits, transcode: bool, raw: RawSamples | None) -> Image:
    kind, size = "raw" if raw is not None else _recognise(file[:_HEAD_BYTES]), len(file)
    if size > _LARGE_BYTES:
        codable, kept = _look_at(file, kind, limits)
        is_read = transcode and kept.can_transcode and size <= MAX_IMAGE_BYTES
        if _WORTH_READING * codable < size and not is_read:
            return keep_whole(file.stream, kind, kept or Kept.BESIDE, file_hash)
    if size > MAX_IMAGE_BYTES:
        raise LimitExceededError(f"larger than {MAX_IMAGE_BYTES:,} bytes")
    image = _read_exactly(kind, file, file_hash, limits, raw)
    if transcode and image.kept.can_transcode:
        image = _transcode(kind, file, file_hash, limits) or image
    if image.frames and len(image.envelope) > limits.max_metadata_bytes:
        return keep_whole(file.stream, kind, image.kept or Kept.BESIDE, file_hash)
    return image


def _check_unchanged(file: Source, file_hash: bytes) -> None:
    """Make sure that what was read piece by piece is what was hashed.

    Raises:
        FileAccessError: it is not.
    """
    if file.hash() != file_hash:
        raise FileAccessError(CHANGED)


def _look_at(file: Source, kind: str, limits: Limits) -> tuple[int, Kept]:
    """About the bytes of a file that are samples which may be coded, and why others are not.

    All bytes may be where that cannot be told without reading them.

    Raises:
        LimitExceededError: larger than limits allow.
    """
    from . import dicom, tiff

    if kind == "tiff":
        try:
            file.stream.seek(0)
            return tiff.count_codable(file.stream, len(file), limits)
        except InputError as error:
            return 0, _why_unread(error)
    kept = dicom.why_kept(file[:_META_BYTES]) if kind == "dicom" else Kept.NOTHING
    return 0 if kept else len(file), kept


def _read_exactly(kind: str, file: Source, file_hash: bytes, limits: Limits, raw: RawSamples | None) -> Image:
    """Read an image that gives the bytes of its source.

    Raises:
        FileAccessError: the source is not what was hashed.
    """
    from . import dicom

    image = None
    try:
        image = _read_kind(kind, file, limits, rewrite=False, raw=raw)
        if hash_pieces(write_pieces(image)) == file_hash:
            return replace(image, file_hash=file_hash, made_hash=file_hash, identical=True)
        kept = Kept.DIFFERENT
    except InputError as error:
        if kind == "raw" or (kind == "dicom" and not dicom.is_marked(file[:_HEAD_BYTES])):
            raise  # it may be anything
        kept = _why_unread(error) if image is None else Kept.DIFFERENT
    _check_unchanged(file, file_hash)
    return keep_whole(file.stream, kind, kept, file_hash)


def _why_unread(error: InputError) -> Kept:
    return Kept.UNKNOWN if isinstance(error, UnsupportedError) else Kept.DAMAGED


def _transcode(kind: str, file: Source, file_hash: bytes, limits: Limits) -> Image | None:
    """Read an image that gives a fresh file of equal samples and metadata; None where that is not proved."""
    from . import proof

    holds_the_same = {"png": proof.same_png, "tiff": proof.same_tiff, "dicom": proof.same_dicom}[kind]
    data = file[:]  # the proof needs all of it
    if hashlib.sha256(data).digest() != file_hash:
        raise FileAccessError(CHANGED)
    try:
        image = _read_kind(kind, Source(io.BytesIO(data)), limits, rewrite=True)
        again = write(image)
    except DecoderMissingError:
        raise
    except InputError:
        return None
    if not image.frames or not holds_the_same(data, again):
        return None
    made = hashlib.sha256(again).digest()
    return replace(image, file_hash=file_hash, made_hash=made, identical=file_hash == made)


def _read_kind(kind: str, file: Source, limits: Limits, *, rewrite: bool, raw: RawSamples | None = None) -> Image:
    from . import bmp, dicom, npy, png, pnm, tiff
    from . import raw as raw_files

    if raw is not None:
        return raw_files.read(file, raw, limits)
    if kind in ("png", "tiff", "dicom"):
        return {"png": png.read, "tiff": tiff.read, "dicom": dicom.read}[kind](file, limits, rewrite=rewrite)
    return {"pnm": pnm.read, "bmp": bmp.read, "npy": npy.read}[kind](file, limits)


def is_picture(head: bytes, name: str) -> bool:
    """Whether a file is likely one that `read` takes, by its first 512 bytes; its name tells where DICOM has no mark."""
    from . import bmp, dicom, npy, png, pnm, tiff

    has_name = name.lower().endswith((".dcm", ".dicom"))
    is_kinds = (png.is_png, tiff.is_tiff, dicom.is_marked, bmp.is_bmp, pnm.is_pnm, npy.is_npy)
    return any(is_kind(head) for is_kind in is_kinds) or (has_name and dicom.is_dicom(head))


def _recognise(data: bytes) -> str:
    from . import bmp, dicom, npy, png, pnm, tiff

    for kind, is_kind in (
        ("png", png.is_png),
        ("dicom", dicom.is_dicom),  # which may begin with a TIFF header, for programs that know only that
        ("tiff", tiff.is_tiff),
        ("bmp", bmp.is_bmp),
        ("pnm", pnm.is_pnm),
        ("npy", npy.is_npy),
    ):
        if is_kind(data):
            return kind
    for magic, offset, name in _FOREIGN:
        if data[offset : offset + len(magic)] == magic:
            raise UnsupportedError(f"this is {name}, not {KNOWN}; encode --all keeps other files whole")
    raise InputError(f"this is no {KNOWN} file; encode --all keeps other files whole, --raw says how samples lie")


def write(image: Image) -> bytes:
    """Write an image as the kind of file that it came from; errors as of `write_pieces`."""
    return b"".join(write_pieces(image))


def write_pieces(image: Image) -> Iterator[bytes]:
    """Write an image as the kind of file that it came from, piece by piece, so that no large file lies in memory as a whole.

    Raises:
        InputError: the envelope does not fit the samples.
        UnsupportedError: a series, which is no one file.
    """
    from . import npy, png, splice

    if image.kind == "series":
        raise UnsupportedError("a series is several files")
    if not image.frames and image.kind not in ARRAYS:
        return Source(image.whole or io.BytesIO()).pieces()
    if image.kind == "png":
        return png.write(image)
    return splice.write(image) if image.kind in CUT else iter([npy.write(image)])


def with_fresh_streams(image: Image) -> Image:
    """Let PNG compress anew what are no longer its file's samples; other kinds stay as they are."""
    from . import png

    if image.kind != "png" or not image.frames:
        return image
    return replace(image, envelope=png.forget_recipe(image.envelope), identical=False)


def surroundings(image: Image) -> bytes:
    """All that a picture's file holds beside its samples, but for how PNG compressed them."""
    from . import png

    if image.kind != "png" or not image.frames:
        return image.envelope
    (samples,) = image.frames
    return png.open_envelope(image.envelope, samples.shape, samples.dtype.itemsize)[1]


def find_pictures(image: Image) -> tuple[Image, dict[int, Samples]]:
    """The frames by number that are the pictures of a file, rather than thumbnails, reduced copies or masks.

    Returns:
        The image, transcoded if that is what it takes, and its pictures.

    Raises:
        UnsupportedError: some of them are not coded as samples, and cannot be.
    """
    from . import pages

    if image.kept.can_transcode:
        image = read(write(image), transcode=True)
    if not image.frames:
        raise UnsupportedError(
            f"it was kept whole, since {(image.kept or Kept.UNKNOWN).why}; decode it as it is and convert that"
        )
    numbers = list(range(len(image.frames)))
    if image.kind == "tiff" and (len(image.frames) > 1 or image.kept):
        numbers = pages.find_main(image.envelope, image.frames, image.kept)
    return image, {number: image.frames[number] for number in numbers}


def see(image: Image, *, colours: bool = False) -> Image:
    """Turn the image of a file into the array that other readers see; arrays stay as they are.

    The pictures of a series follow one another.

    Args:
        colours: turn samples that stand for colours (palettes, white as zero) into these.

    Raises:
        UnsupportedError: its samples are not coded and cannot be, or their colours have no exact counterpart.
    """
    from .colours import see as see_samples
    from .colours import show

    if image.members:
        seen = [see(picture, colours=colours) for picture in image.pictures if _is_to_be_seen(picture)]
        return Image(tuple(frame for each in seen for frame in each.frames), "array")
    if image.kind in ARRAYS or (image.kind == "npy" and image.frames):
        return image
    image, pictures = find_pictures(image)
    return Image((show if colours else see_samples)(image.kind, image.envelope, image.frames, pictures), "array")


def _is_to_be_seen(member: Image) -> bool:
    """Whether a file of a series is a picture."""
    return bool(member.frames) or not (member.kind == "file" or member.kept is Kept.NO_SAMPLES)


def convert(image: Image, kind: str) -> bytes:
    """Write an image's samples, and nothing else of it, as another kind of file.

    PNG and TIFF show the same picture; .npy holds the samples that other readers see, in the colours in which they are stored.
    Files that were kept whole are transcoded first, where that can be done. Thumbnails and masks in TIFF are left out.

    Args:
        kind: one of CONVERTED.

    Raises:
        UnsupportedError: the samples do not fit that kind.
    """
    from . import npy, png, tiff

    image = see(image, colours=kind != "array")
    if not image.frames:
        raise UnsupportedError("it holds no picture that could be converted; decode it as it is")
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
        return b"".join(png.write(png.from_samples(samples)))
    try:
        return npy.write(image)
    except ValueError as error:
        raise UnsupportedError(f"this file is not one array ({error}); use -o x.tif") from error
