"""Training data: tiles in zip packs or folders, cut to one size, some held out."""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from hpac_cli.errors import InputError

from .augment import Samples
from .config import Config

HELD_OUT = 12
"""One picture in so many is kept from training, to choose by."""
TILE = 256
"""Largest side of a tile."""

IMAGE_SUFFIXES = (".png", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class Source:
    """Tiles of one kind."""

    tiles: list[Samples]
    shares: list[float]
    """Of each tile, how often it is drawn: pictures alike, and the tiles of each."""


def read_sources(config: Config, data: Path) -> tuple[list[Source], list[list[Samples]]]:
    """Read every pack of a config.

    Args:
        config: names the packs.
        data: folder of the packs.

    Returns:
        Sources of tiles with even sides of at most TILE, and the held-out pictures of each.

    Raises:
        InputError: a pack is missing, or has no picture that is large enough.
    """
    sources, held_out = [], []
    for entry in config.sources:
        rgb = entry.get("rgb", config.planes == 3)
        pictures = [p for pack in entry["packs"] for p in read_pictures(data / pack, rgb=rgb)]
        train, held = split([p for p in pictures if min(p.shape[:2]) >= config.crop])
        if not train:
            raise InputError(f"{data}: no picture in {', '.join(entry['packs'])} to train on")
        tiles = [cut(picture) for picture in train]
        shares = [entry["weight"] / len(train) / len(parts) for parts in tiles for _ in parts]
        sources.append(Source([tile for parts in tiles for tile in parts], shares))
        held_out.append(held)
    return sources, held_out


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
