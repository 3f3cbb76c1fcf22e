"""Training data: tiles in zip packs or folders, cut to one size, some held out."""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from hpac_cli.errors import InputError

from .augment import Samples
from .config import Config
from .refer import BANDS

HELD_OUT = 12
"""One picture in so many is kept from training, to choose by."""
TILE = 256
"""Largest side of a tile."""

_MOST_SLOTS = 16
"""Most planes of a stack that the pool holds at once, each drawn by chance."""

IMAGE_SUFFIXES = (".png", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class Source:
    """Tiles of one kind."""

    tiles: list[Samples]
    shares: list[float]
    """Of each tile, how often it is drawn: pictures alike, and the tiles of each."""
    held_out: list[Samples] = field(default_factory=list)
    """Pictures to measure with."""
    references: str = ""
    """How the channels of each tile refer to each other, one of refer's kinds; none where they do not."""


def read_sources(config: Config, data: Path) -> list[Source]:
    """Read every pack of a config.

    Args:
        config: names the packs.
        data: folder of the packs.

    Returns:
        Sources of tiles with even sides of at most TILE, and of at least the config's crop.

    Raises:
        InputError: a pack is missing, or has no picture that is large enough.
    """
    sources = []
    for entry in config.sources:
        rgb, references = entry.get("rgb", config.planes == 3), entry.get("references", "")
        are_stacks = bool(references) and not rgb
        if are_stacks:
            pictures = [p for pack in entry["packs"] for p in read_channels(data / pack, references)]
        else:
            pictures = [p for pack in entry["packs"] for p in read_pictures(data / pack, rgb=rgb)]
        least = config.crop // 2 if are_stacks else config.crop
        train, held = split([p for p in pictures if min(p.shape[:2]) >= least])
        if not train:
            raise InputError(f"{data}: no picture in {', '.join(entry['packs'])} to train on")
        tiles = [[fill(tile, config.crop) for tile in cut(picture)] for picture in train]
        if are_stacks:  # so that there are many planes at once though pictures are few
            tiles = [parts * min(parts[0].shape[2], _MOST_SLOTS) for parts in tiles]
        shares = [entry["weight"] / len(train) / len(parts) for parts in tiles for _ in parts]
        sources.append(Source([tile for parts in tiles for tile in parts], shares, held, references))
    return sources


def read_channels(path: Path, kind: str) -> list[Samples]:
    """Read the TIFFs of a zip pack or folder whose pages are slices of one stack, or whose channels are bands.

    Integers that floats hold are taken for such; files that hold others, or more than 16 bits, are left out.

    Returns:
        (H, W, C) uint8 or uint16 each, less its lowest sample, or that of each band, from which the codec counts.

    Raises:
        InputError: there is nothing at the path.
    """
    stacks = []
    for data in _read_files(path):
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            series = file.series[0]
            samples, axes = series.asarray(), series.axes
        if samples.ndim != 3:
            continue
        (channel,) = (axis for axis in range(3) if axes[axis] not in "YX")
        type_ = np.uint8 if samples.dtype == np.uint8 else np.uint16
        samples = np.moveaxis(samples, channel, -1).astype(np.float64)
        samples -= samples.min((0, 1) if kind == BANDS else None)
        if samples.max() < 1 << 16 and (samples == np.floor(samples)).all():
            stacks.append(samples.astype(type_))
    return stacks


def read_pictures(path: Path, *, rgb: bool) -> list[Samples]:
    """Read the images of a zip pack or folder whose colour type is the one asked for.

    Raises:
        InputError: there is nothing at the path.
    """
    pictures = []
    for data in _read_files(path):
        image = Image.open(io.BytesIO(data))
        if (image.mode in ("RGB", "RGBX")) == rgb:
            samples = np.asarray(image)
            pictures.append(samples if samples.dtype == np.uint8 else samples.astype(np.uint16))
    return pictures


def _read_files(path: Path) -> list[bytes]:
    if not path.exists():
        raise InputError(f"no training data at {path}")
    if path.is_dir():
        return [p.read_bytes() for p in sorted(path.rglob("*")) if p.suffix.lower() in IMAGE_SUFFIXES]
    with zipfile.ZipFile(path) as pack:
        return [pack.read(n) for n in sorted(pack.namelist()) if n.lower().endswith(IMAGE_SUFFIXES)]


def split(pictures: Sequence[Samples]) -> tuple[list[Samples], list[Samples]]:
    """Divide pictures into (training, held out), the same way every time."""
    return [p for i, p in enumerate(pictures) if i % HELD_OUT], list(pictures[::HELD_OUT])


def cut(picture: Samples, side: int = TILE) -> list[Samples]:
    """Cut a picture into as few tiles of at most `side` as cover it; they overlap where that does not divide it.

    Sides are even: an odd picture loses its last row or column.
    """

    def begins(length: int) -> list[int]:
        number = -(-length // side)
        return [round(i * (length - side) / (number - 1)) for i in range(number)] if number > 1 else [0]

    height, width = (n // 2 * 2 for n in picture.shape[:2])
    tiles = [
        picture[y : min(y + side, height), x : min(x + side, width)] for y in begins(height) for x in begins(width)
    ]
    return [np.ascontiguousarray(tile) for tile in tiles]


def fill(tile: Samples, side: int) -> Samples:
    """Continue a tile that is smaller than `side` by its mirror image."""
    height, width = (max(side - n, 0) for n in tile.shape[:2])
    return np.pad(tile, ((0, height), (0, width), *[(0, 0)] * (tile.ndim - 2)), "symmetric")
