"""Full-size camera pictures: sensor noise that depends on the light, a Bayer mosaic filled in, sharpening.

Tiles for training were mostly reduced from camera pictures, which hides all of that, so they serve as the scene.
"""

import numpy as np
from numpy.typing import NDArray

from .tones import to_bytes

Tile = NDArray[np.uint8]
Plane = NDArray[np.float32]

_DISPLAY_GAMMA = 2.2


def photograph(tile: Tile, rng: np.random.Generator) -> Tile:
    """Take a picture of the tile (H, W, 3) with a camera of random noise, balance, demosaicing and sharpening."""
    light = (tile.astype(np.float32) / 255) ** np.float32(_DISPLAY_GAMMA)
    gains = np.array([rng.uniform(1.3, 2.4), 1.0, rng.uniform(1.2, 2.2)], np.float32)
    phase = int(rng.integers(2)), int(rng.integers(2))
    raw = mosaic((light / gains).astype(np.float32), phase)
    raw = expose(
        raw, np.exp(rng.uniform(np.log(3e-5), np.log(3e-3))), np.exp(rng.uniform(np.log(1e-4), np.log(4e-3))), rng
    )
    steps = (1 << int(rng.choice([10, 12, 14]))) - 1
    raw = np.round(raw * steps) / np.float32(steps)
    seen = (demosaic_bilinear if rng.random() < 0.3 else demosaic_by_gradients)(raw, phase) * gains
    if rng.random() < 0.4:
        seen = smooth_colour(seen)
    picture = 255 * np.clip(seen, 0, 1) ** np.float32(1 / _DISPLAY_GAMMA)
    if rng.random() < 0.7:
        picture = sharpen(picture, rng.uniform(0.5, 1.5), rng.uniform(0.2, 1.2))
    return to_bytes(picture)


def mosaic(light: Plane, phase: tuple[int, int]) -> Plane:
    """Keep one colour a pixel: (H, W, 3) to (H, W); red where y and x are of the parities `phase`, blue where of neither."""
    raw: Plane = light[..., 1].copy()
    (y, x) = phase
    raw[y::2, x::2] = light[y::2, x::2, 0]
    raw[1 - y :: 2, 1 - x :: 2] = light[1 - y :: 2, 1 - x :: 2, 2]
    return raw


def expose(raw: Plane, shot: float, read: float, rng: np.random.Generator) -> Plane:
    """Add a sensor's noise to light (H, W) of 0 to 1.

    Args:
        shot: variance by light: one over the electrons of a full pixel.
        read: standard deviation in the dark.
        rng: draws it.
    """
    deviation = np.sqrt(np.float32(shot) * np.maximum(raw, 0) + np.float32(read) ** 2)
    noisy: Plane = raw + deviation * rng.standard_normal(raw.shape, np.float32)
    return noisy


def demosaic_bilinear(raw: Plane, phase: tuple[int, int]) -> Plane:
    """Fill in each colour by the mean of its nearest samples: (H, W) to (H, W, 3)."""
    red, blue = _mask(raw, phase), _mask(raw, (1 - phase[0], 1 - phase[1]))
    green = ~(red | blue)
    sides = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
    around = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
    planes = [_convolve(raw * mask, kernel) for mask, kernel in ((red, around), (green, sides), (blue, around))]
    return np.stack(planes, -1)


_GREEN = np.array([[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]]) / 8
_ALONG = np.array([[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]]) / 8
_ACROSS = (
    np.array([[0, 0, -1.5, 0, 0], [0, 2, 0, 2, 0], [-1.5, 0, 6, 0, -1.5], [0, 2, 0, 2, 0], [0, 0, -1.5, 0, 0]]) / 8
)


def demosaic_by_gradients(raw: Plane, phase: tuple[int, int]) -> Plane:
    """Fill in each colour, corrected by the gradients of the colour that is there: (H, W) to (H, W, 3).

    Source: Malvar, He, Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color images", 2004.
    """
    y, x = phase
    red, blue = _mask(raw, phase), _mask(raw, (1 - y, 1 - x))
    beside_red, beside_blue = _mask(raw, (y, 1 - x)), _mask(raw, (1 - y, x))
    along, down, across = _convolve(raw, _ALONG), _convolve(raw, _ALONG.T), _convolve(raw, _ACROSS)
    return np.stack(
        [
            np.select([red, beside_red, beside_blue], [raw, along, down], across),
            np.where(red | blue, _convolve(raw, _GREEN), raw),
            np.select([blue, beside_red, beside_blue], [raw, down, along], across),
        ],
        -1,
    )


def smooth_colour(seen: Plane) -> Plane:
    """Blur red and blue against green, as cameras do against coloured noise: (H, W, 3) to the same."""
    kernel = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    green = seen[..., 1]
    return np.stack(
        [green + _convolve(seen[..., 0] - green, kernel), green, green + _convolve(seen[..., 2] - green, kernel)], -1
    )


def sharpen(picture: Plane, radius: float, amount: float) -> Plane:
    """Unsharp mask of a picture (H, W, 3): what a Gaussian of deviation `radius` takes away is added `amount` times."""
    reach = np.arange(-3, 4)
    weights = np.exp(-(reach**2) / (2 * radius**2))
    weights /= weights.sum()
    blurred = _convolve(_convolve(picture, weights[None]), weights[:, None])
    sharp: Plane = picture + np.float32(amount) * (picture - blurred)
    return sharp


def _mask(raw: Plane, phase: tuple[int, int]) -> NDArray[np.bool_]:
    mask = np.zeros(raw.shape, bool)
    mask[phase[0] :: 2, phase[1] :: 2] = True
    return mask


def _convolve(samples: Plane, kernel: NDArray[np.float64]) -> Plane:
    """Weigh the neighbours of each sample (H, W, ...), mirrored at the border, where a mosaic's colours stay in their places."""
    rows, columns = kernel.shape[0] // 2, kernel.shape[1] // 2
    height, width = samples.shape[:2]
    padded = np.pad(samples, [(rows, rows), (columns, columns)] + [(0, 0)] * (samples.ndim - 2), "reflect")
    total = np.zeros(samples.shape, np.float32)
    for y, x in np.argwhere(kernel):
        total += np.float32(kernel[y, x]) * padded[y : y + height, x : x + width]
    return total
