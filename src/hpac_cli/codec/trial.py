"""About how many bytes will a way of coding take? Told by coding a few crops of the frame."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpac_cli.container.fields import Part

from .network_tiles import encode_values
from .networks import Networks
from .payloads import estimate_quickly, pack_smallest
from .tiles import tile_boxes
from .values import Ordered, Values

FEW, MANY = 16, 64
"""Crops that a trial cuts, and those of a trial that is to tell near sizes apart."""

_CROP = 64
_FLOOR = 0.02
"""Bits that even a sample equal to its neighbour may take."""


class Trials:
    """Estimates for one frame.

    Where little is to be coded few crops are cut: blocks are drawn in proportion to a rough code
    length, at even steps of its running sum (systematic importance sampling), the same for every
    part and mapping.
    """

    def __init__(self, ordered: Ordered, networks: Networks) -> None:
        self.ordered, self.networks = ordered, networks

    def network_bytes(self, part: Part, first: int, crops: int = FEW) -> float:
        """Estimate bytes of a part whose first channel is `first`, its table included."""
        if part.bit_depth == 0:
            return 0
        height, width = self.ordered.shape[:2]
        if not part.weights_digest:
            return float(height * width * part.channels * self.ordered.dtype.itemsize)
        network, values = self.networks.by_digest(part.weights_digest), Values(part)
        estimate = 0.0
        for crop, share in self._crops(crops):
            coded = values.to_coded(crop[..., first : first + part.channels])
            estimate += len(encode_values(network, coded, part)[1]) / share
        return estimate + len(part.table)

    def packed_bytes(self, part: Part, tile: int, *, thoroughly: bool = False) -> float:
        """Count bytes of all channels packed as one part without a network, quickly or as they will be."""
        values, height, width = Values(part), *self.ordered.shape[:2]
        size = len(part.table)
        for y, x, down, right in tile_boxes(height, width, tile):
            coded = values.to_coded(self.ordered[y : y + down, x : x + right])
            if thoroughly:
                size += len(pack_smallest(coded, part.bit_depth)[1])
            else:
                size += len(estimate_quickly(coded, part.bit_depth))
        return size

    def _crops(self, count: int) -> Iterator[tuple[NDArray[Any], float]]:
        """Cut crops that stand for the whole frame, each with the share that it stands for."""
        height, width = self.ordered.shape[:2]
        if height * width <= count * _CROP * _CROP:
            yield self.ordered, 1.0
            return
        running = np.cumsum(self._rough_lengths)
        for block in np.searchsorted(running, (np.arange(count) + 0.5) / count * running[-1]):
            y, x = np.array(np.unravel_index(block, self._rough_lengths.shape)) * _CROP
            share = float(count * self._rough_lengths.flat[block] / running[-1])
            yield self.ordered[y : y + _CROP, x : x + _CROP], share

    @cached_property
    def _rough_lengths(self) -> NDArray[np.float64]:
        """Rough code lengths of all blocks: the bits of differences from the left neighbour, and a little."""
        height, width, channels = self.ordered.shape
        broad = -(-width // _CROP)
        rows = []
        for y in range(0, height, _CROP):
            band = self.ordered[y : y + _CROP].astype(np.int64)
            steps = np.abs(np.diff(band, axis=1, prepend=band[:, :1])).astype(np.float32)
            columns = np.log2(1 + steps).sum(axis=(0, 2)) + _FLOOR * len(band) * channels
            rows.append(np.pad(columns, (0, broad * _CROP - width)).reshape(broad, _CROP).sum(axis=1))
        return np.array(rows, np.float64)
