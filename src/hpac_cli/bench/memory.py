"""Memory that something took at its peak, worker processes included, as a second process sees it.

A thread would do, were it not for the processes that are forked meanwhile. Linux tells what is asked here, and keeps
the highest memory of the process itself, so that nothing is too quick to be seen; elsewhere nothing is known.
"""

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_EVERY_SECONDS = 0.05
_SHARE = 25
"""Looking takes long where processes share much memory; at most one part in so many of the time goes there."""


class Peak:
    """The most memory in use while a block ran, beyond what was in use before."""

    bytes: int | None = None
    """None where the system does not tell."""


class Watcher:
    """A process that watches this one and those that it starts."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def watch(self) -> Iterator[Peak]:
        """Watch until the block ends."""
        peak = Peak()
        if not sys.platform.startswith("linux"):
            yield peak
            return
        self._ask("begin")
        try:
            yield peak
        finally:
            peak.bytes = self._ask("end")

    def _ask(self, word: str) -> int | None:
        """Send a word, and return the number that comes back; None if the watcher is gone."""
        if self._process is None:
            command = [sys.executable, "-I", __file__, str(os.getpid())]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{word}\n".encode())
            self._process.stdin.flush()
            return int(self._process.stdout.readline())
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        """End the watcher."""
        if self._process is not None:
            self._process.communicate()
            self._process = None


def _serve(process: int) -> None:
    """Answer "begin" with 0, and "end" with the growth in bytes since then, at its highest.

    Instead of the growth comes a word where the system does not let its record of the highest memory be reset: then
    what is quicker than a look would seem to take nothing.
    """
    while sys.stdin.readline():
        before = highest = _memory_of_all(process)
        is_reset = _reset_record(process)
        resident = _resident(process, "VmRSS")
        print(0, flush=True)
        pause = _EVERY_SECONDS
        while not select.select([sys.stdin], [], [], pause)[0]:
            start = time.monotonic()
            highest = max(highest, _memory_of_all(process))
            pause = max(_EVERY_SECONDS, _SHARE * (time.monotonic() - start))
        sys.stdin.readline()
        growth = max(highest - before, _resident(process, "VmHWM") - resident)
        print(growth if is_reset else "unknown", flush=True)


def _reset_record(process: int) -> bool:
    """Make the highest memory of a process so far what it has now (proc(5), clear_refs)."""
    try:
        Path(f"/proc/{process}/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _resident(process: int, name: str) -> int:
    """Bytes that a process has in memory (VmRSS), or had at its highest (VmHWM)."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) << 10
    return 0


def _memory_of_all(process: int) -> int:
    """Bytes of a process and those below it, but for this one; pages that several share count once."""
    return sum(_memory_of(member) for member in _family(process) if member != os.getpid())


def _family(process: int) -> Iterator[int]:
    yield process
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


def _memory_of(process: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
