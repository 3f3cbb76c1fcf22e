"""Gradients of many crops, computed by forked processes of one thread each.

Processes scale where threads inside small tensor operations do not. Where the system cannot fork, or there is one
processor, the work is done in this process. No result depends on the number of workers.
"""

import contextlib
import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple, TypeVar

import torch

from hpac_cli.errors import HpacError, LimitExceededError
from hpac_cli.signals import holding_signals

Job = TypeVar("Job")
Found = TypeVar("Found")


class _Worker(NamedTuple):
    process: Any
    connection: Connection


def can_fork() -> bool:
    """Whether worker processes can be had: forking is safe only on Linux."""
    return sys.platform.startswith("linux")


@contextlib.contextmanager
def team(work: Callable[[Job], Found], *, workers: int) -> Iterator[Callable[[Iterable[Job]], Iterator[Found]]]:
    """Keep processes for several rounds of jobs; give what does one round and yields results in the order of its jobs.

    Args:
        work: called with a job; must return something small, for results travel through a pipe.
        workers: 1 does everything in this process.

    Raises:
        HpacError: whatever work raises, or LimitExceededError if a worker is killed.
    """
    if workers <= 1 or not can_fork():
        yield lambda jobs: map(work, jobs)
        return
    context = multiprocessing.get_context("fork")
    members: list[_Worker] = []
    try:
        for _ in range(workers):
            here, there = context.Pipe()
            ends = [worker.connection for worker in members] + [here]
            process = context.Process(target=_serve, args=(work, there, ends), daemon=True)
            with holding_signals():
                process.start()
                members.append(_Worker(process, here))
            there.close()
        yield lambda jobs: _distribute(members, jobs)
    finally:
        for worker in members:
            worker.connection.close()
            worker.process.terminate()
            worker.process.join()


def _distribute(members: list[_Worker], jobs: Iterable[Any]) -> Iterator[Any]:
    """Keep every worker busy; hold results back until those before them are there."""
    idle = [worker.connection for worker in members]
    busy: dict[Connection, int] = {}
    done: dict[int, Any] = {}
    numbered = enumerate(jobs)
    following = 0
    while True:
        while idle and (entry := next(numbered, None)) is not None:
            connection = idle.pop()
            connection.send(entry[1])
            busy[connection] = entry[0]
        if not busy:
            return
        ready = wait(list(busy))
        for connection in [c for c in busy if c in ready]:
            done[busy.pop(connection)] = _receive(connection)
            idle.append(connection)
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


def _serve(work: Callable[[Any], Any], connection: Connection, others: list[Connection]) -> None:
    """Do jobs until the other end closes, as it does when the parent ends in whatever way."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)  # and no thread pool of the parent's is used
    for other in others:
        other.close()
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            job = connection.recv()
            try:
                result = work(job)
            except (HpacError, MemoryError) as error:
                result = error
            connection.send(result)
