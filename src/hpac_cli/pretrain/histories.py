"""Which pasts do pictures in the wild have? Made here from clean tiles.

A camera's or scanner's picture has often been stored with chroma at half resolution
(JPEG, PhotoCD, video) before it became the PNG that we are given. The network must meet
such pictures in training to learn that their chroma is nearly determined by its grid.
"""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Tile = NDArray[np.uint8]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of R, G, B in luma (ITU-R BT.601)."""


def halve_chroma(tile: Tile, rng: np.random.Generator) -> Tile:
    """Store chroma at half resolution and interpolate it back.

    Args:
        tile: (H, W, 3), H and W even.

    Returns:
        The same shape; luma as it was, up to rounding.
    """
    samples = tile.astype(np.float32)
    luma = samples @ LUMA
    siting = rng.choice(["box", "bilinear", "cosited"], p=[0.25, 0.35, 0.4])
    rows = 1 if rng.random() < 0.15 else 2  # 4:2:2 or 4:2:0
    rounded = rng.random() < 0.7
    blue, red = (luma + _resample(samples[..., channel] - luma, siting, rows, rounded) for channel in (2, 0))
    green = (luma - 0.299 * red - 0.114 * blue) / 0.587
    return np.clip(np.round(np.stack([red, green, blue], -1)), 0, 255).astype(np.uint8)


def _resample(chroma: NDArray[np.float32], siting: str, rows: int, rounded: bool) -> NDArray[np.float32]:
    height, width = chroma.shape
    if siting == "cosited":
        small = chroma[::rows, ::2]
    else:
        small = chroma.reshape(height // rows, rows, width // 2, 2).mean((1, 3))
    if rounded:
        small = np.round(small)
    if siting == "box":
        return small.repeat(rows, 0).repeat(2, 1)
    if siting == "bilinear":
        return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR))
    return _between(_between(small.T, 2).T, rows)


def _between(small: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Insert the mean of neighbouring rows between them; the last row is repeated."""
    if factor == 1:
        return small
    large = np.empty((small.shape[0] * 2, small.shape[1]), np.float32)
    large[::2] = small
    large[1:-1:2] = (small[:-1] + small[1:]) / 2
    large[-1] = small[-1]
    return large


def recompress(tile: Tile, rng: np.random.Generator) -> Tile:
    """Pass the tile (H, W, 3) through JPEG at a random high quality."""
    file = io.BytesIO()
    options: dict[str, Any] = {"quality": int(rng.integers(70, 99)), "subsampling": int(rng.choice([0, 2]))}
    Image.fromarray(tile).save(file, "jpeg", **options)
    return np.asarray(Image.open(file).convert("RGB"))


def stretch(tile: Tile, rng: np.random.Generator) -> Tile:
    """Change contrast and gamma in 8 bits, which leaves values unused."""
    gain, gamma = rng.uniform(0.7, 1.5), np.exp(rng.uniform(-0.4, 0.4))
    curve = np.clip(np.round(255 * (np.arange(256) / 255) ** gamma * gain + rng.uniform(-20, 20)), 0, 255)
    stretched: Tile = curve.astype(np.uint8)[tile]
    return stretched
