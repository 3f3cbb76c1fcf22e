"""Sizes and speed of every codec on every image, on the same samples, each checked for exactness."""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hpac_cli import api, images
from hpac_cli.errors import HpacError
from hpac_cli.image import Samples

from .codecs import Codec
from .memory import Watcher


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
    decode_seconds: float
    peak_bytes: int | None
    """Beyond what was in use before; None where the system does not tell."""
    exact: bool

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


def find_pictures(paths: Sequence[Path], options: api.Options) -> Iterator[Picture]:
    """Read every frame of every image file; those of folders in name order. Others are named and left out."""
    for path in paths:
        for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
            try:
                data = file.read_bytes()
                frames = images.read(data, options.limits).frames
            except (OSError, HpacError) as error:
                print(f"hpac: {file}: {error}; left out", file=sys.stderr)
                continue
            for number, frame in enumerate(frames):
                name = f"{file}" if len(frames) == 1 else f"{file} frame {number}"
                yield Picture(str(file.parent), name, len(data) // len(frames), to_unsigned(frame))


def to_unsigned(samples: Samples) -> Samples:
    """Shift signed integers to begin at 0, so that peers without signed samples can take them."""
    if samples.dtype.kind != "i":
        return samples
    unsigned = np.dtype(f"u{samples.dtype.itemsize}")
    shifted: Samples = samples.astype(unsigned) - unsigned.type(int(samples.min()) % (1 << 8 * samples.dtype.itemsize))
    return shifted


def measure(picture: Picture, codec_name: str, codec: Codec, watcher: Watcher) -> Row:
    """Round-trip one image through one codec."""
    samples = picture.samples
    with watcher.watch() as peak:
        start = time.perf_counter()
        data = codec.encode(samples)
        middle = time.perf_counter()
        decoded = codec.decode(data)
        end = time.perf_counter()
    if decoded.ndim == 3 and samples.shape[2] == 1:
        decoded = decoded[..., :1]  # WebP gives grey back as RGB
    exact = np.array_equal(decoded.reshape(samples.shape) if decoded.size == samples.size else decoded, samples)
    pixels = samples.shape[0] * samples.shape[1]
    return Row(
        picture.folder,
        picture.name,
        codec_name,
        pixels,
        samples.size,
        samples.nbytes,
        picture.file_bytes,
        len(data),
        middle - start,
        end - middle,
        peak.bytes,
        exact,
    )
