"""The sizes of one network, and their one form in JSON."""

import json
from dataclasses import asdict, astuple, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpac_cli.errors import ModelError

GRAIN = 16
"""Numbers of channels are multiples of this, so that no kernel needs a remainder loop."""

_RANGES = {
    "planes": (1, 3, 2),
    "width": (GRAIN, 512, GRAIN),
    "blocks": (1, 16, 1),
    "expand": (1, 4, 1),
    "rows": (1, 3, 1),
    "head": (GRAIN, 512, GRAIN),
    "components": (1, 8, 1),
    "context": (0, 512, GRAIN),
    "context_places": (0, 6, 1),
    "references": (0, 2, 1),
}
"""Smallest and largest number (both allowed), and the step between those that are allowed."""


@dataclass(frozen=True)
class Shape:
    """Sizes of one network; always valid.

    Raises:
        ModelError: a size is out of range, there are context_places without a context, or references beside three planes.
    """

    planes: int
    """1 or 3."""
    width: int = 64
    """Channels of the residual stream."""
    blocks: int = 3
    expand: int = 2
    """Hidden channels of the feed-forward part, in multiples of the width."""
    rows: int = 2
    """Rows above a pixel that the depth-wise convolution reaches."""
    head: int = 64
    """Hidden channels of each plane's head."""
    components: int = 5
    """Logistics in a mixture."""
    context: int = 0
    """Features whose means over the tile so far the network is told; 0 for a network without."""
    context_places: int = 0
    """Binary places by which these means are finer than other activations."""
    references: int = 0
    """Other planes whose samples around the same place the network is told; only with one plane."""

    def __post_init__(self) -> None:
        for name, (least, most, step) in _RANGES.items():
            size = getattr(self, name)
            if type(size) is not int or size not in range(least, most + 1, step):
                raise ModelError(f"a network's {name} is {size!r}; allowed are {least} to {most} in steps of {step}")
        if self.context_places and not self.context:
            raise ModelError("a network without a context has no context_places")
        if self.references and self.planes > 1:
            raise ModelError("a network of three planes has no references")

    def to_json(self) -> str:
        """All sizes as JSON, in ASCII, keys in alphabetical order: the one form that digests count."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, sizes: Any) -> "Shape":
        """Make a shape of a JSON object that was parsed.

        Raises:
            ModelError: it does not hold exactly the sizes of a shape, each in its range.
        """
        if not isinstance(sizes, dict) or set(sizes) != {field.name for field in fields(cls)}:
            raise ModelError(f"a network's shape needs exactly the sizes {', '.join(_RANGES)}")
        return cls(**sizes)

    def packed(self) -> NDArray[np.int32]:
        """(10,) int32, the sizes in the order of the fields."""
        return np.array(astuple(self), np.int32)
