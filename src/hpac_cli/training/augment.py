"""Augmentation: tiles as the pictures that people have, each with a random history."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .camera import photograph
from .histories import LUMA, add_noise, from_jpeg, halve_chroma, photo_cd, plain_ycc, recompress, resize, scan
from .tones import convert, posterise, retouch

Samples = NDArray[Any]
"""(H, W) or (H, W, C), uint8 or uint16."""

Way = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]

_TAKEN: dict[str, Way] = {"camera": photograph, "noise": add_noise}
_EDITED: dict[str, Way] = {"retouched": retouch, "posterised": posterise, "converted": convert}
_STORED: dict[str, Way] = {
    "chroma": halve_chroma,
    "jpeg": recompress,
    "photo_cd": photo_cd,
    "from_jpeg": from_jpeg,
    "plain_ycc": plain_ycc,
}
_GREY_WAYS = ("retouched", "posterised")
"""Those that a tile of one channel can have."""


@dataclass(frozen=True)
class Histories:
    """How often a tile of 8 bits is given each history. Of each group it gets at most one; groups follow each other."""

    resized: float = 0.0

    camera: float = 0.0
    noise: float = 0.0

    retouched: float = 0.0
    posterised: float = 0.0
    converted: float = 0.0

    chroma: float = 0.0
    jpeg: float = 0.0
    photo_cd: float = 0.0
    from_jpeg: float = 0.0
    plain_ycc: float = 0.0

    scanned: float = 0.0
    """Of single planes, after all others."""

    def __post_init__(self) -> None:
        for group in (_TAKEN, _EDITED, _STORED):
            if sum(getattr(self, name) for name in group) > 1 + 1e-9:
                raise ValueError(f"the shares of {', '.join(group)} exceed 1 together")

    @property
    def luma_and_chroma(self) -> "Histories":
        """What is left of them where only luma and chroma are to be made, as for tiles to measure with."""
        return Histories(photo_cd=self.photo_cd, from_jpeg=self.from_jpeg, plain_ycc=self.plain_ycc)


def age(tile: NDArray[np.uint8], histories: Histories, smallest: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Give a tile a history.

    Args:
        tile: (H, W, 3), or (H, W), which is edited only; H and W even.
        histories: how often which.
        smallest: even side that a resized tile must keep.
        rng: draws it.

    Returns:
        The same number of channels; never larger.
    """
    if tile.ndim == 3 and histories.resized and rng.random() < histories.resized:
        most = min(tile.shape[:2]) / smallest
        tile = resize(tile, math.exp(rng.uniform(math.log(0.6), math.log(most))), rng)
    for group in (_TAKEN, _EDITED, _STORED):
        ways = [(way, getattr(histories, name)) for name, way in group.items() if tile.ndim == 3 or name in _GREY_WAYS]
        if any(share for _, share in ways):
            tile = _draw(ways, rng)(tile, rng)
    return tile


def _draw(ways: list[tuple[Way, float]], rng: np.random.Generator) -> Way:
    draw = rng.random()
    for way, share in ways:
        draw -= share
        if draw < 0:
            return way
    return lambda tile, _rng: tile


def augment(tile: Samples, planes: int, histories: Histories, smallest: int, rng: np.random.Generator) -> Samples:
    """Make what a network of so many planes trains on of a tile: with a history, or as it is; arguments as for age."""
    if tile.dtype == np.uint8:
        tile = age(tile, histories, smallest, rng)
    if planes == 3:
        return tile
    grey = _to_grey(tile, rng)
    return scan(grey, rng) if grey.dtype == np.uint8 and rng.random() < histories.scanned else grey


def depth_of(tile: Samples) -> int:
    """Bit depth that a tile is coded with: 8, or what its largest sample needs."""
    return 8 if tile.dtype == np.uint8 else max(9, int(tile.max()).bit_length())


def _to_grey(tile: Samples, rng: np.random.Generator) -> Samples:
    if tile.ndim == 2:
        return rescale(tile, rng) if tile.dtype == np.uint16 else tile
    choice = int(rng.integers(5))
    grey: Samples = tile[..., choice] if choice < 3 else np.round(tile @ LUMA).astype(np.uint8)
    return grey


def rescale(tile: NDArray[np.uint16], rng: np.random.Generator) -> NDArray[np.uint16]:
    """Give a deep tile another depth, gain or background, as other devices would; all channels alike."""
    draw = rng.random()
    if draw < 0.2:
        return np.right_shift(tile, int(rng.integers(1, 4)))
    if draw < 0.35:
        return (tile * rng.uniform(0.2, 1.0)).astype(np.uint16)
    if draw < 0.5:  # what lies below a threshold becomes plain background
        floor = np.quantile(tile, rng.uniform(0, 0.8)).astype(np.uint16)
        return np.maximum(tile, floor) - floor
    return tile
