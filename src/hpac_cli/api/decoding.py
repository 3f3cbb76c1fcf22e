"""An .hpac file to the file that it came from, to another kind, or to a part of it."""

from __future__ import annotations

import functools
import hashlib
import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from hpac_cli import files

from . import existing
from .folders import decode_to_folder
from .names import converted_name, decoded_name
from .parts import Region, read_part
from .rebuilding import write_file
from .session import Options, Result, Session
from .streams import Counting, Hashing, model_of, write_bytes, write_output
from .views import find_member, find_view

if TYPE_CHECKING:
    from hpac_cli.codec.whole import Written
    from hpac_cli.image import Image


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
    from hpac_cli.codec.whole import decode_whole

    start, options = time.monotonic(), session.options
    counted = Counting(stream)
    reader = session.open(counted)  # type: ignore[arg-type]
    header = reader.header
    target, wanted = decoded_name(source, output, KIND_NAMES[header.kind], os.fsdecode(header.suffix))
    if folder is not None and output is None and target is not None:
        target = Path(folder) / target.name
    if header.is_series and wanted == KIND_NAMES[header.kind]:
        folded = decode_to_folder(reader, target, source, session)
        count, seconds = 0 if folded.is_there else counted.count, time.monotonic() - start
        return Result(
            str(target), count, folded.size, folded.samples, seconds, folded.fidelity, skipped=folded.is_there
        )
    existing.check_target(target, source, options)
    there = target if target is not None and target.is_file() else None
    same_kind = header.identical and wanted == KIND_NAMES[header.kind]
    if there and options.skip_existing and same_kind and existing.is_source_of(there, source, options.limits):
        return Result(str(there), 0, 0, 0, time.monotonic() - start, "bytes", skipped=True)
    make: _Maker
    num_samples, fidelity, digest = 0, "bytes", b""
    if header.is_whole and wanted == KIND_NAMES[header.kind]:
        make = functools.partial(decode_whole, reader)
    else:
        image = session.decode(reader)
        make, fidelity = _maker(image, wanted)
        num_samples, digest = image.num_samples, image.file_hash
    made = _write_unless_there(make, target, there, like=model_of(source, options), options=options)
    name, seconds = str(target or files.STANDARD), time.monotonic() - start
    if made is None:
        return Result(name, 0, 0, 0, seconds, fidelity, skipped=True)
    digest = made.digest if fidelity == "bytes" else digest
    return Result(name, counted.count, made.size, num_samples, seconds, fidelity, source_sha256=_in_full(digest))


def _in_full(digest: bytes) -> str:
    """A SHA-256 in hexadecimal, if all of it is known."""
    return digest.hex() if len(digest) == hashlib.sha256().digest_size else ""


class _ThereAlreadyError(Exception):
    """What is decoded is there, and is to be left as it is."""


_Maker = Callable[[BinaryIO], "Written"]
"""Writes a file piece by piece, and says at the end what it is; until then nothing of it may be given out."""


def _maker(image: Image, wanted: str) -> tuple[_Maker, str]:
    """How to write the source's file, or another kind, and how true that is to the source."""
    from hpac_cli import images

    if images.SUFFIXES[image.kind] == images.SUFFIXES[wanted]:
        return functools.partial(write_file, image), image.fidelity
    return functools.partial(_write_converted, image, wanted), "samples"


def _write_converted(image: Image, wanted: str, out: BinaryIO) -> Written:
    from hpac_cli import images
    from hpac_cli.codec.whole import Written

    data = images.convert(image, wanted)
    out.write(data)
    return Written(len(data), hashlib.sha256(data).digest())


def _write_unless_there(
    make: _Maker, target: Path | None, there: Path | None, *, like: tuple[str, ...], options: Options
) -> Written | None:
    """Write a file; return what it is, or None if it is there already."""
    written: Written | None = None

    def write(stream: BinaryIO) -> int:
        nonlocal written
        written = make(stream)
        if there:
            stream.seek(0)
            if existing.check_decoded(there, stream, options):
                raise _ThereAlreadyError
        return written.size

    force = existing.may_replace(there is not None, options)
    try:
        write_output(target, write, seekable=True, force=force, like=like)
    except _ThereAlreadyError:
        return None
    return written


def decompress_member(
    source: str, name: str, output: str | None, session: Session, *, folder: str | None = None
) -> Result:
    """Decode one file of a series, or convert its samples, reading only the tiles that it needs.

    Args:
        name: of the file, as info lists it.
        output: a path, "-" for standard output, or None for the last part of the name.
        folder: where that goes; None beside the source.

    Raises:
        UsageError: the file holds no series, or none with such a file.
        HpacError: any other of errors.py; nothing is written under the final name then.
    """
    from hpac_cli.codec.kinds import KIND_NAMES
    from hpac_cli.codec.partial import decode_member

    start, options = time.monotonic(), session.options
    with files.open_input(source) as stream:
        counted = Counting(stream)
        reader = session.open(counted)  # type: ignore[arg-type]
        number = find_member(reader.header, name)
        member, at = reader.header.members[number], os.path.basename(name)
        if output is None:
            output = os.path.join(os.path.dirname(source) if folder is None else folder, at)
        kind = KIND_NAMES[member.kind]
        target, wanted = decoded_name(source, output, kind, os.path.splitext(at)[1])
        files.check_output(target, source=source, force=options.force)
        session.check_duration(reader.header.frames_of_members()[number])
        with session.count("decode", sum(f.num_samples for f in reader.header.frames_of_members()[number])) as advance:
            threads, networks = max(1, options.threads), session.networks.adapted(reader.header.adapters)
            _, image = decode_member(reader, number, networks=networks, threads=threads, progress=advance)

    make, fidelity = _maker(image, wanted)
    size = write_output(
        target, lambda out: make(out).size, seekable=True, force=options.force, like=model_of(source, options)
    )
    seconds, made = time.monotonic() - start, str(target or files.STANDARD)
    return Result(made, counted.count, size, image.num_samples, seconds, fidelity)


def decompress_part(
    source: str, output: str, session: Session, *, frame: int | None, region: Region | None, member: str | None = None
) -> Result:
    """Decode one frame, or a region of it, reading only the tiles that it needs.

    Args:
        output: a .png, .tif or .npy file.
        frame: counted from 0; None for the first that is a picture, and no thumbnail. Of a series all frames count,
            unless a member is named.
        region: x, y, width, height in pixels; None for the whole frame.
        member: the file of a series whose frame it is.

    Raises:
        HpacError: any of errors.py; nothing is written under the final name then.
    """
    from hpac_cli.image import Image

    start, options = time.monotonic(), session.options
    target, wanted = converted_name(output)
    files.check_output(target, source=source, force=options.force)
    with files.open_input(source) as stream:
        counted = Counting(stream)
        reader = session.open(counted)  # type: ignore[arg-type]
        view, frame = find_view(reader, member, frame)
        samples = read_part(reader, session, view, frame=frame, region=region, colours=wanted != "array")
    data = to_file(Image((samples,), "array"), wanted)
    write_bytes(target, data, force=options.force)
    return Result(output, counted.count, len(data), samples.size, time.monotonic() - start, "samples")


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
        if reader.header.is_whole:
            with open(os.devnull, "wb") as nowhere:
                digest = decode_whole(reader, nowhere).digest
            return Result("", counted.count, 0, 0, time.monotonic() - start, "bytes", source_sha256=digest.hex())
        image = session.decode(reader, "verify")
        digest = image.file_hash
        for picture in image.pictures:
            if picture.kind not in ARRAYS:
                made = write_file(picture, Hashing()).digest  # type: ignore[arg-type]
                digest = made if image.identical and not image.members else digest
    seconds = time.monotonic() - start
    return Result("", counted.count, 0, image.num_samples, seconds, image.fidelity, source_sha256=_in_full(digest))


def to_file(image: Image, wanted: str) -> bytes:
    """The bytes of the source's file, or of another kind."""
    out = io.BytesIO()
    make, _ = _maker(image, wanted)
    make(out)
    return out.getvalue()
