"""An image file to an .hpac file, and to what is known of it before."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from hpac_cli import files
from hpac_cli.codec.efforts import effort_of
from hpac_cli.errors import HpacError, LimitExceededError, RoundTripError, UsageError
from hpac_cli.kept import Kept

from . import existing
from .decoding import rebuild
from .names import default_output, suffix_of
from .session import Options, Result, Session, check_tile
from .streams import IN_MEMORY, Counting, Source, model_of, open_source, write_output

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hpac_cli.container.parse import Reader
    from hpac_cli.image import Image


CONTAINER_BYTES = 256
"""What a container takes beside a file that it keeps whole, at most, and what is not worth keeping whole for."""


def compress(source: str, output: str | None, session: Session) -> Result:
    """Encode one image file.

    Args:
        source: a path, or "-" for standard input.
        output: a path, "-" for standard output, or None for the default name.

    Raises:
        HpacError: any of errors.py; nothing is written under the final name then.
    """
    start, options = time.monotonic(), session.options
    check_tile(options.tile)
    if options.remove_source and not options.verify:
        raise UsageError("a source is removed only after its output was decoded and compared")
    target = None if output == files.STANDARD else Path(output) if output else default_output(source)
    existing.check_target(target, source, options)
    note, judged = "", None
    with open_source(source) as opened:
        there = target is not None and target.is_file()
        if target is not None and there:
            judged = files.stamp(str(target)) if options.remove_source else None
            held = existing.held_by(target, options.limits)
            if options.skip_existing and held.is_of(opened.digest) and (held.identical or options.transcode):
                seconds, digest = time.monotonic() - start, opened.digest.hex()
                size = target.stat().st_size
                return Result(str(target), opened.size, size, 0, seconds, "", skipped=True, source_sha256=digest)
            note = existing.check_replaced(target, held, held.is_of(opened.digest), options)
        image = read_image(opened, options)
        image = replace(image, suffix=suffix_of(source, image.kind))

        def write(stream: BinaryIO) -> int:
            nonlocal image
            image, size = _encode_or_keep(image, opened, stream, session)
            if options.verify:
                stream.seek(0)
                check_round_trip(image, stream, session)
            return size

        force = existing.may_replace(there, options)
        size = write_output(
            target, write, seekable=options.verify, force=force, like=model_of(source, options), judged=judged
        )
    return _result(start, opened, size, image, output=str(target or files.STANDARD), note=note)


def _encode_or_keep(image: Image, opened: Source, stream: BinaryIO, session: Session) -> tuple[Image, int]:
    """Write an image, or its file as it is: where the samples take more than that, or --all keeps what is over a limit.

    A stream that cannot be written again keeps what it has.

    Returns:
        What was written, and its bytes.
    """
    from hpac_cli.image import keep_whole

    counted, again = Counting(stream), bool(image.frames) and stream.seekable()
    try:
        session.encode(image, counted)  # type: ignore[arg-type]
        kept = Kept.LARGER
        if not again or not image.identical or counted.count <= opened.size + CONTAINER_BYTES:
            return image, counted.count
    except LimitExceededError:
        if not again or not session.options.keep_all:
            raise
        kept = Kept.NO_PICTURE
    whole = replace(keep_whole(opened.stream, image.kind, kept, opened.digest), suffix=image.suffix)
    stream.seek(0)
    stream.truncate()
    counted = Counting(stream)
    session.encode(whole, counted)  # type: ignore[arg-type]
    return whole, counted.count


def read_image(opened: Source, options: Options) -> Image:
    """Read an image file as options say."""
    from hpac_cli import images

    return images.read_stream(
        opened.stream,
        opened.digest,
        options.limits,
        transcode=options.transcode,
        keep_all=options.keep_all,
        raw=options.raw,
    )


def _result(start: float, opened: Source, size: int, image: Image, *, output: str = "", note: str = "") -> Result:
    """What was done to a file; `start` is when that began, by the monotonic clock."""
    return Result(
        output,
        opened.size,
        size,
        image.num_samples,
        time.monotonic() - start,
        image.fidelity,
        note=note,
        kept=image.kept.why,
        source_sha256=opened.digest.hex(),
    )


def check_round_trip(image: Image, stream: BinaryIO, session: Session) -> None:
    """Decode a container, rebuild its file, and compare.

    A file that is said to come back byte for byte must have the hash of its source, any other that of the file which
    was shown to hold the same when the source was read.

    Args:
        image: as images.read made it of the source.

    Raises:
        RoundTripError: they differ.
    """
    try:
        reader = session.open(stream)
        if image.whole is not None:
            return _check_whole(image, reader)
        decoded = session.decode(reader, "verify")
        made = hashlib.sha256(rebuild(decoded)).digest()
    except HpacError as error:
        raise RoundTripError(
            f"the encoded file does not decode ({error}); nothing was written; please report this picture"
        ) from error
    right = made == (image.file_hash if decoded.identical else image.made_hash)
    if not right or not decoded.equals(image) or not image.file_hash.startswith(decoded.file_hash):
        raise RoundTripError(SOMETHING_ELSE)


SOMETHING_ELSE = "the encoded file decodes to something else; nothing was written; please report this picture"


def _check_whole(image: Image, reader: Reader) -> None:
    from hpac_cli.codec.kinds import KIND_NAMES
    from hpac_cli.codec.whole import decode_whole

    with open(os.devnull, "wb") as nowhere:
        digest = decode_whole(reader, nowhere).digest
    if digest != image.file_hash or KIND_NAMES[reader.header.kind] != image.kind:
        raise RoundTripError(SOMETHING_ELSE)


def check(source: str, session: Session) -> Result:
    """Encode one image file in memory, decode that, and compare; nothing is written.

    Raises:
        RoundTripError: something else came back.
        HpacError: any other of errors.py.
    """
    start = time.monotonic()
    with open_source(source) as opened, tempfile.SpooledTemporaryFile(IN_MEMORY) as spooled:
        stream: BinaryIO = spooled  # type: ignore[assignment]
        image = read_image(opened, session.options)
        with files.writing("a temporary file"):
            image, size = _encode_or_keep(image, opened, stream, session)
        stream.seek(0)
        check_round_trip(image, stream, session)
    return _result(start, opened, size, image)


def estimate(source: str, session: Session) -> Result:
    """Estimate from a sample of one image file how large it will be, and how long that takes; nothing is written.

    Raises:
        HpacError: any of errors.py.
    """
    from hpac_cli.codec.estimate import estimate_bytes

    start = time.monotonic()
    options = session.options
    with open_source(source) as opened:
        image = read_image(opened, options)
        size = estimate_bytes(image, networks=session.networks, effort=effort_of(options.effort), tile=options.tile)
        seconds = session.estimate_seconds(image)
    return replace(_result(start, opened, size, image), estimated_seconds=seconds)


def map_code_lengths(samples: NDArray[Any], session: Session) -> NDArray[Any]:
    """Say how many bits each pixel of a frame takes, (H, W) float32, all channels together.

    Args:
        samples: (H, W, C).
    """
    from hpac_cli.codec.heatmap import map_code_lengths as measure

    return measure(
        samples, networks=session.networks, effort=effort_of(session.options.effort), tile=session.options.tile
    )
