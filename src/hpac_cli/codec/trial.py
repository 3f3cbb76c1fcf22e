"""Trials: about how many bytes a way of coding takes, by coding a few crops of the frame."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpac_cli.container.fields import MAX_TILE, Part

from .network_tiles import encode_values, measure_values
from .networks import Networks
from .payloads import estimate_quickly, pack_smallest
from .references import Told
from .threads import spread
from .tiles import Box, tile_boxes
from .turning import turn
from .values import Ordered, Values

Channels = slice | list[int]
"""Of a frame, to index with."""

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

    def __init__(
        self,
        ordered: Ordered,
        networks: Networks,
        size: str,
        threads: int = 1,
        told: Callable[[Part, Box], Told] = lambda _part, _box: (),
        *,
        is_float: bool = False,
    ) -> None:
        """Begin with an estimate of where the frame's bits are.

        Args:
            ordered: (H, W, C) ordered samples.
            size: of the networks that code the frame.
            threads: to spread trials over.
            told: gives what the network is told of a part's references in a box.
            is_float: whether samples are floats.
        """
        self.is_float = is_float
        self.ordered, self.networks, self.size, self.threads, self._told = ordered, networks, size, threads, told

    def digest(self, role: str, size: str = "") -> bytes:
        """Identify the network of a role, of the size that codes the frame if no other is asked for."""
        return self.networks.latest(role, size or self.size)

    def network_bytes(self, part: Part, channels: Channels, crops: int = FEW) -> float:
        """Estimate bytes of a part of these channels, its table included."""
        if part.bit_depth == 0:
            return 0
        height, width = self.ordered.shape[:2]
        if not part.weights_digest:
            return float(height * width * part.channels * self.ordered.dtype.itemsize)
        network, values = self.networks.by_digest(part.weights_digest), Values(part)
        estimate = 0.0
        for box, share in self._crops(crops):
            coded = values.to_coded(self._cut(box, channels))
            estimate += len(encode_values(network, coded, part, self._told(part, box)).payload) / share
        return estimate + len(part.table)

    def turned_bits(
        self, part: Part, orientations: Sequence[int], channels: Channels, crops: int, which: slice
    ) -> NDArray[np.float64]:
        """Estimate the bits of a part of these channels by how its tiles are turned.

        Args:
            crops: how many are cut; those turned the same way are coded below each other, up to 16 as one tile.
            which: of the crops are coded.

        Returns:
            (orientations, crops) of what each crop stands for.
        """
        (height, width), blocks = self.ordered.shape[:2], self._blocks(crops)[which]
        network, values = self.networks.by_digest(part.weights_digest), Values(part)
        down, right = min(_CROP, height), min(_CROP, width)
        boxes = [Box(min(block.y, height - down), min(block.x, width - right), down, right) for block in blocks]
        cut = [(values.to_coded(self._cut(box, channels)), self._told(part, box)) for box in boxes]
        weights = 1 / np.array([block.share for block in blocks])

        columns = [cut[i : i + _COLUMN] for i in range(0, len(cut), _COLUMN)]

        def work(job: tuple[int, list[tuple[NDArray[Any], Told]]]) -> NDArray[np.float64]:
            orientation, crops = job
            column = np.concatenate([turn(crop, orientation) for crop, _ in crops])
            planes = zip(*(told for _, told in crops), strict=True)
            told = tuple(np.concatenate([turn(crop, orientation) for crop in plane]) for plane in planes)
            bits = measure_values(network, column, replace(part, orientation=0), told)
            each: NDArray[np.float64] = bits.reshape(len(crops), -1).sum(axis=1)
            return each

        jobs = list(itertools.product(orientations, columns))
        bits = np.concatenate(list(spread(work, jobs, threads=min(self.threads, len(jobs)))))
        return bits.reshape(len(orientations), -1) * weights

    def tile_bits(self, part: Part, channels: Channels, boxes: Sequence[Box]) -> float:
        """Count the bits of whole tiles of a part of these channels."""
        network, values = self.networks.by_digest(part.weights_digest), Values(part)

        def work(box: Box) -> float:
            coded = values.to_coded(self._cut(box, channels))
            return float(measure_values(network, coded, part, self._told(part, box)).sum())

        return sum(spread(work, boxes, threads=min(self.threads, len(boxes))))

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

    def _cut(self, box: Box, channels: Channels) -> Ordered:
        return self.ordered[box.y : box.y + box.height, box.x : box.x + box.width, channels]

    def _crops(self, count: int) -> Iterator[tuple[Box, float]]:
        """List boxes that stand for the whole frame, each with the share that it stands for."""
        height, width = self.ordered.shape[:2]
        if height * width <= count * _CROP * _CROP:
            for box in tile_boxes(height, width, MAX_TILE):
                yield box, 1.0
            return
        for y, x, share in self._blocks(count):
            yield Box(y, x, min(_CROP, height - y), min(_CROP, width - x)), share

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
