"""Work on tiles spreads over processes without changing results, and ends with its parent."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import DATA
from hpac_cli.codec.workers import can_fork, spread

from hpac_cli.errors import ContainerError, LimitExceededError

pytestmark = pytest.mark.skipif(not can_fork(), reason="this system cannot fork safely")


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_jobs(workers: int) -> None:
    def work(job: int, advance: object) -> int:
        time.sleep(0.01 * (job % 3))
        advance(job)  # type: ignore[operator]
        return job * job

    done: list[int] = []
    assert list(spread(work, iter(range(20)), workers=workers, advance=done.append)) == [n * n for n in range(20)]
    assert sum(done) == sum(range(20))


def test_errors_of_a_worker_reach_the_caller() -> None:
    def work(job: int, _advance: object) -> int:
        if job == 3:
            raise ContainerError("tile 3 is damaged")
        return job

    with pytest.raises(ContainerError, match="tile 3"):
        list(spread(work, range(6), workers=2, advance=lambda _: None))
    assert not multiprocessing.active_children()


def test_a_killed_worker_is_noticed() -> None:
    def work(_job: int, _advance: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(LimitExceededError, match="worker process was killed"):
        list(spread(work, range(3), workers=2, advance=lambda _: None))


def test_jobs_are_taken_only_when_workers_are_free() -> None:
    taken: list[int] = []

    def jobs() -> object:
        for n in range(50):
            taken.append(n)
            yield n

    def work(job: int, _advance: object) -> int:
        time.sleep(0 if job else 1)  # the first is slow, and the others must wait for it
        return job

    results = spread(work, jobs(), workers=2, advance=lambda _: None)  # type: ignore[arg-type, var-annotated]
    next(results)
    assert len(taken) <= 8
    results.close()  # type: ignore[attr-defined]


def test_workers_end_when_the_parent_is_killed(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "hpac_cli",
        "encode",
        str(DATA / "kodim23.png"),
        "-o",
        str(tmp_path / "out"),
        "--threads",
        "2",
    ]
    with subprocess.Popen(command) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        found: list[str] = []
        for _ in range(1200):
            found = children.read_text().split()
            if len(found) == 2:
                break
            time.sleep(0.05)
        assert len(found) == 2
        process.kill()
    for _ in range(100):
        alive = [
            pid
            for pid in found
            if Path(f"/proc/{pid}/stat").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text()
        ]
        if not alive:
            break
        time.sleep(0.1)
    assert not alive
    assert not (tmp_path / "out").exists()
