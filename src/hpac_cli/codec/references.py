"""References of a part: other channels, known before its tiles are, made like it by a gain and an offset.

Source: docs/format.md, "Parts that refer to others".
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpac_cli.container.fields import REFERENCE_GAIN_BITS, Frame, Part, Reference
from hpac_cli.image import Samples

from .tiles import Box
from .values import Values, to_ordered

Told = tuple[NDArray[np.int32], ...]
"""(H, W) values of the first reference of a tile and of the second, in the range of the tile's own."""


def bring(values: NDArray[Any], reference: Reference, bit_depth: int) -> NDArray[np.int32]:
    """Make values of another channel like those of a part of so many bits."""
    moved = values.astype(np.int64) * reference.gain + (
        reference.offset * (1 << REFERENCE_GAIN_BITS) + (1 << (REFERENCE_GAIN_BITS - 1))
    )
    brought: NDArray[np.int32] = np.clip(moved >> REFERENCE_GAIN_BITS, 0, (1 << bit_depth) - 1).astype(np.int32)
    return brought


class Known:
    """The frames of a file as they are known to whoever codes them: all, or those that are decoded."""

    def __init__(self, frames: Iterable[Frame], samples: Sequence[Samples]) -> None:
        """Keep both.

        Args:
            frames: how they are coded, as far as that is planned.
            samples: (H, W, C) of each; may become known later.
        """
        self._frames, self._samples = dict(enumerate(frames)), samples
        self._values: dict[int, dict[int, Values]] = {}

    def plan(self, number: int, frame: Frame) -> None:
        """Take note of how a frame is coded, or of another way."""
        self._frames[number] = frame
        self._values.pop(number, None)

    def told(self, frame: int, part: Part, box: Box) -> Told:
        """What the network is told when it codes a part of a frame's tile."""
        return tuple(bring(self.values(frame - r.back, r.channel, box), r, part.bit_depth) for r in part.references)

    def values(self, frame: int, channel: int, box: Box) -> NDArray[Any]:
        """(H, W) coded values of a channel."""
        samples = self._samples[frame][box.y : box.y + box.height, box.x : box.x + box.width, channel]
        return self._mapping(frame, self._frames[frame].part_of[channel]).to_coded(to_ordered(samples))

    def _mapping(self, frame: int, part: int) -> Values:
        of_frame = self._values.setdefault(frame, {})
        if part not in of_frame:
            of_frame[part] = Values(self._frames[frame].parts[part])
        return of_frame[part]
