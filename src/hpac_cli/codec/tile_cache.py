"""Decoded tiles that are kept for a while: frames refer to those of earlier ones, and regions overlap."""

import threading
from collections import OrderedDict

import numpy as np

from hpac_cli.image import Samples


class AbandonedError(Exception):
    """Who was to decode a tile failed at something; whoever waited for it looks for itself."""


class Pending:
    """A tile that another reader decodes."""

    def __init__(self) -> None:
        self._is_done = threading.Event()
        self._samples: Samples | None = None

    def end(self, samples: Samples | None) -> None:
        """Give it to those who wait; None if it was not decoded."""
        self._samples = samples
        self._is_done.set()

    def wait(self) -> Samples:
        """(H, W, C) samples, when they are there.

        Raises:
            AbandonedError: they never will be.
        """
        self._is_done.wait()
        if self._samples is None:
            raise AbandonedError
        return self._samples


class TileCache:
    """Samples of one file's tiles by the numbers of these; those that were asked for least lately go. Threads may share it."""

    def __init__(self, max_bytes: int) -> None:
        """Begin with none.

        Args:
            max_bytes: of samples, that are kept at the most.
        """
        self._max_bytes, self._bytes = max_bytes, 0
        self._tiles: OrderedDict[int, Samples] = OrderedDict()
        self.pending: dict[int, Pending] = {}
        """Tiles that are being decoded."""
        self.lock = threading.RLock()

    def get(self, number: int) -> Samples | None:
        """(H, W, C) samples of one part of a tile, not writable; None if they are not here."""
        with self.lock:
            if number in self._tiles:
                self._tiles.move_to_end(number)
            return self._tiles.get(number)

    def put(self, number: int, samples: Samples) -> None:
        """Keep samples that nobody writes to, unless they are larger than all that may be kept."""
        if samples.nbytes > self._max_bytes:
            return
        with self.lock:
            if number in self._tiles:
                self._bytes -= self._tiles.pop(number).nbytes
            self._tiles[number] = samples
            self._bytes += samples.nbytes
            while self._bytes > self._max_bytes:
                self._bytes -= self._tiles.popitem(last=False)[1].nbytes


class Claims:
    """The tiles that one reader decodes for all, in a with block: others that need them wait.

    Whoever claims tiles does so at once, under the cache's lock, and waits only for those that were claimed before: nobody waits
    for ever.
    """

    def __init__(self, cache: TileCache) -> None:
        self._cache = cache
        self._ours: set[int] = set()

    def __enter__(self) -> "Claims":
        return self

    def __exit__(self, *_: object) -> None:
        for number in list(self._ours):
            self._end(number, None)

    def look(self, number: int) -> Samples | Pending | None:
        """A tile's samples, or who decodes it; None if that is this reader from now on."""
        with self._cache.lock:
            found = self._cache.get(number)
            if found is not None or number in self._ours:
                return found
            if number in self._cache.pending:
                return self._cache.pending[number]
            self._ours.add(number)
            self._cache.pending[number] = Pending()
            return None

    def give(self, number: int, samples: Samples) -> None:
        """Give a decoded tile to all, as a copy."""
        ours = np.array(samples)
        ours.flags.writeable = False
        self._cache.put(number, ours)
        self._end(number, ours)

    def _end(self, number: int, samples: Samples | None) -> None:
        with self._cache.lock:
            self._ours.discard(number)
            pending = self._cache.pending.pop(number)
        pending.end(samples)
