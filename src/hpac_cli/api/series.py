"""Several files to one .hpac file, their headers coded against each other; and the same in memory."""

from __future__ import annotations

import functools
import io
import itertools
import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from hpac_cli import files
from hpac_cli.codec.efforts import DEFAULT, KEYFRAME, effort_of
from hpac_cli.codec.threads import spread
from hpac_cli.errors import ContainerError, HpacError, LimitExceededError, RoundTripError, UsageError
from hpac_cli.kept import Kept
from hpac_cli.limits import DEFAULT_LIMITS, Limits, Tally

from . import existing
from .encoding import SOMETHING_ELSE, read_image
from .rebuilding import write_file
from .session import Options, Result, Session, check_tile
from .streams import IN_MEMORY, Counting, Hashing, hash_stream, open_source, write_output

if TYPE_CHECKING:
    from hpac_cli.image import Image, Member
    from hpac_cli.images.order import Key


class Input(NamedTuple):
    """One file that becomes part of a series."""

    path: str
    name: str
    """Below the folder that decoding makes, parts separated by slashes."""


@dataclass(frozen=True)
class _Expected:
    """What must come back of one file: all that is kept of it while the series is decoded again."""

    name: str
    kind: str
    identical: bool
    source_hash: bytes
    made_hash: bytes


@dataclass(frozen=True)
class _Encoded:
    """What came of a series."""

    members: tuple[_Expected, ...]
    input_bytes: int
    output_bytes: int
    samples: int
    fidelity: str
    kept: str


def compress_series(inputs: Sequence[Input], output: str, session: Session) -> Result:
    """Encode files as one series: pictures in the order of their place and time, all others whole.

    Args:
        inputs: at least one, with different names.
        output: a path, or "-" for standard output.

    Raises:
        UsageError: their names cannot all be below one folder.
        HpacError: any other of errors.py; nothing is written under the final name then.
    """
    start, options = time.monotonic(), session.options
    check_tile(options.tile)
    check_names(inputs)
    target = None if output == files.STANDARD else Path(output)
    for each in inputs:
        existing.check_target(target, each.path, options)
    note, judged, there = "", None, target is not None and target.is_file()
    if target is not None and there:
        judged = files.stamp(str(target)) if options.remove_source else None
        held = existing.held_by(target, options.limits)
        is_same = held.is_series_of({each.name: _hash(each.path) for each in inputs})
        if options.skip_existing and is_same and (held.identical or options.transcode):
            size, seconds = sum(os.path.getsize(each.path) for each in inputs), time.monotonic() - start
            return Result(str(target), size, target.stat().st_size, 0, seconds, "", skipped=True)
        note = existing.check_replaced(target, held, is_same, options)
    made: _Encoded | None = None

    def write(stream: BinaryIO) -> int:
        nonlocal made
        made = _encode(inputs, stream, session)
        if options.verify:
            stream.seek(0)
            _check(made.members, stream, session)
        return made.output_bytes

    force, like = existing.may_replace(there, options), tuple(each.path for each in inputs) if options.preserve else ()
    write_output(target, write, seekable=options.verify, force=force, like=like, judged=judged)
    return _result(start, made, output=str(target or files.STANDARD), note=note)


def check_names(inputs: Sequence[Input]) -> None:
    """Make sure that all files can lie below one folder.

    Raises:
        UsageError: two have the same name, or one that leads elsewhere.
    """
    from hpac_cli.container import members

    if not inputs:
        raise UsageError("there is no file to make a series of")
    first: dict[str, str] = {}
    for each in inputs:
        other = first.setdefault(each.name, each.path)
        if other != each.path:
            raise UsageError(
                f"{other} and {each.path} would both be {each.name} of the series; name their folder instead"
            )
    try:
        members.check_names([os.fsencode(each.name) for each in inputs])
    except ContainerError as error:
        raise UsageError(str(error)) from error


def _hash(path: str) -> bytes:
    with files.open_input(path) as stream:
        return hash_stream(stream)


def _result(start: float, made: _Encoded | None, *, output: str = "", note: str = "") -> Result:
    assert made is not None, "what is written was encoded"
    seconds = time.monotonic() - start
    return Result(
        output,
        made.input_bytes,
        made.output_bytes,
        made.samples,
        seconds,
        made.fidelity,
        note=note,
        kept=made.kept,
    )


class _Read(NamedTuple):
    """A file that was read, and what puts it in order."""

    key: Key
    member: Member
    size: int


def _encode(inputs: Sequence[Input], stream: BinaryIO, session: Session) -> _Encoded:
    """Write files as a series; one whose samples take more than itself, as it is."""
    from hpac_cli.image import join

    read = sorted(_read_all(inputs, session), key=lambda each: each.key)
    image, sizes, paths = (
        join([each.member for each in read]),
        [each.size for each in read],
        {each.name: each.path for each in inputs},
    )
    size, coded = _write(image, stream, session)
    larger = {i for i, (own, source) in enumerate(zip(coded, sizes, strict=True)) if own > source}
    if larger and stream.seekable():
        whole = (
            _keep_whole(member, paths[member.name], sizes[i]) if i in larger else member
            for i, member in enumerate(image.members)
        )
        image = join(list(whole))
        stream.seek(0)
        stream.truncate()
        size, _ = _write(image, stream, session)
    expected = tuple(
        _Expected(name, each.kind, each.identical, each.file_hash, each.made_hash) for name, each in image.members
    )
    return _Encoded(expected, sum(sizes), size, image.num_samples, image.fidelity, _describe_kept(image))


def _describe_kept(image: Image) -> str:
    """What is not coded as samples, in one phrase."""
    whole = sum(not picture.frames for picture in image.pictures)
    return f"{whole:,} of {len(image.members):,} files are kept whole" if whole else ""


def _write(image: Image, stream: BinaryIO, session: Session) -> tuple[int, list[int]]:
    """Encode; return the bytes of all, and of what is each file's own where the stream can be read again."""
    counted = Counting(stream)
    session.encode(image, counted)  # type: ignore[arg-type]
    if not stream.seekable():
        return counted.count, [0] * len(image.members)
    stream.seek(0)
    reader = session.open(stream)
    for _ in reader.pieces():
        pass
    tiles = (tile.size for tile in reader.tiles())
    own = [
        sum(itertools.islice(tiles, sum(frame.num_tiles for frame in frames)))
        for frames in reader.header.frames_of_members()
    ]
    next(tiles, None)
    stream.seek(0, os.SEEK_END)
    return counted.count, own


def _keep_whole(member: Member, path: str, size: int) -> Member:
    from hpac_cli.image import keep_whole

    image = member.image
    if not image.identical:
        return member
    return member._replace(image=keep_whole(_on_disk(path, size), image.kind, Kept.LARGER, image.file_hash))


def _read_all(inputs: Sequence[Input], session: Session) -> Iterator[_Read]:
    """Read file after file; samples stay in memory, files that are kept whole do not.

    Raises:
        HpacError: a file cannot be read; the message names it.
        LimitExceededError: together they are larger than limits allow.
    """
    options = replace(session.options, keep_all=True)
    tally = Tally(options.limits)
    with session.count("read", len(inputs)) as advance, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # before threads do so, one behind the other's back
        for read in spread(functools.partial(_read, options), inputs, threads=max(1, options.threads)):
            try:
                for frame in read.member.image.frames:
                    tally.add(frame.shape[1], frame.shape[0], frame.shape[2], frame.nbytes)
            except LimitExceededError as error:
                hint = "encode it in parts, or allow more (--max-pixels, --max-memory), as decoding it will need too"
                raise LimitExceededError(f"the series is too large: {error}; {hint}") from error
            yield read
            advance(1)


def _read(options: Options, source: Input) -> _Read:
    from hpac_cli.image import Member
    from hpac_cli.images.order import place_of

    path, name = source
    try:
        with open_source(path) as opened:
            image = read_image(opened, options)
            key = place_of(name, image.kind, opened.stream)
    except HpacError as error:
        raise type(error)(f"{name}: {error}") from error
    if image.whole is not None:
        image = replace(image, whole=_on_disk(path, opened.size))
    return _Read(key, Member(name, image), opened.size)


def _on_disk(path: str, size: int) -> BinaryIO:
    """A file that is opened when it is read, so that a thousand of them are neither in memory nor open."""
    from hpac_cli.codec.series import Extent

    return Extent(functools.partial(files.open_input, path), 0, size)  # type: ignore[return-value]


def _check(expected: Sequence[_Expected], stream: BinaryIO, session: Session) -> None:
    """Decode a series, make its files, and compare their hashes with those of the sources.

    Raises:
        RoundTripError: they differ.
    """
    try:
        decoded = session.decode(session.open(stream), "verify")
        digests = spread(_hash_made, decoded.pictures, threads=max(1, session.options.threads))
        made = [(*member, digest) for member, digest in zip(decoded.members, digests, strict=True)]
    except HpacError as error:
        raise RoundTripError(
            f"the encoded series does not decode ({error}); nothing was written; please report these pictures"
        ) from error
    found = [
        _Expected(name, image.kind, image.identical, each.source_hash, digest)
        for (name, image, digest), each in zip(made, expected, strict=False)
        if each.source_hash.startswith(image.file_hash)
    ]
    wanted = [replace(each, made_hash=each.source_hash) if each.identical else each for each in expected]
    if len(made) != len(expected) or found != wanted:
        raise RoundTripError(SOMETHING_ELSE)


def _hash_made(image: Image) -> bytes:
    out = Hashing()
    write_file(image, out)  # type: ignore[arg-type]
    return out.digest()


def check_series(inputs: Sequence[Input], session: Session) -> Result:
    """Encode files as a series in a temporary file, decode that, and compare; nothing is written.

    Raises:
        RoundTripError: something else came back.
        HpacError: any other of errors.py.
    """
    start = time.monotonic()
    check_names(inputs)
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as spooled:
        stream: BinaryIO = spooled  # type: ignore[assignment]
        with files.writing("a temporary file"):
            made = _encode(inputs, stream, session)
        stream.seek(0)
        _check(made.members, stream, session)
    return _result(start, made)


def estimate_series(inputs: Sequence[Input], session: Session) -> Result:
    """Estimate from a sample of each picture how large the series will be; nothing is written.

    Raises:
        HpacError: any of errors.py.
    """
    from hpac_cli.codec.estimate import estimate_bytes
    from hpac_cli.image import join

    start, options = time.monotonic(), session.options
    check_names(inputs)
    read = list(_read_all(inputs, session))
    image = join([each.member for each in read])
    size = estimate_bytes(image, networks=session.networks, effort=effort_of(options.effort), tile=options.tile)
    source_size = sum(each.size for each in read)
    made = _Encoded((), source_size, size, image.num_samples, image.fidelity, _describe_kept(image))
    return _result(start, made)


@contextmanager
def _laid_out(contents: Mapping[str, bytes]) -> Iterator[list[Input]]:
    """Files of these names and contents, in a temporary folder, under numbers."""
    with tempfile.TemporaryDirectory(prefix="hpac-") as folder, files.writing("a temporary file"):
        inputs = [Input(os.path.join(folder, str(number)), name) for number, name in enumerate(contents)]
        for each in inputs:
            Path(each.path).write_bytes(contents[each.name])
        yield inputs


def encode_series(
    contents: Mapping[str, bytes],
    *,
    effort: int = DEFAULT,
    keyframe: int = KEYFRAME,
    backend: str = "",
    limits: Limits = DEFAULT_LIMITS,
) -> bytes:
    """Encode files to the bytes of one .hpac file in memory, pictures in the order of their place and time.

    Args:
        contents: of each file, by its name, which may have slashes between folders.
        effort: 1 to 9, as of `encode`.
        keyframe: frames that one may need to be decoded, itself included; 1 lets every file stand alone.
        backend: instruction set of the core, or "" for the fastest exact one; all give the same bytes.
        limits: what `decode_series` will be given; they hold for all files together.

    Raises:
        UsageError: no files, or names that cannot all be below one folder.
        LimitExceededError: larger than limits allow.
    """
    session, stream = Session(Options(keyframe=keyframe, effort=effort, backend=backend, limits=limits)), io.BytesIO()
    with _laid_out(contents) as inputs:
        check_names(inputs)
        _encode(inputs, stream, session)
    return stream.getvalue()


def decode_series(data: bytes, *, backend: str = "", limits: Limits = DEFAULT_LIMITS) -> dict[str, bytes]:
    """Decode the .hpac bytes of a series to its files: contents by name, in the order in which they are coded.

    Raises:
        UsageError: it is the .hpac file of one file.
        HpacError: ContainerError, ModelError or LimitExceededError of errors.py.
    """
    session = Session(Options(backend=backend, limits=limits))
    reader = session.open(io.BytesIO(data))
    if not reader.header.is_series:
        raise UsageError("it holds one file, no series")
    contents = {}
    for name, image in session.decode(reader).members:
        out = io.BytesIO()
        write_file(image, out)
        contents[name] = out.getvalue()
    return contents
