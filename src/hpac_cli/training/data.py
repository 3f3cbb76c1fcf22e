"""Where do training crops come from? Tiles in zip packs, cut, turned, and given a history."""

import io
import itertools
import math
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from hpac_cli.errors import InputError

from .histories import LUMA, add_noise, from_jpeg, halve_chroma, photo_cd, plain_ycc, recompress, resize, scan, stretch

Samples = NDArray[Any]
"""(H, W) or (H, W, 3), uint8 or uint16."""

HELD_OUT = 12
"""One tile in so many is kept from training, to choose by."""

IMAGE_SUFFIXES = (".png", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class Histories:
    """How often a crop is given each history."""

    chroma: float = 0.35
    jpeg: float = 0.05
    stretch: float = 0.05
    noise: float = 0.0
    resized: float = 0.0
    """Before any of the others."""
    photo_cd: float = 0.0
    from_jpeg: float = 0.0
    plain_ycc: float = 0.0
    scanned: float = 0.0
    """Of batches of one plane and 8 bits, after any of the others."""


@dataclass(frozen=True)
class Source:
    """Tiles of one kind: (H, W) or (H, W, 3), unsigned 8 or 16 bit."""

    tiles: list[Samples]
    weight: float


def read_tiles(path: Path, *, rgb: bool) -> list[Samples]:
    """Read the images of a zip pack or folder whose colour type is the one asked for."""
    tiles = []
    for data in _read_files(path):
        image = Image.open(io.BytesIO(data))
        if (image.mode in ("RGB", "RGBX")) == rgb:
            samples = np.asarray(image)
            tiles.append(samples if samples.dtype == np.uint8 else samples.astype(np.uint16))
    return tiles


def _read_files(path: Path) -> list[bytes]:
    if not path.exists():
        raise InputError(f"no training data at {path}")
    if path.is_dir():
        return [p.read_bytes() for p in sorted(path.rglob("*")) if p.suffix.lower() in IMAGE_SUFFIXES]
    with zipfile.ZipFile(path) as pack:
        return [pack.read(n) for n in sorted(pack.namelist()) if n.lower().endswith(IMAGE_SUFFIXES)]


def split(tiles: Sequence[Samples]) -> tuple[list[Samples], list[Samples]]:
    """Divide tiles into (training, held out), the same way every time."""
    return [t for i, t in enumerate(tiles) if i % HELD_OUT], list(tiles[::HELD_OUT])


def age(tile: NDArray[np.uint8], histories: Histories, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Give a tile (H, W, 3), H and W even, one of the histories, or none."""
    ways = {
        "chroma": halve_chroma,
        "jpeg": recompress,
        "stretch": stretch,
        "noise": add_noise,
        "photo_cd": photo_cd,
        "from_jpeg": from_jpeg,
        "plain_ycc": plain_ycc,
    }
    draw = rng.random()
    for name, way in ways.items():
        draw -= getattr(histories, name)
        if draw < 0:
            return way(tile, rng)
    return tile


class CropSampler(Dataset[tuple[Tensor, int]]):
    """Batches of random crops, numbered: each is the same whenever and wherever it is drawn."""

    def __init__(
        self, sources: Sequence[Source], planes: int, size: int, batch: int, histories: Histories, seed: int
    ) -> None:
        self.sources = sources
        self.planes, self.size, self.batch, self.histories, self.seed = planes, size, batch, histories, seed
        weights = np.array([s.weight for s in sources])
        self.share = weights / weights.sum()

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        """Draw batch `number`, all of one source.

        Returns:
            (C, batch, size, size) int32 samples in RGB order or grey, and their bit depth.
        """
        rng = np.random.default_rng((self.seed, number))
        source = self.sources[rng.choice(len(self.sources), p=self.share)]
        crops = [self._crop(source.tiles, rng) for _ in range(self.batch)]
        if crops[0].dtype == np.uint8 and self.planes == 1 and rng.random() < self.histories.scanned:
            crops = [scan(crop, rng) for crop in crops]
        stacked = np.stack([np.atleast_3d(c).astype(np.int32) for c in crops])
        return torch.from_numpy(np.ascontiguousarray(stacked.transpose(3, 0, 1, 2))), depth_of(*crops)

    def from_number(self, number: int, workers: int) -> Iterator[tuple[Tensor, int]]:
        """Yield the batches from this number on, without end.

        Args:
            workers: processes that draw ahead; 0 to draw each here when its turn comes.
        """
        pinned = torch.cuda.is_available()
        batches = DataLoader(self, batch_size=None, sampler=_CountFrom(number), num_workers=workers, pin_memory=pinned)
        return iter(batches)

    def _crop(self, tiles: list[Samples], rng: np.random.Generator) -> Samples:
        size = self.size
        tile = tiles[rng.integers(len(tiles))]
        height, width = tile.shape[:2]
        if tile.ndim == 3:
            even = size + 2
            side = self._side(even, min(height, width), rng)
            y, x = (2 * int(rng.integers(0, (n - side) // 2 + 1)) for n in (height, width))
            tile = tile[y : y + side, x : x + side]
            tile = age(tile if side == even else resize(tile, even, rng), self.histories, rng)
            y, x = rng.integers(0, 3, 2)
        else:
            y, x = (int(rng.integers(0, n - size + 1)) for n in (height, width))
        crop = tile[y : y + size, x : x + size]
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        if rng.random() < 0.5:
            crop = crop[::-1]
        if rng.random() < 0.5:
            crop = crop.swapaxes(0, 1)
        return _to_grey(crop, rng) if self.planes == 1 else crop

    def _side(self, even: int, most: int, rng: np.random.Generator) -> int:
        """Side of the square that is to become one of side `even`: another where it will be resized."""
        if rng.random() >= self.histories.resized:
            return even
        return round(even * math.exp(rng.uniform(math.log(0.6), math.log(most / even))))


class _CountFrom(Sampler[int]):
    """The whole numbers from one on."""

    def __init__(self, first: int) -> None:
        self._first = first

    def __iter__(self) -> Iterator[int]:
        return itertools.count(self._first)


def depth_of(*tiles: Samples) -> int:
    """Bit depth that tiles of one type are coded with: 8, or what the largest sample of deep ones needs."""
    return 8 if tiles[0].dtype == np.uint8 else max(9, int(max(tile.max() for tile in tiles)).bit_length())


def _to_grey(crop: Samples, rng: np.random.Generator) -> Samples:
    if crop.ndim == 2:
        return _rescale(crop, rng) if crop.dtype == np.uint16 else crop
    choice = int(rng.integers(5))
    grey: Samples = crop[..., choice] if choice < 3 else np.round(crop @ LUMA).astype(np.uint8)
    return grey


def _rescale(crop: NDArray[np.uint16], rng: np.random.Generator) -> NDArray[np.uint16]:
    """Give a deep crop another depth, gain or background, as other devices would."""
    draw = rng.random()
    if draw < 0.2:
        return np.right_shift(crop, int(rng.integers(1, 4)))
    if draw < 0.35:
        return (crop * rng.uniform(0.2, 1.0)).astype(np.uint16)
    if draw < 0.5:  # what lies below a threshold becomes plain background
        floor = np.quantile(crop, rng.uniform(0, 0.8)).astype(np.uint16)
        return np.maximum(crop, floor) - floor
    return crop
