"""Sizes and speed of every codec on every image, on the same samples, each checked for exactness."""

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from hpac_cli import api, images
from hpac_cli.errors import FileAccessError, HpacError
from hpac_cli.image import Samples

from .codecs import Codec
from .memory import Watcher

_MAX_RUNS = 5
_RUNS_SECONDS = 0.5
"""Encoding is run again while that takes no longer in all, and so is decoding."""

Found = TypeVar("Found")


class Row(NamedTuple):
    """One codec on one image."""

    folder: str
    file: str
    codec: str
    pixels: int
    samples: int
    raw_bytes: int
    file_bytes: int
    """Of the file that the image came from; its frames share them evenly."""
    bytes: int
    encode_seconds: float
    """Of this image alone, the median of several runs, as decode_seconds."""
    decode_seconds: float
    peak_bytes: int | None
    """Beyond what was in use before; None where the system does not tell."""
    exact: bool
    batch_encode_seconds: float | None = None
    """This image's share of the time that its folder took as a batch; None if that was not measured."""
    batch_decode_seconds: float | None = None

    @property
    def bpsp(self) -> float:
        """Bits per sub-pixel."""
        return 8 * self.bytes / self.samples


class Picture(NamedTuple):
    """One image to be measured."""

    folder: str
    name: str
    file_bytes: int
    samples: Samples


class Measured(NamedTuple):
    """What one codec made of one image."""

    picture: Picture
    row: Row
    data: bytes


def find_pictures(paths: Sequence[Path], options: api.Options, left_out: list[HpacError]) -> Iterator[Picture]:
    """Read every frame of every image file; those of folders in name order, folder after folder.

    Args:
        left_out: gets the errors of files that cannot be read; they are named on standard error.
    """
    for path in paths:
        for file in _files_below(path) if path.is_dir() else [path]:
            try:
                data = _read(file)
                frames = images.read(data, options.limits, transcode=True).frames
            except HpacError as error:
                print(f"hpac: {file}: {error}; left out", file=sys.stderr)
                left_out.append(error)
                continue
            for number, frame in enumerate(frames):
                name = f"{file}" if len(frames) == 1 else f"{file} frame {number}"
                yield Picture(str(file.parent), name, len(data) // len(frames), to_unsigned(frame))


def _files_below(folder: Path) -> list[Path]:
    return sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: (p.parent, p.name))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise FileAccessError(error.strerror or str(error)) from error


def to_unsigned(samples: Samples) -> Samples:
    """Shift signed integers to begin at 0, so that peers without signed samples can take them."""
    if samples.dtype.kind != "i":
        return samples
    unsigned = np.dtype(f"u{samples.dtype.itemsize}")
    shifted: Samples = samples.astype(unsigned) - unsigned.type(int(samples.min()) % (1 << 8 * samples.dtype.itemsize))
    return shifted


def warm_up(codecs: Iterable[Codec]) -> None:
    """Code a small picture with every codec, so that no figure holds the time it takes to load them."""
    steps = np.random.default_rng(0).integers(-2, 3, (32, 32, 3))
    samples = (128 + steps.cumsum(0) + steps.cumsum(1)).clip(0, 255).astype(np.uint8)
    for codec in codecs:
        if codec.takes(samples):
            codec.decode(codec.encode(samples))


def measure(picture: Picture, codec_name: str, codec: Codec, watcher: Watcher) -> Measured:
    """Round-trip one image through one codec, and again for the time it takes. The first round is watched and checked."""
    samples = picture.samples
    with watcher.watch() as peak:
        data, encode_seconds = _time(lambda: codec.encode(samples))
        decoded, decode_seconds = _time(lambda: codec.decode(data))
    exact = _is_equal(decoded, samples)
    del decoded
    row = Row(
        picture.folder,
        picture.name,
        codec_name,
        samples.shape[0] * samples.shape[1],
        samples.size,
        samples.nbytes,
        picture.file_bytes,
        len(data),
        _median(lambda: codec.encode(samples), encode_seconds),
        _median(lambda: codec.decode(data), decode_seconds),
        peak.bytes,
        exact,
    )
    return Measured(picture, row, data)


def _is_equal(decoded: Samples, samples: Samples) -> bool:
    if decoded.ndim == 3 and samples.shape[2] == 1:
        decoded = decoded[..., :1]  # WebP gives grey back as RGB
    return np.array_equal(decoded.reshape(samples.shape) if decoded.size == samples.size else decoded, samples)


def _time(work: Callable[[], Found]) -> tuple[Found, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def _median(work: Callable[[], object], first: float) -> float:
    """Seconds that something takes: the median of a first run and of those that fit into the time left."""
    seconds = [first]
    while len(seconds) < _MAX_RUNS and sum(seconds) + seconds[-1] <= _RUNS_SECONDS:
        seconds.append(_time(work)[1])
    return statistics.median(seconds)
