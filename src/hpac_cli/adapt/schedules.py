"""How much is spent on adapting to one image? Chosen by measurement, see docs/model.md."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """One way of --adapt."""

    updates: int
    """Of the parameters, unless the image is so small that PASSES ends it before."""
    max_rank: int
    """Of the low-rank change of each layer, however large the image is."""
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
LEARNING_RATE = 0.6
"""At the start, in units of what is trained; it falls to nothing along half a cosine."""

_RANK_BYTES = (100_000, 200_000, 300_000, 1_000_000)
"""What an image takes from which on the ranks 1, 2, 3 and 4 pay for the bytes of their factors."""

SCHEDULES = {
    "fast": Schedule(updates=200, max_rank=2),
    "full": Schedule(updates=960, max_rank=4),
    "longest": Schedule(updates=2400, max_rank=4),
}


def choose_rank(schedule: Schedule, size: int) -> int:
    """Rank for what takes `size` bytes with the weights as shipped."""
    return min(schedule.max_rank, sum(size >= least for least in _RANK_BYTES))
