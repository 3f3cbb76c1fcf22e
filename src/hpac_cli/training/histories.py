"""Pasts that pictures in the wild have, made from clean tiles.

A camera's or scanner's picture has often been stored with chroma at half resolution
(JPEG, PhotoCD, video) before it became the PNG that we are given. The network must meet
such pictures in training to learn that their chroma is nearly determined by its grid.
"""

import io
import math
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


def add_noise(tile: Tile, rng: np.random.Generator) -> Tile:
    """Add what a sensor adds: noise whose variance grows with the light, of each colour or of all alike."""
    dark, bright = np.exp(rng.uniform(np.log(0.3), np.log(5), 2))
    planes = 1 if rng.random() < 0.25 else 3
    deviation = np.sqrt(dark**2 + (bright**2) * tile.astype(np.float32) / 255)
    noisy = tile + deviation * rng.standard_normal((*tile.shape[:2], planes), np.float32)
    whole: Tile = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
    return whole


def scan(tile: Tile, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Take the tile (H, W) for what a detector of 9 to 14 bits sees: blurred, and with noise that neighbours share.

    Noise is as blurred as the optics, the scintillator or the reconstruction of X-ray and CT pictures make
    it, in either direction, sharpened now and then, and grows with the signal.
    """
    largest = (1 << int(rng.integers(9, 15))) - 1
    seen = _filter(tile.astype(np.float32), *np.exp(rng.uniform(np.log(0.3), np.log(6), 2)))
    signal = (seen / 255 * rng.uniform(0.2, 0.8) + rng.uniform(0, 0.15)) * largest
    across, down = rng.uniform(0, 1.2, 2)
    noise = _filter(rng.standard_normal(tile.shape, np.float32), across, down, sharpened=rng.random() < 0.3)
    steps = np.exp(rng.uniform(np.log(1), np.log(0.04 * largest)))
    noise *= steps / noise.std()
    if rng.random() < 0.7:
        noise = noise * np.sqrt(np.maximum(signal, 0) / max(float(signal.mean()), 1))
    return np.clip(np.round(signal + noise), 0, largest).astype(np.uint16)


def _filter(
    samples: NDArray[np.float32], across: float, down: float, *, sharpened: bool = False
) -> NDArray[np.float32]:
    """Blur by a Gaussian of these deviations in pixels; sharpened, frequencies also count in proportion to themselves."""
    y, x = (np.fft.fftfreq(n) for n in samples.shape)
    response = np.exp(-2 * np.pi**2 * ((down * y[:, None]) ** 2 + (across * x) ** 2))
    if sharpened:
        response *= np.hypot(y[:, None], x)
    filtered: NDArray[np.float32] = np.fft.ifft2(np.fft.fft2(samples) * response).real.astype(np.float32)
    return filtered


def resize(tile: Tile, factor: float, rng: np.random.Generator) -> Tile:
    """Make a tile `factor` times smaller, by one of the filters that programs use.

    Args:
        tile: (H, W, 3), H and W even.
        factor: below 1 a part of the tile, drawn at random, is made larger instead.
        rng: draws part and filter.

    Returns:
        H and W even; never larger than the tile.
    """
    height, width = tile.shape[:2]
    if factor < 1:
        rows, columns = round(height * factor), round(width * factor)
        y, x = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
        tile, factor = tile[y : y + rows, x : x + columns], 1.0
    filters = Image.Resampling
    choice = rng.choice([filters.BOX, filters.BILINEAR, filters.HAMMING, filters.BICUBIC, filters.LANCZOS])
    side = (2 * math.floor(width / factor / 2), 2 * math.floor(height / factor / 2))
    return np.asarray(Image.fromarray(tile).resize(side, Image.Resampling(choice)))


def photo_cd(tile: Tile, rng: np.random.Generator) -> Tile:
    """Store the tile as PhotoCD does, chroma at half resolution, and interpolate in integers.

    Args:
        tile: (H, W, 3), H and W even.

    Returns:
        Luma and chroma as codec.colours has them: red - green is C2, green luma, blue - green C1.

    Source: Kodak, "PhotoYCC color encoding and compression schemes".
    """
    samples = tile.astype(np.float32)
    luma: NDArray[np.float32] = samples @ LUMA
    blue, red = (_between_whole((samples[..., c] - luma) / unit, rng) for c, unit in ((2, 2.2179), (0, 1.8215)))
    return _as_differences(np.round(luma / 1.3584).astype(np.int32), blue, red)


def _between_whole(chroma: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int32]:
    """Keep a quarter of the samples, rounded; those between are means of two or four, rounded up."""
    height, width = chroma.shape
    means = chroma.reshape(height // 2, 2, width // 2, 2).mean((1, 3))
    corner = np.pad(
        np.round(means if rng.random() < 0.5 else chroma[::2, ::2]).astype(np.int32), ((0, 1), (0, 1)), "edge"
    )
    right, below = corner[:-1, 1:], corner[1:, :-1]
    corner, across = corner[:-1, :-1], corner[1:, 1:]
    whole = np.empty((height, width), np.int32)
    whole[::2, ::2] = corner
    whole[::2, 1::2] = (corner + right + 1) >> 1
    whole[1::2, ::2] = (corner + below + 1) >> 1
    whole[1::2, 1::2] = (corner + right + below + across + 2) >> 2
    return whole


def from_jpeg(tile: Tile, rng: np.random.Generator) -> Tile:
    """Pass the tile through JPEG at a high quality; return what its decoder has before it makes RGB.

    Returns:
        As photo_cd: red - green is Cr, green Y, blue - green Cb.
    """
    file = io.BytesIO()
    quality, subsampling = int(rng.choice([75, 80, 85, 88, 90, 92, 94, 95, 96, 98, 100])), int(rng.choice([0, 1, 2, 2]))
    Image.fromarray(tile).save(file, "jpeg", quality=quality, subsampling=subsampling)
    image = Image.open(file)
    image.draft("YCbCr", image.size)
    luma, blue, red = np.moveaxis(np.asarray(image).astype(np.int32), -1, 0)
    return _as_differences(luma, blue - 128, red - 128)


def plain_ycc(tile: Tile, _rng: np.random.Generator) -> Tile:
    """Turn the tile into luma and chroma of full resolution, rounded; returned as photo_cd does."""
    luma, blue, red = np.moveaxis(np.asarray(Image.fromarray(tile).convert("YCbCr")).astype(np.int32), -1, 0)
    return _as_differences(luma, blue - 128, red - 128)


def _as_differences(luma: NDArray[np.int32], blue: NDArray[np.int32], red: NDArray[np.int32]) -> Tile:
    return np.clip(np.stack([luma + red, luma, luma + blue], -1), 0, 255).astype(np.uint8)
