"""Work on many tiles, spread over threads. Tiles are independent, and the core releases the interpreter's lock.

No result depends on the number of threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

Job = TypeVar("Job")
Result = TypeVar("Result")

_AHEAD = 3
"""A slow job holds back the results of at most so many jobs per thread: bounds memory."""


def spread(work: Callable[[Job], Result], jobs: Iterable[Job], *, threads: int) -> Iterator[Result]:
    """Do every job, on so many threads, and yield the results in the order of the jobs.

    Args:
        work: called with a job.
        jobs: taken from the iterator only as threads become free.
        threads: 1 does everything in this thread.

    Raises:
        HpacError: whatever work raises; jobs that have not begun are dropped.
    """
    if threads <= 1:
        yield from map(work, jobs)
        return
    from concurrent.futures import ThreadPoolExecutor  # a tenth of a small file's time

    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(work, job))
                if len(waiting) >= _AHEAD * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
