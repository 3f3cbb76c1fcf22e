"""An .hpac file to the file that it came from, to another kind, or to a part of it."""

from __future__ import annotations

import hashlib
import io
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from hpac_cli import files
from hpac_cli.errors import UnsupportedError

from . import existing
from .names import converted_name, decoded_name
from .session import Options, Result, Session
from .streams import Counting, model_of, write_bytes, write_output

if TYPE_CHECKING:
    from hpac_cli.codec.tiles import Box
    from hpac_cli.codec.whole import Held
    from hpac_cli.container.fields import Frame
    from hpac_cli.container.parse import Reader
    from hpac_cli.image import Image, Samples

Region = tuple[int, int, int, int]
"""x, y, width, height in pixels."""


def decompress(source: str, output: str | None, session: Session, *, folder: str | None = None) -> Result:
    """Decode one .hpac file to the kind of file that it came from, or convert its samples.

    Args:
        output: a path, "-" for standard output, or None for the default name.
        folder: where the default name goes; None beside the source.

    Raises:
        HpacError: any of errors.py; nothing is written under the final name then.
    """
    with files.open_input(source) as stream:
        return decompress_stream(stream, source, output, session, folder)


def decompress_stream(
    stream: BinaryIO, source: str, output: str | None, session: Session, folder: str | None = None
) -> Result:
    """Decode an opened .hpac file, as decompress does; `source` names it."""
    from hpac_cli.codec.kinds import KIND_NAMES

    start, options = time.monotonic(), session.options
    counted = Counting(stream)
    reader = session.open(counted)  # type: ignore[arg-type]
    header = reader.header
    target, wanted = decoded_name(source, output, KIND_NAMES[header.kind], os.fsdecode(header.suffix))
    if folder is not None and output is None and target is not None:
        target = Path(folder) / target.name
    existing.check_target(target, source, options)
    there = target if target is not None and target.is_file() else None
    same_kind = header.identical and wanted == KIND_NAMES[header.kind]
    if there and options.skip_existing and same_kind and existing.is_source_of(there, source, options.limits):
        return Result(str(there), 0, 0, 0, time.monotonic() - start, "bytes", skipped=True)
    if not header.frames and wanted == KIND_NAMES[header.kind]:
        copied = _copy_whole(reader, target, there, like=model_of(source, options), options=options)
        name, seconds = str(target or files.STANDARD), time.monotonic() - start
        if copied is None:
            return Result(name, 0, 0, 0, seconds, "bytes", skipped=True)
        count, held = counted.count, copied.digest.hex()
        return Result(name, count, copied.size, 0, seconds, "bytes", source_sha256=held)
    image = session.decode(reader)
    data, fidelity = to_file(image, wanted)
    if there and existing.check_decoded(there, io.BytesIO(data), options):
        return Result(str(there), 0, 0, 0, time.monotonic() - start, fidelity, skipped=True)
    force = existing.may_replace(there is not None, options)
    write_bytes(target, data, force=force, like=model_of(source, options))
    seconds, name = time.monotonic() - start, str(target or files.STANDARD)
    digest = hashlib.sha256(data).digest() if fidelity == "bytes" else image.file_hash
    return Result(name, counted.count, len(data), image.num_samples, seconds, fidelity, source_sha256=_in_full(digest))


def _in_full(digest: bytes) -> str:
    """A SHA-256 in hexadecimal, if all of it is known."""
    return digest.hex() if len(digest) == hashlib.sha256().digest_size else ""


class _ThereAlreadyError(Exception):
    """What is decoded is there, and is to be left as it is."""


def _copy_whole(
    reader: Reader, target: Path | None, there: Path | None, *, like: str | None, options: Options
) -> Held | None:
    """Write a file that was kept whole, piece by piece; return what it is, or None if it is there already."""
    from hpac_cli.codec.whole import decode_whole

    held: Held | None = None

    def write(stream: BinaryIO) -> int:
        nonlocal held
        held = decode_whole(reader, stream)
        if there:
            stream.seek(0)
            if existing.check_decoded(there, stream, options):
                raise _ThereAlreadyError
        return held.size

    force = existing.may_replace(there is not None, options)
    try:
        write_output(target, write, seekable=True, force=force, like=like)
    except _ThereAlreadyError:
        return None
    return held


def decompress_part(source: str, output: str, session: Session, *, frame: int | None, region: Region | None) -> Result:
    """Decode one frame, or a region of it, reading only the tiles that it needs.

    Args:
        output: a .png, .tif or .npy file.
        frame: counted from 0; None for the first that is a picture, and no thumbnail.
        region: x, y, width, height in pixels; None for the whole frame.

    Raises:
        HpacError: any of errors.py; nothing is written under the final name then.
    """
    from hpac_cli.codec.kinds import KIND_NAMES
    from hpac_cli.codec.partial import decode_region
    from hpac_cli.codec.tiles import Box
    from hpac_cli.image import Image
    from hpac_cli.images import colours

    start, options = time.monotonic(), session.options
    target, wanted = converted_name(output)
    files.check_output(target, source=source, force=options.force)
    box = Box(region[1], region[0], region[3], region[2]) if region else None
    with files.open_input(source) as stream:
        counted = Counting(stream)
        reader = session.open(counted)  # type: ignore[arg-type]
        header, kind = reader.header, KIND_NAMES[reader.header.kind]
        frames = colours.stand_ins([((f.height, f.width, f.channels), f.sample_type) for f in header.frames])
        if frame is None:
            frame = _first_picture(kind, reader.metadata, frames, header.kept)
        across = colours.pixels_per_column(kind, reader.metadata, frames, frame)
        inner = _columns_of(box, across) if box else None
        session.check_duration(_part_of(header.frames, frame, inner))
        with session.count("decode", box.height * box.width if box else header.num_samples) as advance:
            threads = max(1, options.threads)
            samples = decode_region(reader, frame, inner, networks=session.networks, threads=threads, progress=advance)
    turn = colours.see if wanted == "array" else colours.show
    (samples,) = turn(kind, reader.metadata, frames, {frame: samples})
    if box:
        samples = samples[:, box.x % across :][:, : box.width]
    data, _ = to_file(Image((samples,), "array"), wanted)
    write_bytes(target, data, force=options.force)
    return Result(output, counted.count, len(data), samples.size, time.monotonic() - start, "samples")


def _first_picture(kind: str, metadata: bytes, frames: tuple[Samples, ...], kept: int) -> int:
    """The frame that is meant where none is named."""
    from hpac_cli.images.pages import find_main
    from hpac_cli.kept import Kept

    if not frames:
        raise UnsupportedError(f"it was kept whole, since {Kept(kept or Kept.UNKNOWN).why}; decode it as it is")
    if kind != "tiff" or (len(frames) == 1 and not kept):
        return 0
    return find_main(metadata, frames, Kept(kept))[0]


def _columns_of(box: Box, across: int) -> Box:
    """The columns of coded samples that hold a region's pixels, `across` in each."""
    first, end = box.x // across, -(-(box.x + box.width) // across)
    return box._replace(x=first, width=end - first)


def _part_of(frames: tuple[Frame, ...], frame: int, box: Box | None) -> tuple[Frame, ...]:
    """About what of the frames is decoded for a region: all tiles that it touches."""
    if not 0 <= frame < len(frames):
        return ()
    whole = frames[frame]
    if box is None:
        return (whole,)
    height, width = (
        min(side, part + whole.tile) for side, part in ((whole.height, box.height), (whole.width, box.width))
    )
    return (replace(whole, height=height, width=width),)


def verify(source: str, session: Session) -> Result:
    """Decode one .hpac file and check its hash, writing nothing.

    Raises:
        HpacError: any of errors.py.
    """
    from hpac_cli.codec.whole import decode_whole
    from hpac_cli.images import ARRAYS

    start = time.monotonic()
    with files.open_input(source) as stream:
        counted = Counting(stream)
        reader = session.open(counted)  # type: ignore[arg-type]
        if not reader.header.frames:
            with open(os.devnull, "wb") as nowhere:
                digest = decode_whole(reader, nowhere).digest
            return Result("", counted.count, 0, 0, time.monotonic() - start, "bytes", source_sha256=digest.hex())
        image = session.decode(reader, "verify")
        digest = image.file_hash
        if image.kind not in ARRAYS:
            data = rebuild(image)
            digest = hashlib.sha256(data).digest() if image.identical else digest
    seconds = time.monotonic() - start
    return Result("", counted.count, 0, image.num_samples, seconds, image.fidelity, source_sha256=_in_full(digest))


def rebuild(image: Image) -> bytes:
    """Write a decoded image as the file that it came from, and check its hash.

    Raises:
        UnsupportedError: another version of hpac makes other bytes than the one that the file was encoded with.
        InputError: the envelope does not fit the samples.
    """
    from hpac_cli import images

    data = images.write(image)
    if image.identical and not hashlib.sha256(data).digest().startswith(image.file_hash):
        raise UnsupportedError(
            "another version of hpac compresses differently from the one that the file was encoded with, so the "
            "original bytes cannot be made; the samples are intact: decode to another kind, such as -o x.npy"
        )
    return data


def to_file(image: Image, wanted: str) -> tuple[bytes, str]:
    """The bytes of the source's file, or of another kind, and how true they are to the source."""
    from hpac_cli import images

    if images.SUFFIXES[image.kind] == images.SUFFIXES[wanted]:
        return rebuild(image), image.fidelity
    return images.convert(image, wanted), "samples"
