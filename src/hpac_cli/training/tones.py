"""What editing in 8 bits leaves behind: values that are rare or unused, and dither that hides them."""

import numpy as np
from numpy.typing import NDArray

Tile = NDArray[np.uint8]

_LUMA = {"601": (0.299, 0.114), "709": (0.2126, 0.0722)}
"""Weights of red and blue in luma, by the ITU-R BT recommendation."""

_TO_XYZ = {
    "sRGB": [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
    "Adobe": [[0.5767309, 0.1855540, 0.1881852], [0.2973769, 0.6273491, 0.0752741], [0.0270343, 0.0706872, 0.9911085]],
    "P3": [[0.4865709, 0.2656677, 0.1982173], [0.2289746, 0.6917385, 0.0792869], [0.0, 0.0451134, 1.0439444]],
}
"""Linear R, G, B to X, Y, Z for white D65. Source: Lindbloom, "RGB/XYZ matrices"; SMPTE EG 432-1."""


def retouch(tile: Tile, rng: np.random.Generator) -> Tile:
    """Change contrast, brightness and gamma in 8 bits, of all channels alike or of each by itself (white balance).

    Args:
        tile: (H, W) or (H, W, 3).
        rng: draws the curves, and dither in a third of the cases.
    """
    channels = 3 if tile.ndim == 3 else 1
    gain, gamma = np.full(channels, rng.uniform(0.7, 1.6)), np.full(channels, np.exp(rng.uniform(-0.5, 0.5)))
    offset = np.full(channels, rng.uniform(-24, 24) * (rng.random() < 0.7))
    if channels == 3 and rng.random() < 0.5:
        gain *= np.exp(rng.uniform(-0.25, 0.25, 3))
        if rng.random() < 0.5:
            gain, gamma, offset = gain / gain.mean(), np.ones(3), np.zeros(3)
    curve = 255 * (np.arange(256)[:, None] / 255) ** gamma * gain + offset
    return to_bytes(look_up(curve, tile), rng if rng.random() < 1 / 3 else None)


def posterise(tile: Tile, rng: np.random.Generator) -> Tile:
    """Leave each channel of a tile (H, W) or (H, W, 3) 12 to 128 evenly spaced values, dithered in a quarter of the cases."""
    steps = round(float(np.exp(rng.uniform(np.log(12), np.log(128))))) - 1
    levels = to_bytes(tile * (steps / 255), rng if rng.random() < 0.25 else None)
    spread: Tile = np.round(np.arange(256) * (255 / steps)).clip(0, 255).astype(np.uint8)
    return spread[levels]


def convert(tile: Tile, rng: np.random.Generator) -> Tile:
    """Convert a tile (H, W, 3) to another colour space in 8 bits, and mostly back."""
    if rng.random() < 0.5:
        return through_luma(
            tile, str(rng.choice(["601", "709"])), str(rng.choice(["601", "709"])), full=rng.random() < 0.6
        )
    first, second = rng.choice(list(_TO_XYZ), 2, replace=False)
    other = between_primaries(tile, str(first), str(second))
    return between_primaries(other, str(second), str(first)) if rng.random() < 0.5 else other


def through_luma(tile: Tile, written: str, read: str, *, full: bool) -> Tile:
    """Turn RGB to luma and chroma of 8 bits by the matrix of BT.`written` and back by that of BT.`read`.

    Args:
        tile: (H, W, 3).
        written, read: 601 or 709; programs mix them up.
        full: whether they fill 0 to 255, rather than 16 to 235 and 240.
    """
    scale = np.array([1, 1, 1] if full else [219 / 255, 224 / 255, 224 / 255])
    zero = np.array([0, 128, 128] if full else [16, 128, 128])
    stored = np.round(tile @ (_luma_matrix(written).T * scale) + zero).clip(0, 255)
    back = (stored - zero) / scale @ np.linalg.inv(_luma_matrix(read)).T
    return to_bytes(back)


def _luma_matrix(name: str) -> NDArray[np.float64]:
    """R, G, B to luma, blue and red chroma, the latter from -127.5 to 127.5."""
    red, blue = _LUMA[name]
    luma = np.array([red, 1 - red - blue, blue])
    return np.stack([luma, ([0, 0, 1] - luma) / (2 * (1 - blue)), ([1, 0, 0] - luma) / (2 * (1 - red))])


def between_primaries(tile: Tile, first: str, second: str) -> Tile:
    """Convert RGB (H, W, 3) of the primaries `first` to those of `second`, as a colour-managed program does."""
    gamma = 2.2
    light = ((np.arange(256) / 255) ** gamma)[tile]
    other = light @ (np.linalg.inv(_TO_XYZ[second]) @ _TO_XYZ[first]).T
    return to_bytes(255 * other.clip(0, 1) ** (1 / gamma))


def look_up(curve: NDArray[np.float64], tile: Tile) -> NDArray[np.float32]:
    """Pass each channel of a tile through its column of (256, C)."""
    columns = np.ascontiguousarray(curve.T, np.float32)
    if tile.ndim == 2:
        return np.asarray(columns[0][tile])
    return np.stack([column[tile[..., c]] for c, column in enumerate(columns)], -1)


def to_bytes(samples: NDArray[np.floating], rng: np.random.Generator | None = None) -> Tile:
    """Round to 8 bits; dithered where there is a generator, up or down by chance, so that means stay."""
    half = np.float32(0.5) if rng is None else rng.random(samples.shape, np.float32)
    whole: Tile = np.floor(samples + half).clip(0, 255).astype(np.uint8)
    return whole
