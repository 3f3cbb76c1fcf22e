"""An .hpac file to the file that it came from, to another kind, or to a part of it."""

from __future__ import annotations

import hashlib
import io
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from hpac_cli import files
from hpac_cli.errors import UnsupportedError

from . import existing
from .folders import decode_to_folder, write_file
from .names import converted_name, decoded_name
from .parts import Region, read_part
from .session import Options, Result, Session
from .streams import Counting, model_of, write_bytes, write_output
from .views import find_member

if TYPE_CHECKING:
    from hpac_cli.codec.whole import Held
    from hpac_cli.container.parse import Reader
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

    start, options = time.monotonic(), session.options
    counted = Counting(stream)
    reader = session.open(counted)  # type: ignore[arg-type]
    header = reader.header
    target, wanted = decoded_name(source, output, KIND_NAMES[header.kind], os.fsdecode(header.suffix))
    if folder is not None and output is None and target is not None:
        target = Path(folder) / target.name
    if header.is_series and wanted == KIND_NAMES[header.kind]:
        made = decode_to_folder(reader, target, source, session)
        count, seconds = 0 if made.is_there else counted.count, time.monotonic() - start
        return Result(str(target), count, made.size, made.samples, seconds, made.fidelity, skipped=made.is_there)
    existing.check_target(target, source, options)
    there = target if target is not None and target.is_file() else None
    same_kind = header.identical and wanted == KIND_NAMES[header.kind]
    if there and options.skip_existing and same_kind and existing.is_source_of(there, source, options.limits):
        return Result(str(there), 0, 0, 0, time.monotonic() - start, "bytes", skipped=True)
    if header.is_whole and wanted == KIND_NAMES[header.kind]:
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
    reader: Reader, target: Path | None, there: Path | None, *, like: tuple[str, ...], options: Options
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
            threads = max(1, options.threads)
            _, image = decode_member(reader, number, networks=session.networks, threads=threads, progress=advance)

    def write(out: BinaryIO) -> int:
        return write_file(image, out) if wanted == kind else out.write(to_file(image, wanted)[0])

    fidelity = image.fidelity if wanted == kind else "samples"
    size = write_output(target, write, seekable=False, force=options.force, like=model_of(source, options))
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
        samples = read_part(reader, session, frame=frame, region=region, member=member, colours=wanted != "array")
    data, _ = to_file(Image((samples,), "array"), wanted)
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
                data = rebuild(picture)
                digest = hashlib.sha256(data).digest() if image.identical and not image.members else digest
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
