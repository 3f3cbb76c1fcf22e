"""Decoded tiles that are kept for a while: frames refer to those of earlier ones, and regions overlap."""

import threading
from collections import OrderedDict

import numpy as np

from hpac_cli.image import Samples


class TileCache:
    """Samples of one file's tiles by the numbers of these; those that were asked for least lately go. Threads may share it.

    No reader waits for another: two that need the same tile at the same time both decode it.
    """

    def __init__(self, max_bytes: int) -> None:
        """Begin with none.

        Args:
            max_bytes: of samples, that are kept at the most.
        """
        self._max_bytes, self._bytes = max_bytes, 0
        self._tiles: OrderedDict[int, Samples] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, number: int) -> Samples | None:
        """(H, W, C) samples of one part of a tile, not writable; None if they are not here."""
        with self._lock:
            if number in self._tiles:
                self._tiles.move_to_end(number)
            return self._tiles.get(number)

    def put(self, number: int, samples: Samples) -> None:
        """Keep a copy of (H, W, C) samples, unless they are larger than all that may be kept."""
        if samples.nbytes > self._max_bytes:
            return
        kept = np.array(samples)
        kept.flags.writeable = False
        with self._lock:
            if number in self._tiles:
                self._bytes -= self._tiles.pop(number).nbytes
            self._tiles[number] = kept
            self._bytes += kept.nbytes
            while self._bytes > self._max_bytes:
                self._bytes -= self._tiles.popitem(last=False)[1].nbytes
