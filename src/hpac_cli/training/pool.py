"""The pool: every training tile, augmented, resident on the device, from which whole batches are cut.

What update number n sees depends on n alone: the tiles are augmented and the draws made by numbers that come of the
seed and of n. So a training that is stopped and continued takes the same path, on every device.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .augment import Samples, augment, depth_of
from .config import Config
from .data import Source
from .inputs import References
from .planes import to_planes
from .refer import refer

BLOCK = 500
"""Updates whose draws are made at once; after each, a part of the tiles is augmented anew."""
PARTS = 8
"""In so many blocks all tiles are."""


class Pool:
    """N tiles in slots of one size (S, T, C) on a device, and the draws of a block of updates.

    C are the channels of a colour picture, or a plane and what it may refer to.
    """

    def __init__(self, sources: Sequence[Source], config: Config, device: torch.device, threads: int = 0) -> None:
        """Make room.

        Args:
            sources: tiles with even sides, none smaller than the crops.
            config: says what to cut of them.
            device: where tiles and batches lie.
            threads: that augment tiles ahead; 0 to do it when it is their turn. They change nothing but the speed.
        """
        self._tiles = [(tile, source.references) for source in sources for tile in source.tiles]
        self._config = config
        shares = np.array([share for source in sources for share in source.shares])
        self._shares = shares / shares.sum()
        height, width = (max(tile.shape[axis] for tile, _ in self._tiles) for axis in (0, 1))
        dtype = torch.uint8 if config.planes == 3 else torch.int16  # which holds the bits of uint16
        self._most = config.network.references
        channels = config.planes + self._most
        self._slots = torch.zeros(len(self._tiles), height, width, channels, dtype=dtype, device=device)
        self._references = torch.zeros(len(self._tiles), dtype=torch.int32, device=device)
        self._depths = torch.zeros(len(self._tiles), dtype=torch.int32, device=device)
        self._sides = np.zeros((len(self._tiles), 2), np.int64)
        self._draws = torch.zeros(BLOCK, config.batch, 4, dtype=torch.int64, device=device)
        self._at = torch.zeros(1, dtype=torch.int64, device=device)
        self._block: int | None = None
        self._executor = ThreadPoolExecutor(threads) if threads else None
        self._ahead: Iterator[tuple[int, Samples]] = iter(())

    def seek(self, update: int) -> None:
        """Make the next batch that of an update."""
        block, at = divmod(update, BLOCK)
        if block != self._block:
            self._renew(block)
        self._at.fill_(at)

    def batch(self) -> tuple[Tensor, Tensor, References | None]:
        """Cut the batch of the update that was sought: static shapes, and nothing asked of the device.

        Returns:
            (P, B, H, W) int32 planes, (B,) int32 bit depths, and references of a network that may have some.
        """
        entry, y, x, turn = self._draws.index_select(0, self._at)[0].unbind(-1)
        side = self._config.crop
        row = torch.arange(side, device=entry.device)[:, None]
        column = row.mT
        bits = [(turn >> bit & 1).bool()[:, None, None] for bit in range(3)]
        rows, columns = torch.where(bits[0], column, row), torch.where(bits[0], row, column)
        rows = torch.where(bits[1], side - 1 - rows, rows) + y[:, None, None]
        columns = torch.where(bits[2], side - 1 - columns, columns) + x[:, None, None]
        samples = (self._slots[entry[:, None, None], rows, columns].to(torch.int32) & 0xFFFF).permute(3, 0, 1, 2)
        planes, depths = to_planes(samples[: self._config.planes]), self._depths[entry]
        if not self._most:
            return planes, depths, None
        number = torch.arange(self._most, device=entry.device)[:, None]
        return planes, depths, References(samples[1:], number < self._references[entry])

    def _renew(self, block: int) -> None:
        """Augment the tiles whose turn it is, or all if the block before is not there; make the block's draws."""
        follows = self._block is not None and block == self._block + 1
        made = self._ahead if follows and self._executor else self._begin(block, whole=not follows)
        for i, tile in made:
            height, width = tile.shape[:2]
            self._sides[i] = height, width
            bits = np.ascontiguousarray(tile).view(np.int16) if tile.dtype == np.uint16 else tile
            bits = bits.reshape(height, width, -1)
            self._slots[i, :height, :width, : bits.shape[2]] = torch.from_numpy(bits.copy())
            self._references[i] = bits.shape[2] - self._config.planes
            self._depths[i] = depth_of(tile.reshape(height, width, -1)[..., : self._config.planes])
        self._draws.copy_(torch.from_numpy(self._draw(block)))
        self._block = block
        if self._executor:
            self._ahead = self._begin(block + 1, whole=False)

    def _begin(self, block: int, *, whole: bool) -> Iterator[tuple[int, Samples]]:
        """Augment the tiles whose turn it is in a block, or all: numbers and tiles, as they are ready."""
        due = range(len(self._tiles)) if whole else range(block % PARTS, len(self._tiles), PARTS)
        run = self._executor.map if self._executor else map
        return zip(due, run(partial(self._make, block=block), due), strict=True)

    def _make(self, i: int, block: int) -> Samples:
        """What tile i is during a block: as it was made when its turn was last."""
        last = block - (block - i) % PARTS
        rng = np.random.default_rng((self._config.seed, 0, i, last + PARTS))
        (tile, references), config = self._tiles[i], self._config
        if references:
            return refer(tile, references, self._most, config.shares, config.crop, rng)
        return augment(tile, config.planes, config.shares, config.crop, rng)

    def _draw(self, block: int) -> NDArray[np.int64]:
        """(BLOCK, B, 4): tile, y and x of the corner, and which way round, of each crop."""
        rng = np.random.default_rng((self._config.seed, 1, block))
        size = (BLOCK, self._config.batch)
        entry = rng.choice(len(self._tiles), size, p=self._shares)
        room = self._sides[entry] - self._config.crop + 1
        corner = (rng.random((*size, 2)) * room).astype(np.int64)
        return np.concatenate([entry[..., None], corner, rng.integers(8, size=(*size, 1))], -1)
