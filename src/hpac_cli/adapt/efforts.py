"""How much is spent on adapting to one image? Chosen by measurement, see docs/model.md."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Effort:
    """One level of --adapt."""

    updates: int
    """Of the parameters, unless the image is so small that PASSES ends it before."""
    ranks: Mapping[str, int] = field(default_factory=dict)
    """Of the low-rank change by kind of layer."""
    shares: tuple[float, ...] = (0.25, 0.5, 1.0)
    """Of the image's tiles that the stages train on."""
    ends: tuple[float, ...] = (0.05, 0.15, 1.0)
    """Shares of the updates after which the stages end: what is learned of the densest part needs few."""


CROP = 64
"""Side of the squares that are trained on, in pixels."""
BATCH = 2
"""Crops of an update: many small updates beat few large ones."""
PASSES = 40
"""An image is looked at about so often at most."""
LEARNING_RATE = 1.8
"""At the start, in units of the adapter's integers; it falls to nothing along half a cosine."""

EFFORTS = {
    "fast": Effort(updates=320),
    "full": Effort(updates=1280),
}
