"""An .hpac file to the file that it came from, to another kind, or to a part of it."""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from hpac_cli import files
from hpac_cli.errors import UnsupportedError, UsageError

from . import existing
from .folders import decode_to_folder, write_file
from .names import converted_name, decoded_name
from .session import Options, Result, Session
from .streams import Counting, model_of, write_bytes, write_output

if TYPE_CHECKING:
    from hpac_cli.codec.tiles import Box
    from hpac_cli.codec.whole import Held
    from hpac_cli.container.fields import Frame, Header
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


def find_member(header: Header, name: str) -> int:
    """Number of the file of a series that has a name.

    Raises:
        UsageError: there is none.
    """
    if not header.is_series:
        raise UsageError("it holds one file, no series; decode it without --member")
    wanted = os.fsencode(name)
    number = next((i for i, member in enumerate(header.members) if member.name == wanted), None)
    if number is None:
        raise UsageError(f"the series holds no file {name}; hpac info lists {len(header.members):,}")
    return number


class View(NamedTuple):
    """One file of a container, as much of it as its frames need."""

    kind: str
    metadata: bytes
    frames: tuple[Frame, ...]
    kept: int
    first: int
    """Number of its first frame in the container."""


def list_views(reader: Reader) -> Iterator[View]:
    """The files of a series, or the only one of another container."""
    from hpac_cli.codec.kinds import KIND_NAMES

    header, at, first = reader.header, 0, 0
    if not header.is_series:
        yield View(KIND_NAMES[header.kind], reader.metadata, header.frames, header.kept, 0)
    for entry, frames in zip(header.members, header.frames_of_members(), strict=True):
        envelope = reader.metadata[at : at + entry.size] if frames else b""
        yield View(KIND_NAMES[entry.kind], envelope, frames, entry.kept, first)
        at, first = at + len(envelope), first + len(frames)


def _view(reader: Reader, member: str | None, frame: int | None) -> View:
    """The file that is meant: a member, or the one that has a frame, or the only one."""
    views = list(list_views(reader))
    if member is not None:
        return views[find_member(reader.header, member)]
    if len(views) == 1:
        return views[0]
    if frame is None:
        raise UsageError("it holds a series; name a frame of all with --frame, or a file with --member")
    found = next((view for view in views if view.first <= frame < view.first + len(view.frames)), None)
    if found is None:
        raise UsageError(f"there is no frame {frame}: the series has {len(reader.header.frames)}, counted from 0")
    return found


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
        view = _view(reader, member, frame)
        kind, metadata = view.kind, view.metadata
        frames = colours.stand_ins([((f.height, f.width, f.channels), f.sample_type) for f in view.frames])
        if frame is None:
            frame = _first_picture(kind, metadata, frames, view.kept)
        elif member is None:
            frame -= view.first
        if not 0 <= frame < len(frames):
            raise UsageError(f"there is no frame {frame}: the file has {len(frames)}, counted from 0")
        across = colours.pixels_per_column(kind, metadata, frames, frame)
        inner = _columns_of(box, across) if box else None
        session.check_duration(_part_of(view.frames, frame, inner))
        with session.count("decode", box.height * box.width if box else view.frames[frame].num_samples) as advance:
            threads, whole = max(1, options.threads), view.first + frame
            samples = decode_region(reader, whole, inner, networks=session.networks, threads=threads, progress=advance)
    turn = colours.see if wanted == "array" else colours.show
    (samples,) = turn(kind, metadata, frames, {frame: samples})
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
