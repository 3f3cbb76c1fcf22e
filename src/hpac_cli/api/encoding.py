"""An image file to an .hpac file, and to what is known of it before."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from hpac_cli import files
from hpac_cli.codec.efforts import effort_of
from hpac_cli.errors import HpacError, LimitExceededError, RoundTripError
from hpac_cli.kept import Kept

from . import existing
from .names import default_output, suffix_of
from .rebuilding import write_file
from .session import Options, Result, Session, check_tile
from .streams import IN_MEMORY, Counting, Hashing, Opened, model_of, open_source, write_output

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
        encoded: _Encoded | None = None

        def write(stream: BinaryIO) -> int:
            nonlocal encoded
            encoded = _encode(source, opened, stream, session, verify=options.verify)
            return encoded.size

        force = existing.may_replace(there, options)
        write_output(target, write, seekable=options.verify, force=force, like=model_of(source, options), judged=judged)
        assert encoded is not None, "what is written was encoded"
    return _result(start, opened, encoded, output=str(target or files.STANDARD), note=note)


@dataclass(frozen=True)
class Expected:
    """What must come back of an image: all that is kept of it while it is decoded again, for two images may not fit
    into memory."""

    kind: str
    envelope: bytes
    types: tuple[tuple[tuple[int, ...], str], ...]
    """Shape and type of the samples of each frame."""
    samples_hash: bytes
    """SHA-256, as of codec.hashes."""
    file_hash: bytes
    made_hash: bytes
    """As of Image."""

    @classmethod
    def of(cls, image: Image) -> Expected:
        """What must come back of this image, as images.read made it."""
        from hpac_cli.codec.hashes import hash_samples

        samples_hash = hash_samples(image.frames)
        return cls(image.kind, image.envelope, _types_of(image), samples_hash, image.file_hash, image.made_hash)

    def equals(self, image: Image) -> bool:
        """Whether samples and everything around them are the same, to the last bit."""
        from hpac_cli.codec.hashes import hash_samples

        found = image.kind, image.envelope, _types_of(image)
        same_around = found == (self.kind, self.envelope, self.types)
        return same_around and hash_samples(image.frames) == self.samples_hash


def _types_of(image: Image) -> tuple[tuple[tuple[int, ...], str], ...]:
    return tuple((frame.shape, frame.dtype.newbyteorder("<").str) for frame in image.frames)


class _Encoded(NamedTuple):
    """What was encoded, or would be."""

    size: int
    """Bytes of the container."""
    num_samples: int
    fidelity: str
    kept: Kept
    expected: Expected | None = None
    """If it is to be verified."""


def _encode(source: str, opened: Opened, stream: BinaryIO, session: Session, *, verify: bool) -> _Encoded:
    """Read and encode a file, and decode and compare it if it is to be verified: its samples are forgotten before."""
    encoded = _encode_source(source, opened, stream, session, verify=verify)
    if encoded.expected is not None:
        stream.seek(0)
        check_round_trip(encoded.expected, stream, session)
    return encoded


def _encode_source(source: str, opened: Opened, stream: BinaryIO, session: Session, *, verify: bool) -> _Encoded:
    image = read_image(opened, session.options)
    image = replace(image, suffix=suffix_of(source, image.kind))
    image, size = _encode_or_keep(image, opened, stream, session)
    return _Encoded(size, image.num_samples, image.fidelity, image.kept, Expected.of(image) if verify else None)


def _encode_or_keep(image: Image, opened: Opened, stream: BinaryIO, session: Session) -> tuple[Image, int]:
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


def read_image(opened: Opened, options: Options) -> Image:
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


def _result(start: float, opened: Opened, encoded: _Encoded, *, output: str = "", note: str = "") -> Result:
    """What was done to a file; `start` is when that began, by the monotonic clock."""
    return Result(
        output,
        opened.size,
        encoded.size,
        encoded.num_samples,
        time.monotonic() - start,
        encoded.fidelity,
        note=note,
        kept=encoded.kept.why,
        source_sha256=opened.digest.hex(),
    )


def check_round_trip(expected: Expected, stream: BinaryIO, session: Session) -> None:
    """Decode a container, rebuild its file, and compare.

    A file that is said to come back byte for byte must have the hash of its source, any other that of the file which
    was shown to hold the same when the source was read.

    Raises:
        RoundTripError: they differ.
    """
    try:
        reader = session.open(stream)
        if reader.header.is_whole:
            return _check_whole(expected, reader)
        decoded = session.decode(reader, "verify")
        made = write_file(decoded, Hashing()).digest  # type: ignore[arg-type]
    except HpacError as error:
        raise RoundTripError(
            f"the encoded file does not decode ({error}); nothing was written; please report this picture"
        ) from error
    right = made == (expected.file_hash if decoded.identical else expected.made_hash)
    if not right or not expected.equals(decoded) or not expected.file_hash.startswith(decoded.file_hash):
        raise RoundTripError(SOMETHING_ELSE)


SOMETHING_ELSE = "the encoded file decodes to something else; nothing was written; please report this picture"


def _check_whole(expected: Expected, reader: Reader) -> None:
    from hpac_cli.codec.kinds import KIND_NAMES
    from hpac_cli.codec.whole import decode_whole

    with open(os.devnull, "wb") as nowhere:
        digest = decode_whole(reader, nowhere).digest
    if digest != expected.file_hash or KIND_NAMES[reader.header.kind] != expected.kind:
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
        with files.writing("a temporary file"):
            encoded = _encode(source, opened, stream, session, verify=True)
    return _result(start, opened, encoded)


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
    encoded = _Encoded(size, image.num_samples, image.fidelity, image.kept)
    return replace(_result(start, opened, encoded), estimated_seconds=seconds)


def map_code_lengths(samples: NDArray[Any], session: Session) -> NDArray[Any]:
    """Say how many bits each pixel of a frame takes, (H, W) float32, all channels together.

    Args:
        samples: (H, W, C).
    """
    from hpac_cli.codec.heatmap import map_code_lengths as measure

    return measure(
        samples, networks=session.networks, effort=effort_of(session.options.effort), tile=session.options.tile
    )
