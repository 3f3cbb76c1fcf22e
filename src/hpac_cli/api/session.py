"""What is a call of hpac given, and what does it keep from file to file?"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from hpac_cli.codec.efforts import DEFAULT, Effort, effort_of, list_efforts
from hpac_cli.errors import UsageError
from hpac_cli.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from hpac_cli.codec.encode import Adapt
    from hpac_cli.codec.networks import Networks
    from hpac_cli.container.parse import Reader
    from hpac_cli.image import Image

Progress = Callable[[str, int, int], None]
"""Called with what is being done ("encode", "adapt: stage 1 of 3"), samples or updates done, and those in all."""


def _no_progress(_step: str, _done: int, _total: int) -> None:
    pass


@dataclass(frozen=True)
class Options:
    """How to encode and decode; the same for every file of a call."""

    effort: int = DEFAULT
    """Level of codec.efforts, 1 to 9: higher makes files smaller, and takes longer."""
    tile: int = 0
    """Tile side in pixels: even, 8 to 1024; 0 for about 256. Parts of images with smaller ones decode faster."""
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
        self.networks.load(effort_of(self.options.effort).size)

    def encode(self, image: Image, stream: BinaryIO) -> None:
        """Write an image to a stream as .hpac.

        Raises:
            LimitExceededError: larger than this session would read.
        """
        from hpac_cli.codec.encode import check_size, encode_image

        check_size(image, self.options.limits)
        effort, seconds = self._choose_effort(image)
        with self.count("encode", image.num_samples) as advance:
            encode_image(
                image,
                stream,
                networks=self.networks,
                effort=effort,
                tile=self.options.tile,
                threads=max(1, self.options.threads),
                progress=advance,
                adapt=self._adapt(image, effort.adapt, seconds) if effort.adapt != "off" else None,
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
            image.frames,
            networks=self.networks,
            seconds=options.time_budget,
            passes=2 if options.verify else 1,
            threads=max(1, options.threads),
        )

    def _adapt(self, image: Image, schedule: str, seconds: float) -> Adapt:
        from hpac_cli.adapt import require_torch
        from hpac_cli.adapt.schedules import SCHEDULES

        require_torch("adapting weights to an image (--effort 6 to 9, --adapt)")
        from hpac_cli.adapt.sarp_ft import adapt

        options = self.options
        if schedule not in SCHEDULES:
            raise UsageError(f"there is no way {schedule!r} to adapt; there are off, {', '.join(SCHEDULES)}")
        return functools.partial(
            adapt,
            image.frames,
            networks=self.networks,
            schedule=SCHEDULES[schedule],
            seconds=seconds,
            workers=max(1, options.threads),
            report=self.progress,
        )

    def open(self, stream: BinaryIO) -> Reader:
        """Read an .hpac stream's header and metadata."""
        from hpac_cli.container.parse import Reader

        return Reader(stream, self.options.limits)

    def decode(self, reader: Reader, step: str = "decode") -> Image:
        """Decode the image of an opened .hpac stream."""
        from hpac_cli.codec.decode import decode_image

        with self.count(step, reader.header.num_samples) as advance:
            return decode_image(reader, networks=self.networks, threads=max(1, self.options.threads), progress=advance)

    @contextmanager
    def count(self, step: str, total: int) -> Iterator[Callable[[int], None]]:
        """Report progress of a step to whoever shows it."""
        done = 0

        def advance(samples: int) -> None:
            nonlocal done
            done += samples
            self.progress(step, done, total)

        self.progress(step, 0, total)
        yield advance


def check_tile(tile: int) -> None:
    """Make sure that tiles can have this side.

    Raises:
        UsageError: they cannot.
    """
    if tile and (not 8 <= tile <= 1024 or tile % 2):
        raise UsageError(f"tile size {tile} is not an even number from 8 to 1024")
