"""Work on tiles spreads over threads without changing results."""

import io
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from hpac_cli import api
from hpac_cli.codec import plan
from hpac_cli.codec.threads import Threads, spread
from hpac_cli.errors import ContainerError
from hpac_cli.image import Image
from hpac_cli.images.npy import from_array

COUNTS = pytest.mark.parametrize("threads", [1, 2, 5])


@COUNTS
def test_results_come_in_the_order_of_jobs(threads: int) -> None:
    def work(job: int) -> int:
        time.sleep(0.01 * (job % 3))
        return job * job

    assert list(spread(work, iter(range(20)), threads=threads)) == [n * n for n in range(20)]


@COUNTS
def test_no_jobs_have_no_results(threads: int) -> None:
    assert list(spread(str, [], threads=threads)) == []


@pytest.mark.parametrize("threads", [2, 5])
def test_so_many_threads_work_at_the_same_time(threads: int) -> None:
    """The barrier lets no job through before all threads have one."""
    barrier = threading.Barrier(threads)
    assert sorted(spread(lambda _job: barrier.wait(30), range(threads), threads=threads)) == list(range(threads))


@COUNTS
def test_errors_reach_the_caller_after_the_results_before(threads: int) -> None:
    def work(job: int) -> int:
        if job == 3:
            raise ContainerError("tile 3 is damaged")
        return job

    results = spread(work, range(6), threads=threads)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ContainerError, match="tile 3"):
        next(results)


@COUNTS
def test_errors_of_jobs_themselves_reach_the_caller(threads: int) -> None:
    def jobs() -> Iterator[int]:
        yield 1
        raise ContainerError("the next tile is missing")

    with pytest.raises(ContainerError, match="missing"):
        list(spread(str, jobs(), threads=threads))


@pytest.mark.parametrize(("threads", "most"), [(1, 1), (2, 8)])
def test_jobs_are_taken_only_as_threads_become_free(threads: int, most: int) -> None:
    taken: list[int] = []

    def jobs() -> Iterator[int]:
        for n in range(50):
            taken.append(n)
            yield n

    results = spread(str, jobs(), threads=threads)
    next(results)
    assert len(taken) <= most
    results.close()  # type: ignore[attr-defined]


def test_jobs_that_have_not_begun_are_dropped() -> None:
    done: list[int] = []

    def work(job: int) -> int:
        if job == 0:
            raise ContainerError("the first is damaged")
        time.sleep(0.05)
        done.append(job)
        return job

    with pytest.raises(ContainerError):
        list(spread(work, range(50), threads=2))
    assert len(done) <= 6


def test_jobs_that_nobody_wants_any_more_are_dropped() -> None:
    """The threads end while a stream of theirs is half read, as an error elsewhere makes them."""
    begun: list[int] = []

    def work(job: int) -> None:
        begun.append(job)
        time.sleep(0.1 if job else 0)

    with Threads(2) as threads:
        results = threads.spread(work, range(6))
        next(results)
    assert len(begun) <= 4


def test_any_number_of_threads_writes_and_reads_the_same_bytes(photograph: np.ndarray) -> None:
    """Twice each; several parts, one of them of luma and chroma."""
    part = np.dstack([photograph[:120, :150], photograph[200:320, :150, 1]])

    def encode(threads: int) -> bytes:
        stream = io.BytesIO()
        api.Session(api.Options(tile=32, threads=threads)).encode(from_array(part), stream)
        return stream.getvalue()

    files = {encode(threads) for threads in [*range(1, 9), 1, 2, 8]}
    assert len(files) == 1
    for threads in range(1, 9):
        session = api.Session(api.Options(threads=threads))
        image = session.decode(session.open(io.BytesIO(*files)))
        assert np.array_equal(image.frames[0], part)


def test_what_comes_of_one_stream_is_the_jobs_of_another_on_the_same_threads() -> None:
    with Threads(2) as threads:
        squares = threads.spread(lambda n: (n * n, threading.get_ident()), range(40))
        found = list(threads.spread(lambda pair: (pair[0] + 1, {pair[1], threading.get_ident()}), squares))
    assert [number for number, _ in found] == [n * n + 1 for n in range(40)]
    assert len(set().union(*(who for _, who in found))) <= 2


def test_small_frames_are_planned_side_by_side_and_to_the_same_bytes(
    photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every plan waits until two are at work."""
    frames = tuple(np.ascontiguousarray(photograph[n : n + 40, 200:248, 1:2]) for n in range(6))

    def encode(threads: int) -> bytes:
        stream = io.BytesIO()
        api.Session(api.Options(effort=1, threads=threads)).encode(Image(frames, "arrays"), stream)
        return stream.getvalue()

    alone = encode(1)
    barrier, choose = threading.Barrier(2, timeout=30), plan.choose_orientations

    def met(*args: object) -> object:
        barrier.wait()
        return choose(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(plan, "choose_orientations", met)
    assert encode(2) == alone
