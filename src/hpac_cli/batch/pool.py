"""Workers: forked processes that take one file after another; one that dies costs one file.

`codec.threads` spreads the tiles of one image and needs all of them; here every file stands alone.
"""

import contextlib
import functools
import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar

from hpac_cli.signals import holding_signals

Job = TypeVar("Job")
Found = TypeVar("Found")


def can_fork() -> bool:
    """Whether worker processes can be had: forking is safe only on Linux."""
    return sys.platform.startswith("linux")


class _Worker(NamedTuple):
    process: Any
    connection: Connection


class Pool(Generic[Job, Found]):
    """Processes that work on files side by side."""

    def __init__(
        self,
        work: Callable[[Job], Found],
        lost: Callable[[Job], Found],
        workers: int,
        hear: Callable[[Job, Any], None] = lambda _job, _news: None,
    ) -> None:
        """Prepare; processes start with the first job.

        Args:
            work: done in a worker; must not raise.
            lost: what came of a job whose worker was killed.
            workers: 1 does everything in this process.
            hear: called in this process with what `work` tells of a job before its end.
        """
        self._work, self._lost, self._workers, self._hear = work, lost, workers, hear
        self._tell: Callable[[Any], None] = lambda _news: None
        self._context = multiprocessing.get_context("fork") if can_fork() else None
        self._busy: dict[Connection, tuple[_Worker, Job]] = {}
        self._idle: list[_Worker] = []

    def run(self, jobs: Iterable[Job]) -> Generator[Found, None, None]:
        """Do every job; yield outcomes as they come. However this ends, no worker is left behind."""
        if self._workers <= 1 or self._context is None:
            for job in jobs:
                self._tell = functools.partial(self._hear, job)
                yield self._work(job)
            return
        waiting = deque(jobs)
        try:
            while waiting or self._busy:
                while waiting and len(self._busy) < self._workers:
                    self._hand(waiting.popleft())
                for connection in wait(list(self._busy)):
                    yield from self._receive(connection)  # type: ignore[arg-type]
        finally:
            self._end()

    def tell(self, news: Any) -> None:
        """Say something of the job that is worked on, from within `work`."""
        self._tell(news)

    def _hand(self, job: Job) -> None:
        if not self._idle:
            self._start()
        worker = self._idle.pop()
        try:
            worker.connection.send(job)
        except (BrokenPipeError, ConnectionResetError):  # it died while it was idle
            worker.process.join()
            return self._hand(job)
        self._busy[worker.connection] = worker, job

    def _receive(self, connection: Connection) -> Iterator[Found]:
        """Take what a worker sent; yield what came of its job, if that is it."""
        worker, job = self._busy[connection]
        try:
            is_news, said = connection.recv()
        except (EOFError, ConnectionResetError):
            del self._busy[connection]
            connection.close()
            worker.process.join()
            yield self._lost(job)
            return
        if is_news:
            self._hear(job, said)
            return
        del self._busy[connection]
        self._idle.append(worker)
        yield said

    def _start(self) -> None:
        """Start an idle worker."""
        assert self._context is not None
        with holding_signals():  # until it is known, so that it is ended whatever they do
            here, there = self._context.Pipe()
            others = [w.connection for w in self._idle] + list(self._busy) + [here]
            process = self._context.Process(target=self._serve, args=(there, others))
            process.start()
            there.close()
            self._idle.append(_Worker(process, here))

    def _serve(self, connection: Connection, others: list[Connection]) -> None:
        """Do jobs until the other end closes, as it does when the parent ends in whatever way."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and terminates us
        signal.signal(signal.SIGTERM, _stop)
        for other in others:
            other.close()
        self._tell = lambda news: connection.send((True, news))
        with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
            while True:
                connection.send((False, self._work(connection.recv())))

    def _end(self) -> None:
        workers = self._idle + [worker for worker, _ in self._busy.values()]
        for worker in workers:
            worker.connection.close()
            worker.process.terminate()
        for worker in workers:
            worker.process.join()


def _stop(_number: int, _frame: Any) -> NoReturn:
    sys.exit(1)  # and on the way out temporary files go
