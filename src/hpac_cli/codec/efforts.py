"""The one table of effort levels: how much is done to make a file small. docs/experiments.md has why they are so."""

from dataclasses import dataclass, replace

from hpac_cli.errors import UsageError


@dataclass(frozen=True)
class Effort:
    """One level."""

    size: str
    """Of the networks that code, one of model.index.SIZES: it alone decides how long decoding takes."""
    crops: int
    """By which each orientation of tiles is tried in frames of a quarter to one megapixel; 0: tiles stay upright."""
    tried_by: str
    """Size of the networks that try them: small ones choose as well as large ones, but not as medium ones."""
    cells_one_in: int
    """One pixel in so many is asked how wide values are, by the same networks."""
    repeats: str
    """Size of the networks that tell whether frames repeat themselves far away; "": that is not looked for."""
    adapt: str
    """Schedule by which weights are adapted to each image, of adapt.schedules, or "off"."""
    encode_cost: float
    """Microseconds of one core for each pixel of RGB, as measured (docs/benchmarks.md); training counts a megapixel."""
    decode_cost: float


EFFORTS = (
    Effort("small", 0, "small", 16, "", "off", 0.52, 0.41),
    Effort("small", 16, "small", 8, "", "off", 0.70, 0.41),
    Effort("medium", 4, "medium", 8, "small", "off", 1.35, 0.94),
    Effort("medium", 16, "medium", 4, "small", "off", 2.2, 0.94),
    Effort("large", 16, "small", 2, "small", "off", 3.9, 3.1),
    Effort("large", 16, "small", 1, "small", "brief", 40.0, 3.1),
    Effort("large", 16, "small", 1, "small", "fast", 80.0, 3.1),
    Effort("large", 16, "small", 1, "small", "full", 350.0, 3.1),
    Effort("large", 16, "small", 1, "small", "longest", 850.0, 3.1),
)
"""Levels 1 to 9."""
DEFAULT = 5
KEYFRAME = 16
"""Frames, itself included, that one may need to be decoded, whatever the level."""


def effort_of(level: int) -> Effort:
    """Look up a level.

    Raises:
        UsageError: there is none.
    """
    if not 1 <= level <= len(EFFORTS):
        raise UsageError(f"effort {level}; there are 1 to {len(EFFORTS)}")
    return EFFORTS[level - 1]


def list_efforts(level: int, adapt: str) -> list[Effort]:
    """List a level and what may stand for it where time is short, the best first.

    Args:
        level: 1 to 9.
        adapt: schedule that was asked for instead of each level's, or "".

    Raises:
        UsageError: there is no such level.
    """
    effort_of(level)
    wanted = [replace(effort, adapt=adapt or effort.adapt) for effort in reversed(EFFORTS[:level])]
    return [way for effort in wanted for way in dict.fromkeys((effort, replace(effort, adapt="off")))]
