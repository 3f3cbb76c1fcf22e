"""How is work on many tiles spread over processors? Forked processes of one thread each.

Tiles are independent, so processes scale where threads inside small tensor operations do not.
Where the system cannot fork, or there is one processor, the work is done in this process.
No result depends on the number of workers.
"""

import contextlib
import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple, TypeVar

from hpac_cli.errors import HpacError, LimitExceededError

Job = TypeVar("Job")
Result = TypeVar("Result")
Advance = Callable[[int], None]
_POLL_SECONDS = 0.1
_AHEAD = 3
"""A slow job holds back the results of at most so many jobs per worker: bounds memory."""


class _Worker(NamedTuple):
    process: Any
    connection: Connection


def can_fork() -> bool:
    """Whether worker processes can be had: forking is safe only on Linux."""
    return sys.platform.startswith("linux")


def spread(
    work: Callable[[Job, Advance], Result], jobs: Iterable[Job], *, workers: int, advance: Advance
) -> Iterator[Result]:
    """Do every job, on so many processes, and yield the results in the order of the jobs.

    Args:
        work: called with a job and a function to report progress with; must return something small,
            for results travel through a pipe.
        jobs: taken from the iterator only as workers become free.
        workers: 1 does everything in this process.
        advance: called in this process with the progress that work reported.

    Raises:
        HpacError: whatever work raises, or LimitExceededError if a worker is killed.
    """
    with team(work, workers=workers, advance=advance) as run:
        yield from run(jobs)


@contextlib.contextmanager
def team(
    work: Callable[[Job, Advance], Result], *, workers: int, advance: Advance
) -> Iterator[Callable[[Iterable[Job]], Iterator[Result]]]:
    """Keep processes for several rounds of jobs; give what does one round as spread does. Arguments as there."""
    if workers <= 1 or not can_fork():
        yield lambda jobs: (work(job, advance) for job in jobs)
        return
    context = multiprocessing.get_context("fork")
    counter = context.Value("q", 0)
    members: list[_Worker] = []
    try:
        for _ in range(workers):
            here, there = context.Pipe()
            ends = [worker.connection for worker in members] + [here]
            process = context.Process(target=_serve, args=(work, there, ends, counter), daemon=True)
            process.start()
            there.close()
            members.append(_Worker(process, here))
        told = 0

        def tell() -> None:
            nonlocal told
            now = counter.value
            advance(now - told)
            told = now

        yield lambda jobs: _distribute(members, jobs, tell)
    finally:
        for worker in members:
            worker.connection.close()
            worker.process.terminate()
            worker.process.join()


def _distribute(members: list[_Worker], jobs: Iterable[Any], tell: Callable[[], None]) -> Iterator[Any]:
    """Keep every worker busy; hold results back until those before them are there."""
    idle = [worker.connection for worker in members]
    busy: dict[Connection, int] = {}
    done: dict[int, Any] = {}
    numbered = enumerate(jobs)
    handed = following = 0
    while True:
        while idle and handed < following + _AHEAD * len(members) and (entry := next(numbered, None)) is not None:
            connection = idle.pop()
            connection.send(entry[1])
            busy[connection] = entry[0]
            handed += 1
        if not busy:
            return
        ready = wait(list(busy), _POLL_SECONDS)
        for connection in [c for c in busy if c in ready]:
            done[busy.pop(connection)] = _receive(connection)
            idle.append(connection)
        tell()
        while following in done:
            yield done.pop(following)
            following += 1


def _receive(connection: Connection) -> Any:
    try:
        result = connection.recv()
    except EOFError as error:
        raise LimitExceededError("a worker process was killed; is there enough memory? Try --threads 1") from error
    if isinstance(result, BaseException):
        raise result
    return result


def _serve(work: Callable[[Any, Advance], Any], connection: Connection, others: list[Connection], counter: Any) -> None:
    """Do jobs until the other end closes, as it does when the parent ends in whatever way."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)  # and no thread pool of the parent's is used
    for other in others:
        other.close()

    def advance(count: int) -> None:
        with counter.get_lock():
            counter.value += count

    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            job = connection.recv()
            try:
                result = work(job, advance)
            except (HpacError, MemoryError) as error:
                result = error
            connection.send(result)
