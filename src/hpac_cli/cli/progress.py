"""How far along is it? A bar on a terminal, silence in a pipe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hpac_cli.api import Progress

from .words import line


@contextmanager
def show_progress(name: str, *, visible: bool) -> Iterator[Progress]:
    """Give a callback that draws a bar for each step of one file on standard error."""
    if not visible:
        yield lambda _step, _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks = {}

        def update(step: str, done: int, total: int) -> None:
            kind, _, note = step.partition(": ")
            if kind not in tasks:
                tasks[kind] = bars.add_task("", total=total)
            description = line(f"{kind} {name}" + (f" ({note})" if note else ""))
            bars.update(tasks[kind], description=description, completed=done, total=total)

        yield update


@contextmanager
def show_files(total_bytes: int, *, visible: bool) -> Iterator[Callable[[str, int], None]]:
    """Give a callback that draws one bar for all files: what to say, and bytes of input that are done."""
    if not visible:
        yield lambda _text, _size: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=total_bytes)
        yield lambda text, size: bars.update(task, description=text, advance=size)
