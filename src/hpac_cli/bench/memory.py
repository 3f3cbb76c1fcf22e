"""How much memory did something take at its peak, worker processes included? Looked up while it runs."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

_EVERY_SECONDS = 0.05


class Peak:
    """The most memory in use while a block ran, beyond what was in use before."""

    bytes: int | None = None
    """None where the system does not tell."""


@contextlib.contextmanager
def watch_memory() -> Iterator[Peak]:
    """Watch this process and its children until the block ends (Linux; elsewhere nothing is known)."""
    peak, before, done = Peak(), _memory_of_all(), threading.Event()
    if before is None:
        yield peak
        return
    highest = before

    def watch() -> None:
        nonlocal highest
        while not done.wait(_EVERY_SECONDS):
            highest = max(highest, _memory_of_all() or 0)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()
        peak.bytes = max(highest, _memory_of_all() or 0) - before


def _memory_of_all() -> int | None:
    """Bytes of this process and those below it; pages that several share count once."""
    try:
        return sum(_memory_of(process) for process in _family(os.getpid()))
    except OSError:
        return None


def _family(process: int) -> Iterator[int]:
    yield process
    for task in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(OSError):
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


def _memory_of(process: int) -> int:
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) << 10
    return 0
