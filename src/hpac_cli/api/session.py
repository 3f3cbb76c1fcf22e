"""What is a call of hpac given, and what does it keep from file to file?"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from hpac_cli.errors import LimitExceededError, UsageError
from hpac_cli.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from hpac_cli.codec.duration import Rates
    from hpac_cli.codec.encode import Adapt
    from hpac_cli.codec.networks import Networks
    from hpac_cli.container.fields import Frame
    from hpac_cli.container.parse import Reader
    from hpac_cli.image import Image

Progress = Callable[[str, int, int], None]
"""Called with what is being done ("encode", "adapt: stage 1 of 3"), samples or updates done, and those in all."""

_ADAPTING_SECONDS = {"fast": 45e-6, "full": 145e-6}
"""Processor time that adapting weights takes for a sample, about."""

NETWORKS = ("rgb", "ycc", "grey")
"""Names of the networks that encoding may use."""


def _no_progress(_step: str, _done: int, _total: int) -> None:
    pass


@dataclass(frozen=True)
class Options:
    """How to encode and decode; the same for every file of a call."""

    tile: int = 0
    """Tile side in pixels: even, 8 to 1024; 0 for 128, or 256 from 2 megapixels on. Larger ones make files
    smaller by little, and parts of them decode slower."""
    verify: bool = True
    """Decode what was encoded and compare before the output gets its name."""
    force: bool = False
    """Overwrite outputs that exist."""
    skip_existing: bool = False
    """Leave out sources whose output is there, whole, and made of this very source."""
    remove_source: bool = False
    """The source is removed afterwards (by batch.work): outputs must be regular files, and where an .hpac file of
    another source has the name of an output, it stays, even with force."""
    require_identical: bool = False
    """Refuse to encode a file that would not come back byte for byte."""
    preserve: bool = True
    """Give outputs the permissions and the time of last change of their sources."""
    threads: int = 0
    """Threads to spread tiles over; 0 is one. Changes no byte of any output."""
    adapt: str = "off"
    """Adapt the weights to each image (SARP-FT): "off", "fast" or "full"."""
    time_budget: float = 0.0
    """Seconds after which adapting an image ends; 0 for as long as it takes."""
    backend: str = ""
    """Instruction set of the core, as "avx2" or "plain"; "" for the fastest that is exact here."""
    keep_all: bool = False
    """Keep whole what is no picture, or none that can be read, rather than fail."""
    max_seconds: float = 0.0
    """Refuse what would take longer to encode or decode, by an estimate that is made before it begins; 0: nothing."""
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
        """Load and prepare the shipped networks now, so that processes forked later share them.

        Raises:
            ModelError: there are none.
            UsageError: there is no such backend.
        """
        for name in NETWORKS:
            self.networks.digest(name)

    def encode(self, image: Image, stream: BinaryIO) -> None:
        """Write an image to a stream as .hpac.

        Raises:
            LimitExceededError: larger than this session would read.
        """
        from hpac_cli.codec.encode import check_size, encode_image

        check_size(image, self.options.limits)
        if self.options.max_seconds:
            seconds = self._rates.encoding(image, verify=self.options.verify) / max(1, self.options.threads)
            self._refuse_long(seconds + self._adapting_seconds(image))
        with self.count("encode", work_of(image)) as advance:
            encode_image(
                image,
                stream,
                networks=self.networks,
                tile=self.options.tile,
                threads=max(1, self.options.threads),
                progress=advance,
                adapt=self._adapt(image) if self.options.adapt != "off" else None,
            )

    def _adapt(self, image: Image) -> Adapt:
        from hpac_cli.adapt import require_torch
        from hpac_cli.adapt.efforts import EFFORTS

        require_torch("adapting weights to an image")
        from hpac_cli.adapt.sarp_ft import adapt

        options = self.options
        if options.adapt not in EFFORTS:
            raise UsageError(f"no effort {options.adapt!r}; there are off, {', '.join(EFFORTS)}")
        return functools.partial(
            adapt,
            image.frames,
            networks=self.networks,
            effort=EFFORTS[options.adapt],
            seconds=options.time_budget,
            workers=max(1, options.threads),
            report=self.progress,
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

    def _adapting_seconds(self, image: Image) -> float:
        seconds = image.num_samples * _ADAPTING_SECONDS.get(self.options.adapt, 0) / max(1, self.options.threads)
        return min(seconds, self.options.time_budget or seconds)

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
        with self.count(step, reader.header.num_samples or 1) as advance:
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


def work_of(image: Image) -> int:
    """Samples of an image, or, where it is kept whole, bytes of the file: what progress is counted in."""
    return image.num_samples if image.whole is None else image.whole.seek(0, os.SEEK_END)


def check_tile(tile: int) -> None:
    """Make sure that tiles can have this side.

    Raises:
        UsageError: they cannot.
    """
    if tile and (not 8 <= tile <= 1024 or tile % 2):
        raise UsageError(f"tile size {tile} is not an even number from 8 to 1024")
