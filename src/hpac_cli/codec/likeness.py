"""The likeness of channels: what few of their samples have beyond their neighbours, and how often that is the same.

For each channel a vector of *surprises*: samples less the mean of the one to the left and the one above. Where two
channels' surprises go together, a network that is told of one codes the other in fewer bits.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_LOOK_AT = 1 << 15
"""Samples of a channel that are looked at."""
_LOOK_AT_ALL = 1 << 24
"""Samples of all channels together that are looked at to order them."""
_MOST = 2048
"""Channels that are ordered; more stay as they are."""


@dataclass(frozen=True, eq=False)
class Look:
    """What was seen of a channel's coded values."""

    surprises: NDArray[np.float32]
    mean: float

    @cached_property
    def energy(self) -> float:
        """Of the surprises; asked for once for every frame that could refer to the channel's."""
        return _dot(self, self)


class Fit(NamedTuple):
    """The line through two channels' surprises."""

    gain: float
    share: float
    """Of the one's energy that the other tells, 0 to 1."""
    ratio: float
    """Of the one's surprises to the other's: what the gain would be if neither had noise."""


def look_at(values: NDArray[Any]) -> Look:
    """Look at (H, W) coded values."""
    height, width = values.shape
    count = max(1, min(height - 1, _LOOK_AT // width))
    rows = np.unique(np.linspace(min(1, height - 1), height - 1, count).astype(np.intp))
    here, above = values[rows].astype(np.float32), values[rows - 1 if height > 1 else rows].astype(np.float32)
    left = np.roll(here, 1, axis=1)
    surprises: NDArray[np.float32] = here - (left + above) * np.float32(0.5)
    surprises[:, 0] = 0
    return Look(surprises.ravel(), float(here.mean()))


def fit(ours: Look, other: Look) -> Fit:
    """Fit another channel's surprises to ours, by least squares."""
    energy, theirs = ours.energy, other.energy
    if not energy or not theirs:
        return Fit(0.0, 0.0, 0.0)
    product = _dot(ours, other)
    return Fit(product / theirs, product * product / (energy * theirs), math.sqrt(energy / theirs))


def told_by_two(ours: Look, first: Look, second: Look) -> float:
    """The share of our surprises' energy that two other channels tell together."""
    energy = ours.energy
    gram = np.array([[_dot(a, b) for b in (first, second)] for a in (first, second)])
    products = np.array([_dot(ours, first), _dot(ours, second)])
    if not energy or np.linalg.cond(gram) > 1e8:
        return 0.0
    return float(products @ np.linalg.solve(gram, products) / energy)


def order_by_likeness(looks: Sequence[Look]) -> list[int]:
    """Order channels so that each comes after the one that tells most of it: a tree from the one that is most like all."""
    if len(looks) > _MOST:
        return list(range(len(looks)))
    step = -(-len(looks) * looks[0].surprises.size // _LOOK_AT_ALL)
    matrix = np.stack([look.surprises[::step] for look in looks])
    matrix /= np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9)
    alike = np.square(matrix @ matrix.T)
    order = [int(alike.sum(axis=1).argmax())]
    best = alike[order[0]].copy()
    while len(order) < len(looks):
        best[order] = -1
        order.append(int(best.argmax()))
        best = np.maximum(best, alike[order[-1]])
    return order


def _dot(a: Look, b: Look) -> float:
    return float(a.surprises @ b.surprises)
