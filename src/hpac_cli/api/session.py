"""What a call of hpac is given, and what it keeps from file to file."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from hpac_cli.codec.efforts import DEFAULT, KEYFRAME, Effort, effort_of, list_efforts
from hpac_cli.container.fields import MAX_TILE, MIN_TILE, is_tile
from hpac_cli.errors import LimitExceededError, UsageError
from hpac_cli.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from hpac_cli.adapt.schedules import Schedule
    from hpac_cli.codec.duration import Rates
    from hpac_cli.codec.encode import Adapt
    from hpac_cli.codec.networks import Networks
    from hpac_cli.container.fields import Frame
    from hpac_cli.container.parse import Reader
    from hpac_cli.image import Image, RawSamples, Samples


class Step(NamedTuple):
    """How far something is."""

    name: str
    """What is being done: "encode", "verify", "adapt: stage 1 of 3"."""
    done: int
    """Samples, bytes of a file that is kept whole, or updates of weights."""
    total: int
    pixels: int = 0
    """Of all frames that are coded, where pixels are."""
    tiles: int = 0
    """Tiles, or pieces of a file, that are done."""


Progress = Callable[[Step], None]


def _no_progress(_step: Step) -> None:
    pass


@dataclass(frozen=True)
class Options:
    """How to encode and decode; the same for every file of a call."""

    effort: int = DEFAULT
    """Level of codec.efforts, 1 to 9: higher makes files smaller, and takes longer."""
    tile: int = 0
    """Tile side in pixels: even, 8 to 1024; 0 for about 256. Parts of images with smaller ones decode faster."""
    keyframe: int = KEYFRAME
    """Frames, itself included, that a frame may need to be decoded: each may be told of earlier ones. 1: none of others."""
    verify: bool = True
    """Decode what was encoded and compare before the output gets its name."""
    force: bool = False
    """Overwrite outputs that exist."""
    skip_existing: bool = False
    """Leave out sources whose output is there, whole, and made of this very source."""
    remove_source: bool = False
    """The source is removed afterwards (by batch.work): outputs must be regular files, and where an .hpac file of
    another source has the name of an output, it stays, even with force."""
    transcode: bool = False
    """Code samples too whose compression cannot be made again: a fresh file of equal samples and metadata comes back."""
    preserve: bool = True
    """Give outputs the permissions and the time of last change of their sources."""
    threads: int = 0
    """Threads to spread tiles over; 0 is one. Changes no byte of any output."""
    adapt: str = ""
    """Schedule by which weights are adapted to each image (SARP-FT), of adapt.schedules, or "off"; "" as the effort
    says."""
    time_budget: float = 0.0
    """Seconds that encoding an image may take, about: effort is lowered to fit; 0 for as long as it takes."""
    backend: str = ""
    """Instruction set of the core, as "avx2" or "plain"; "" for the fastest that is exact here."""
    keep_all: bool = False
    """Keep whole what is no picture, or none that can be read, rather than fail."""
    max_seconds: float = 0.0
    """Refuse what would take longer to encode or decode, by an estimate that is made before it begins; 0: nothing."""
    raw: RawSamples | None = None
    """How samples lie in files that are nothing else; None for files that say what they are."""
    limits: Limits = DEFAULT_LIMITS


@dataclass(frozen=True)
class Result:
    """What was done to one file."""

    output: str
    input_bytes: int
    output_bytes: int
    samples: int
    seconds: float
    fidelity: str
    """What decoding gives or gave: "bytes", "samples+metadata", or "samples" after conversion."""
    skipped: bool = False
    """Whether the output was there already."""
    note: str = ""
    """What the user should know of it."""
    kept: str = ""
    """Why samples of the source stay in it as they are, in one phrase; empty if none do."""
    source_sha256: str = ""
    """Of the file that was or would be encoded, in hexadecimal; empty where it is not known in full."""
    estimated_seconds: float | None = None
    """About how long encoding and verifying would take, where that is all that was asked for."""


NOTHING = Result("", 0, 0, 0, 0.0, "")
"""Of work that is not about one file."""


@dataclass
class Session:
    """Options and the networks they load, kept over many files."""

    options: Options = field(default_factory=Options)
    progress: Progress = _no_progress
    _networks: Networks | None = None

    @property
    def networks(self) -> Networks:
        """The prepared networks; the core is loaded when they are first needed."""
        if self._networks is None:
            from hpac_cli.codec.networks import Networks

            self._networks = Networks(backend=self.options.backend)
        return self._networks

    def load(self) -> None:
        """Load and prepare the networks that encode now, so that processes forked later share them.

        Raises:
            ModelError: there are none.
            UsageError: there is no such backend.
        """
        effort = effort_of(self.options.effort)
        for size in dict.fromkeys((effort.size, effort.tried_by)):
            self.networks.load(size)

    def encode(self, image: Image, stream: BinaryIO) -> None:
        """Write an image to a stream as .hpac.

        Raises:
            LimitExceededError: larger than this session would read.
        """
        from hpac_cli.codec.encode import check_size, encode_image

        check_size(image, self.options.limits)
        effort, seconds = self._choose_effort(image)
        if self.options.max_seconds:
            self._refuse_long(self._estimate_seconds(image, effort, seconds))
        with self.count("encode", work_of(image), pixels_of(image.frames)) as advance:
            encode_image(
                image,
                stream,
                networks=self.networks,
                effort=effort,
                tile=self.options.tile,
                keyframe=self.options.keyframe,
                threads=max(1, self.options.threads),
                progress=advance,
                adapt=self._adapt(image, effort.adapt, seconds) if image.frames and effort.adapt != "off" else None,
            )

    @property
    def adapts(self) -> bool:
        """Whether encoding may train, which needs torch."""
        return list_efforts(self.options.effort, self.options.adapt)[0].adapt != "off"

    def _choose_effort(self, image: Image) -> tuple[Effort, float]:
        """The effort that was asked for or that fits the time, and the seconds that adapting may take; 0: any."""
        options = self.options
        efforts = list_efforts(options.effort, options.adapt)
        if not options.time_budget or not image.frames:
            return efforts[0], 0.0
        from hpac_cli.codec.budget import fit_effort

        return fit_effort(
            efforts,
            image,
            rates=self._rates,
            seconds=options.time_budget,
            verify=options.verify,
            threads=max(1, options.threads),
        )

    def _adapt(self, image: Image, name: str, seconds: float) -> Adapt:
        from hpac_cli.adapt import require_torch

        schedule = _schedule(name)
        require_torch("adapting weights to an image (--effort 6 to 9, --adapt)")
        from hpac_cli.adapt.sarp_ft import adapt

        return functools.partial(
            adapt,
            image.frames,
            networks=self.networks,
            schedule=schedule,
            seconds=seconds,
            workers=max(1, self.options.threads),
            report=lambda name, done, total: self.progress(Step(name, done, total)),
        )

    def check_duration(self, frames: Iterable[Frame]) -> None:
        """Refuse frames that would take too long to decode.

        Raises:
            LimitExceededError: about longer than options allow.
        """
        if self.options.max_seconds:
            self._refuse_long(self._rates.decoding(frames) / max(1, self.options.threads))

    @functools.cached_property
    def _rates(self) -> Rates:
        from hpac_cli.codec.duration import Rates

        return Rates(self.networks)

    def estimate_seconds(self, image: Image) -> float:
        """Estimate how long encoding and verifying an image will take."""
        return self._estimate_seconds(image, *self._choose_effort(image))

    def _estimate_seconds(self, image: Image, effort: Effort, training: float) -> float:
        """With an effort, and `training` seconds at most, unless 0."""
        threads = max(1, self.options.threads)
        seconds = self._rates.encoding(image, effort, verify=self.options.verify) / threads
        if image.frames and effort.adapt != "off":
            from hpac_cli.adapt.schedules import estimate_seconds

            needed = estimate_seconds(
                _schedule(effort.adapt), pixels_of(image.frames), size=effort.size, workers=threads
            )
            seconds += min(needed, training or needed)
        return seconds

    def _refuse_long(self, seconds: float) -> None:
        if seconds > self.options.max_seconds:
            raise LimitExceededError(
                f"it would take about {seconds:,.1f} s on this machine; --max-seconds allows {self.options.max_seconds:g}"
            )

    def open(self, stream: BinaryIO) -> Reader:
        """Read an .hpac stream's header and metadata."""
        from hpac_cli.container.parse import Reader

        return Reader(stream, self.options.limits)

    def decode(self, reader: Reader, step: str = "decode") -> Image:
        """Decode the image of an opened .hpac stream."""
        from hpac_cli.codec.decode import decode_image

        self.check_duration(reader.header.frames)
        header = reader.header
        pixels = sum(frame.width * frame.height for frame in header.frames)
        with self.count(step, header.num_samples or 1, pixels) as advance:
            return decode_image(reader, networks=self.networks, threads=max(1, self.options.threads), progress=advance)

    @contextmanager
    def count(self, name: str, total: int, pixels: int = 0) -> Iterator[Callable[[int], None]]:
        """Report progress of a step to whoever shows it; the callback gets the samples of one more tile."""
        done = tiles = 0

        def advance(samples: int) -> None:
            nonlocal done, tiles
            done, tiles = done + samples, tiles + 1
            self.progress(Step(name, done, total, pixels, tiles))

        self.progress(Step(name, 0, total, pixels))
        yield advance


def _schedule(name: str) -> Schedule:
    """Look up a way to adapt.

    Raises:
        UsageError: there is none of that name.
    """
    from hpac_cli.adapt.schedules import SCHEDULES

    if name not in SCHEDULES:
        raise UsageError(f"there is no way {name!r} to adapt; there are off, {', '.join(SCHEDULES)}")
    return SCHEDULES[name]


def pixels_of(frames: Iterable[Samples]) -> int:
    """Pixels of all frames."""
    return sum(frame.shape[0] * frame.shape[1] for frame in frames)


def work_of(image: Image) -> int:
    """Samples of an image, or, where it is kept whole, bytes of the file: what progress is counted in."""
    return sum(p.num_samples if p.whole is None else p.whole.seek(0, os.SEEK_END) for p in image.pictures)


def check_tile(tile: int) -> None:
    """Make sure that tiles can have this side.

    Raises:
        UsageError: they cannot.
    """
    if tile and not is_tile(tile):
        raise UsageError(f"tile size {tile} is not an even number from {MIN_TILE} to {MAX_TILE}")
