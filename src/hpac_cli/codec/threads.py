"""Work on many tiles, spread over threads: the core releases the interpreter's lock.

No result depends on the number of threads. Work may wait only for jobs that came before it in the same stream: jobs begin in
the order in which they come, so those have begun, and the first of all waits for none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Job = TypeVar("Job")
Found = TypeVar("Found")

AHEAD = 3
"""Jobs of a stream, for each thread, that are held until their results are taken: bounds memory."""


class Threads:
    """So many threads, which several streams of jobs share: what comes of one stream can be the jobs of another."""

    def __init__(self, count: int) -> None:
        """Begin, within a with block.

        Args:
            count: 1 does everything in the thread that asks for results.
        """
        self.count = count
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Threads:
        if self.count > 1:
            from concurrent.futures import ThreadPoolExecutor  # a tenth of a small file's time

            self._pool = ThreadPoolExecutor(self.count)
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)  # of streams that were not read to their end

    def spread(self, work: Callable[[Job], Found], jobs: Iterable[Job]) -> Iterator[Found]:
        """Do every job, and yield the results in the order of the jobs.

        Args:
            work: called with a job; waits for no other but those before it.
            jobs: taken from the iterator only as threads become free.

        Raises:
            HpacError: whatever work raises; jobs that have not begun are dropped.
        """
        if not self._pool:
            yield from map(work, jobs)
            return
        waiting: deque[Future[Found]] = deque()
        try:
            for job in jobs:
                waiting.append(self._pool.submit(work, job))
                if len(waiting) >= AHEAD * self.count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def spread(work: Callable[[Job], Found], jobs: Iterable[Job], *, threads: int) -> Iterator[Found]:
    """Do every job, on so many threads of its own, as Threads.spread does."""
    with Threads(threads) as own:
        yield from own.spread(work, jobs)
