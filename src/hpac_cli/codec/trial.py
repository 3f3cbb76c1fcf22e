"""About how many bytes will a way of coding take? Told by coding a few crops of the frame."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpac_cli.container.fields import Part
from hpac_cli.model.index import network_name

from .network_tiles import encode_values, measure_values
from .networks import Networks
from .payloads import estimate_quickly, pack_smallest
from .threads import spread
from .tiles import MAX_NETWORK_TILE, tile_boxes
from .turning import turn
from .values import Ordered, Values

FEW, MANY = 16, 64
"""Crops that a trial cuts, and those of a trial that is to tell near sizes apart."""

_CROP = 64
_COLUMN = 16
"""Crops that are measured below each other, so that statistics of a tile are as rich as in a whole one."""
_FLOOR = 0.02
"""Bits that even a sample equal to its neighbour may take."""


class _Block(NamedTuple):
    """A block of _CROP by _CROP pixels, or less at the right and bottom edge."""

    y: int
    x: int
    share: float
    """Of the frame that it stands for."""


class Trials:
    """Estimates for one frame.

    Where little is to be coded few crops are cut: blocks are drawn in proportion to a rough code
    length, at even steps of its running sum (systematic importance sampling), the same for every
    part and mapping.
    """

    def __init__(self, ordered: Ordered, networks: Networks, size: str, threads: int = 1) -> None:
        self.ordered, self.networks, self.size, self.threads = ordered, networks, size, threads

    def digest(self, role: str, size: str = "") -> bytes:
        """Identify the network of a role, of the size that codes the frame if no other is asked for."""
        return self.networks.digest(network_name(role, size or self.size))

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
            estimate += len(encode_values(network, coded, part).payload) / share
        return estimate + len(part.table)

    def turned_bits(
        self, part: Part, orientations: Sequence[int], first: int, crops: int, which: slice
    ) -> NDArray[np.float64]:
        """Estimate the bits of a part, whose first channel is `first`, by how its tiles are turned.

        Args:
            crops: how many are cut; those turned the same way are coded below each other, up to 16 as one tile.
            which: of the crops are coded.

        Returns:
            (orientations, crops) of what each crop stands for.
        """
        (height, width), blocks = self.ordered.shape[:2], self._blocks(crops)[which]
        network, values = self.networks.by_digest(part.weights_digest), Values(part)
        down, right, channels = min(_CROP, height), min(_CROP, width), slice(first, first + part.channels)
        places = [(min(block.y, height - down), min(block.x, width - right)) for block in blocks]
        coded = [values.to_coded(self.ordered[y : y + down, x : x + right, channels]) for y, x in places]
        weights = 1 / np.array([block.share for block in blocks])

        columns = [coded[i : i + _COLUMN] for i in range(0, len(coded), _COLUMN)]

        def work(job: tuple[int, list[NDArray[Any]]]) -> NDArray[np.float64]:
            orientation, crops = job
            column = np.concatenate([turn(crop, orientation) for crop in crops])
            bits = measure_values(network, column, replace(part, orientation=0))
            each: NDArray[np.float64] = bits.reshape(len(crops), -1).sum(axis=1)
            return each

        jobs = list(itertools.product(orientations, columns))
        bits = np.concatenate(list(spread(work, jobs, threads=min(self.threads, len(jobs)))))
        return bits.reshape(len(orientations), -1) * weights

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
            for y, x, down, right in tile_boxes(height, width, MAX_NETWORK_TILE):
                yield self.ordered[y : y + down, x : x + right], 1.0
            return
        for y, x, share in self._blocks(count):
            yield self.ordered[y : y + _CROP, x : x + _CROP], share

    def _blocks(self, count: int) -> list[_Block]:
        """Draw blocks that stand for the whole frame."""
        running = np.cumsum(self._rough_lengths)
        drawn = np.searchsorted(running, (np.arange(count) + 0.5) / count * running[-1])
        rows, columns = np.unravel_index(drawn, self._rough_lengths.shape)
        shares = count * self._rough_lengths.flat[drawn] / running[-1]
        return [
            _Block(*block)
            for block in zip((rows * _CROP).tolist(), (columns * _CROP).tolist(), shares.tolist(), strict=True)
        ]

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
