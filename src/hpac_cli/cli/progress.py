"""How far files are: bars on a terminal, lines of text or of JSON where these are asked for, else nothing."""

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hpac_cli.api import Step

from .jsonlines import json_line
from .words import line

_MEGAPIXEL = 1e6
_MOST_BARS = 16
"""Of files that are worked on side by side."""


class Mode(StrEnum):
    """How progress is shown."""

    AUTO = "auto"
    PLAIN = "plain"
    JSON = "json"
    NONE = "none"


@dataclass
class Pace:
    """How fast one step of one file goes, from what is done of it and when it began."""

    step: Step
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        return min(1.0, self.step.done / max(1, self.step.total))

    @property
    def speed(self) -> float | None:
        """Megapixels a second; None where no pixels are coded, or none are yet."""
        if not self.step.pixels or not self.step.done:
            return None
        return self.step.pixels * self.share / _MEGAPIXEL / max(1e-9, self.seconds)

    @property
    def seconds_left(self) -> float | None:
        """None before anything is done."""
        return self.seconds * (1 / self.share - 1) if self.share else None

    def describe(self) -> str:
        """In words: tiles done, speed, time left."""
        words = []
        if self.step.tiles:
            words.append(f"{self.step.tiles:,} tile{'s' * (self.step.tiles > 1)}")
        if self.speed is not None:
            words.append(f"{self.speed:.2g} MP/s")
        if self.seconds_left is not None:
            words.append(f"{describe_seconds(self.seconds_left)} left")
        return ", ".join(words)


class Show(ABC):
    """Shows how far files are; this one keeps the paces of those at work, and shows nothing."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        """Begin.

        Args:
            sizes: bytes of every file.
        """
        self._sizes, self._paces = sizes, dict[str, Pace]()
        self._began = time.monotonic()
        self._done_files = self._done_bytes = 0

    def step(self, file: str, step: Step) -> None:
        """Show how far a file is."""
        pace = self._paces.get(file)
        if pace is None or pace.step.name.partition(":")[0] != step.name.partition(":")[0]:
            pace = self._paces[file] = Pace(step)
        pace.step = step
        self._show(file, pace)

    def end(self, file: str, text: str) -> None:
        """Show that a file is done, and what came of all so far."""
        self._paces.pop(file, None)
        self._done_files += 1
        self._done_bytes += self._sizes[file]
        self._show_all(file, text)

    def _bytes_behind(self) -> float:
        """Bytes of all files that are done, and of the parts of others; what is only verified counts as done."""
        at_work = (self._sizes[f] * (1.0 if p.step.name == "verify" else p.share) for f, p in self._paces.items())
        return self._done_bytes + sum(at_work)

    def _seconds_left(self) -> float | None:
        behind, total = self._bytes_behind(), sum(self._sizes.values())
        return (time.monotonic() - self._began) * (total / behind - 1) if behind else None

    @abstractmethod
    def _show(self, file: str, pace: Pace) -> None: ...

    @abstractmethod
    def _show_all(self, file: str, text: str) -> None: ...


class _Nothing(Show):
    def _show(self, file: str, pace: Pace) -> None:
        pass

    def _show_all(self, file: str, text: str) -> None:
        pass


class _Bars(Show):
    """A bar for all files, if there are several, and one for each that is worked on."""

    def __init__(self, sizes: Mapping[str, int], bars: Any) -> None:
        super().__init__(sizes)
        self._bars = bars
        self._all = bars.add_task("", total=sum(sizes.values()), note="") if len(sizes) > 1 else None
        self._of_files: dict[str, Any] = {}
        self._text = ""
        """What came of the files that are done."""

    def _show(self, file: str, pace: Pace) -> None:
        if file not in self._of_files:
            if len(self._of_files) >= _MOST_BARS:
                return
            self._of_files[file] = self._bars.add_task("", total=1.0, note="")
        name, _, note = pace.step.name.partition(": ")
        text = line(f"{name} {file}" + (f" ({note})" if note else ""))
        self._bars.update(self._of_files[file], description=text, completed=pace.share, note=pace.describe())
        self._show_total()

    def _show_all(self, file: str, text: str) -> None:
        if file in self._of_files:
            self._bars.remove_task(self._of_files.pop(file))
        self._text = text
        self._show_total()

    def _show_total(self) -> None:
        if self._all is None:
            return
        left = self._seconds_left()
        note = ", ".join(filter(None, (self._text, "" if left is None else f"{describe_seconds(left)} left")))
        done = f"{self._done_files}/{len(self._sizes)} files"
        self._bars.update(self._all, description=done, completed=self._bytes_behind(), note=note)


class _Lines(Show):
    """A line on standard error for each file every few seconds."""

    SECONDS = 5.0

    def __init__(self, sizes: Mapping[str, int]) -> None:
        super().__init__(sizes)
        self._last: dict[str, float] = {}

    def _show(self, file: str, pace: Pace) -> None:
        now = time.monotonic()
        if now - self._last.setdefault(file, now) >= self.SECONDS:
            self._last[file] = now
            text = f"hpac: {file}: {pace.step.name} {pace.share:.0%}, {pace.describe()}"
            print(line(text), file=sys.stderr, flush=True)

    def _show_all(self, file: str, text: str) -> None:
        done = f"{self._done_files}/{len(self._sizes)} files"
        print(line(f"hpac: {file}: ended, {done}; {text}"), file=sys.stderr, flush=True)


class _Json(Show):
    """A JSON object on standard error for each piece of news."""

    def _show(self, file: str, pace: Pace) -> None:
        step, speed, left = pace.step, pace.speed, pace.seconds_left
        self._print(
            file=file,
            step=step.name,
            done=step.done,
            total=step.total,
            tiles=step.tiles,
            pixels=step.pixels,
            seconds=round(pace.seconds, 3),
            megapixels_a_second=speed and round(speed, 4),
            seconds_left=left and round(left, 3),
        )

    def _show_all(self, file: str, text: str) -> None:
        self._print(file=file, step="end")

    def _print(self, **facts: Any) -> None:
        of_all = {"files": len(self._sizes), "files_done": self._done_files, "bytes_done": self._done_bytes}
        print(json_line({"progress": {**facts, **of_all}}), file=sys.stderr, flush=True)


@contextmanager
def show(mode: Mode, sizes: Mapping[str, int], *, on_terminal: bool) -> Iterator[Show]:
    """Give what shows the progress of files.

    Args:
        mode: AUTO draws bars where `on_terminal` says so.
        sizes: bytes of every file.
    """
    if mode is Mode.AUTO and on_terminal:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        names, notes = (TextColumn(f"{{task.{text}}}", markup=False) for text in ("description", "fields[note]"))
        with Progress(
            names, BarColumn(), TaskProgressColumn(), notes, console=Console(stderr=True), transient=True
        ) as bars:
            yield _Bars(sizes, bars)
        return
    yield {Mode.PLAIN: _Lines, Mode.JSON: _Json}.get(mode, _Nothing)(sizes)


def seldom(tell: Callable[[Step], None], seconds: float = 0.1) -> Callable[[Step], None]:
    """Pass steps on, but no more often than every so many seconds, except for first and last ones."""
    last = 0.0

    def tell_seldom(step: Step) -> None:
        nonlocal last
        now = time.monotonic()
        if step.done in (0, step.total) or now - last >= seconds:
            last = now
            tell(step)

    return tell_seldom


def describe_seconds(seconds: float) -> str:
    """A time as people say it: 3.2 s, 4 min, 2 h 5 min."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"
