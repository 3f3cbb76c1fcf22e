"""Tiles of one plane that refer to others: slices of a stack to earlier ones, bands to other bands.

References are what an encoder would give: a slice's neighbours as they are, a band's brought to its values by the
straight line that fits best.
"""

import numpy as np
from numpy.typing import NDArray

from .augment import Histories, Samples, age, depth_of, rescale

KINDS = SLICES, BANDS = "slices", "bands"
"""Kinds of sources whose tiles (H, W, C) refer: to slices before and after them, or to any other channel."""
REFERENCE_GAIN_BITS = 12
"""A gain counts in 2**-12."""

_NONE, _ONE = 0.05, 0.25
"""Shares of tiles with no reference, as the first of a file has, and with the first only."""
_WRONG = 0.03
"""Share of tiles with a first reference that shows something else."""
_JITTERED = 0.15
"""Share of references whose line is not the best."""


def refer(
    tile: Samples, kind: str, most: int, histories: Histories, smallest: int, rng: np.random.Generator
) -> Samples:
    """Draw one channel of a tile and what it refers to, all with one history.

    Args:
        tile: (H, W, C) uint8 or uint16, C at least 2.
        kind: SLICES or BANDS.
        most: references that the network can have, at least 1.
        histories, smallest, rng: as for augment.age.

    Returns:
        (H, W, 1 + n) of the tile's type: the plane to code, and 0 to `most` references in its domain of values.
    """
    if tile.dtype == np.uint16:
        tile = rescale(tile, rng)
    elif kind == BANDS and tile.shape[2] == 3:
        tile = age(tile, histories, smallest, rng)
    order = (_order_slices if kind == SLICES else _order_bands)(tile.shape[2], rng)
    draw = rng.random()
    number = 0 if draw < _NONE else 1 if draw < _NONE + _ONE else most
    plane, *others = (tile[..., channel] for channel in order[: 1 + number])
    jitters = [float(rng.normal(0, 0.1)) if rng.random() < _JITTERED else 0.0 for _ in others]
    references = [_as_reference(plane, other, kind, jitter) for other, jitter in zip(others, jitters, strict=True)]
    if references and rng.random() < _WRONG:
        references[0] = references[0][::-1, ::-1]
    return np.stack([plane, *references], -1).astype(tile.dtype)


def refer_plainly(tile: Samples, kind: str, most: int, channel: int) -> Samples:
    """What refer may draw, for tiles to measure with: a channel that refers to those before it, the nearest first."""
    plane, *others = (tile[..., at] for at in range(channel, max(channel - most, 0) - 1, -1))
    references = [_as_reference(plane, other, kind) for other in others]
    return np.stack([plane, *references], -1).astype(tile.dtype)


def _as_reference(plane: Samples, other: Samples, kind: str, jitter: float = 0.0) -> NDArray[np.int64]:
    """Bring another plane to a plane's domain of values: slices as they are, bands as they fit."""
    gain, offset = fit(plane, other, jitter) if kind == BANDS else (1 << REFERENCE_GAIN_BITS, 0)
    return bring(other, gain, offset, depth_of(plane))


def _order_slices(number: int, rng: np.random.Generator) -> list[int]:
    """A slice, then others as they are likely to be known and of use: stacks go either way."""
    at = int(rng.integers(number))
    way = 1 if at == 0 or (at < number - 1 and rng.random() < 0.5) else -1
    steps = rng.permutation([way, 2 * way, -way, 3 * way]) if rng.random() < 0.3 else (way, 2 * way, -way, 3 * way)
    others = [at + int(step) for step in steps if 0 <= at + int(step) < number]
    return [at, *others]


def _order_bands(number: int, rng: np.random.Generator) -> list[int]:
    """A band, then others, mostly the nearest first."""
    at = int(rng.integers(number))
    others = [band for band in range(number) if band != at]
    if rng.random() < 0.7:
        others.sort(key=lambda band: (abs(band - at), rng.random()))
    else:
        rng.shuffle(others)
    if len(others) > 2 and rng.random() < 0.5:
        others[1] = others[int(rng.integers(1, len(others)))]
    return [at, *others]


def fit(plane: Samples, other: Samples, jitter: float = 0.0) -> tuple[int, int]:
    """The line that brings another plane's values to a plane's.

    The gain is that of differences between neighbours, which backgrounds and clouds disturb less than values.

    Args:
        plane, other: (H, W).
        jitter: by how much too large the gain is to be, as a part of it.

    Returns:
        Gain in 1/4096, and offset, which makes the means alike.
    """
    wanted, given = (np.diff(part.astype(np.float64), axis=1) for part in (plane, other))
    gain = float((wanted * given).sum() / max((given * given).sum(), 1)) * (1 + jitter)
    whole = round(min(max(gain, -7.0), 7.0) * (1 << REFERENCE_GAIN_BITS))
    return whole, round(float(plane.mean() - other.mean() * whole / (1 << REFERENCE_GAIN_BITS)))


def bring(other: Samples, gain: int, offset: int, depth: int) -> NDArray[np.int64]:
    """Bring values by a gain in 1/4096 and an offset to a domain of so many bits, as docs/format.md has it."""
    moved = (
        gain * other.astype(np.int64) + (offset << REFERENCE_GAIN_BITS) + (1 << (REFERENCE_GAIN_BITS - 1))
    ) >> REFERENCE_GAIN_BITS
    return moved.clip(0, (1 << depth) - 1)
