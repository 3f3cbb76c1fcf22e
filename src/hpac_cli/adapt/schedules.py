"""How much is spent on adapting to one image, chosen by measurement; see docs/experiments.md."""

from dataclasses import dataclass

from hpac_cli.model.shape import Shape


@dataclass(frozen=True)
class Schedule:
    """One way of --adapt."""

    updates: int
    """Of the parameters, unless the image is so small that PASSES ends it before."""
    max_rank: int
    """Of the low-rank change of each layer, however large the image is."""
    biases: bool = False
    """Whether they are trained too: few updates make more of gains alone, many of both."""
    rate: float = 57.6
    """Divided by the width of a network: the rate with which training on an image begins."""
    rank_bytes: tuple[int, ...] = (400_000, 800_000, 1_200_000, 4_000_000)
    """What an image takes from which on the ranks 1, 2, 3 and 4 pay for the bytes of their factors."""
    shares: tuple[float, ...] = (0.25, 0.5, 1.0)
    """Of the image's tiles that the stages train on."""
    ends: tuple[float, ...] = (0.05, 0.15, 1.0)
    """Shares of the updates after which the stages end: what is learned of the densest part needs few."""


CROP = 64
"""Side of the squares that are trained on, in pixels."""
BATCH = 2
"""Crops of an update: many small updates beat few large ones."""
PASSES = 100
"""An image is looked at about so often at most."""
_UPDATE_SECONDS = {"small": 0.03, "medium": 0.06, "large": 0.18}
"""Processor time of an update by size of network, about."""

SCHEDULES = {
    "brief": Schedule(updates=80, max_rank=0),
    "fast": Schedule(updates=200, max_rank=1),
    "full": Schedule(updates=960, max_rank=4),
    "longest": Schedule(
        updates=2400, max_rank=4, biases=True, rate=38.4, rank_bytes=(100_000, 200_000, 300_000, 1_000_000)
    ),
}


def count_updates(schedule: Schedule, pixels: int) -> int:
    """Updates that are made for an image of so many pixels."""
    return min(schedule.updates, -(-PASSES * pixels // (BATCH * CROP**2)))


def estimate_seconds(schedule: Schedule, pixels: int, *, size: str, workers: int) -> float:
    """Estimate how long training takes, for one set of weights.

    Args:
        size: of the network, one of model.index.SIZES.
        workers: processes; each trains on a crop at a time.
    """
    return count_updates(schedule, pixels) * _UPDATE_SECONDS[size] / min(workers, BATCH)


def choose_rank(schedule: Schedule, size: int) -> int:
    """Rank for what takes `size` bytes with the weights as shipped."""
    return min(schedule.max_rank, sum(size >= least for least in schedule.rank_bytes))


def learning_rate(schedule: Schedule, shape: Shape) -> float:
    """Learning rate at the start, in units of what is trained; it falls to nothing along half a cosine."""
    return schedule.rate / shape.width
