"""The run of a command over its files: what came of each is told, and which exit code that makes."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn

import typer

from hpac_cli import api, files
from hpac_cli.batch import actions, cluster
from hpac_cli.batch.actions import Action
from hpac_cli.batch.pool import Pool, can_fork
from hpac_cli.batch.tasks import Task
from hpac_cli.batch.work import Outcome, attempt, lost
from hpac_cli.errors import FileAccessError, HpacError

from .jsonlines import json_line
from .options import Choice, count_processors
from .progress import describe_seconds, seldom, show
from .words import line

INTERRUPTED = 130


@dataclass
class _Tally:
    """What came of all files so far."""

    workers: int = 1
    """Files that are worked on side by side."""
    began: float = field(default_factory=time.monotonic)
    count: dict[str, int] = field(default_factory=lambda: {"done": 0, "skipped": 0, "failed": 0})
    input_bytes: int = 0
    output_bytes: int = 0
    codes: list[int] = field(default_factory=list)
    estimated_seconds: float = 0.0
    """Of all files of a dry run, one after another."""

    def add(self, outcome: Outcome) -> None:
        self.count[outcome.status] += 1
        self.input_bytes += outcome.input_bytes
        self.output_bytes += outcome.output_bytes
        self.estimated_seconds += outcome.estimated_seconds or 0
        if outcome.exit_code:
            self.codes.append(outcome.exit_code)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def exit_code(self) -> int:
        """0 if all went well, the failure's own code if there was one file, else 1."""
        if not self.codes:
            return 0
        return self.codes[0] if sum(self.count.values()) == 1 else 1


def run(
    tasks: Sequence[Task],
    action: Action,
    options: api.Options,
    choice: Choice,
    tell: Callable[[Outcome], str] | None = None,
    *,
    aloud: bool = False,
) -> None:
    """Do all tasks, several at once where that helps, and exit with the right code.

    Args:
        tell: a line for standard error about a file that went well; None for sizes.
        aloud: whether these lines are what the user asked for, rather than news for a terminal.
    """
    processors = count_processors(options.threads)
    in_turn = bool(choice.scheduler) or not can_fork()
    workers = 1 if in_turn else min(len(tasks), choice.jobs or processors)
    session = api.Session(replace(options, threads=max(1, processors // max(1, workers))))
    if workers > 1:
        try:
            session.load()
        except HpacError as error:
            raise typer.Exit(complain("networks", str(error), error.exit_code)) from error
    talks = not choice.quiet and not choice.json
    on_terminal = talks and sys.stderr.isatty()
    visible = on_terminal or (talks and (choice.verbose or aloud))
    tally = _Tally(max(1, workers))

    def work(task: Task) -> Outcome:
        session.progress = seldom(pool.tell)
        return attempt(task, session, action)

    sizes = {task.source: sum(_size(m.name) for m in task.members) or _size(task.source) for task in tasks}
    with ending_quietly(), show(choice.progress, sizes, on_terminal=on_terminal) as shown:
        pool = Pool(work, lost, workers, hear=lambda task, step: shown.step(task.source, step))
        outcomes = cluster.run(choice.scheduler, tasks, action, options) if choice.scheduler else pool.run(tasks)
        try:
            for outcome in outcomes:
                tally.add(outcome)
                shown.end(outcome.file, _saved(tally))
                _tell(outcome, choice, visible, tell or describe_sizes, encoded=action in actions.ENCODING)
                if outcome.exit_code and not choice.keep_going:
                    break
        except (KeyboardInterrupt, SystemExit) as stop:
            tally.codes = [INTERRUPTED if isinstance(stop, KeyboardInterrupt) else int(stop.code or 0)]
            raise
        except HpacError as error:  # of the cluster
            raise typer.Exit(complain("cluster", str(error), error.exit_code)) from error
        finally:
            outcomes.close()
            if len(tasks) > 1 or choice.json:
                _sum_up(tally, len(tasks), choice)
    raise typer.Exit(tally.exit_code())


def run_once(name: str, work: Action, options: api.Options) -> NoReturn:
    """Do something that is not about one file, with the same care for errors, and exit with the right code."""
    outcome = attempt(Task(name, None, None), api.Session(options), work)
    raise typer.Exit(complain(name, outcome.error, outcome.exit_code) if outcome.exit_code else 0)


@contextlib.contextmanager
def ending_quietly() -> Iterator[None]:
    """End without a word when the reader of standard output had enough, with one line when it is full."""
    try:
        yield
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            complain("standard output", f"cannot write: {error.strerror or error}", FileAccessError.exit_code)
        silence()
        sys.exit(FileAccessError.exit_code)


def silence() -> None:
    """Let what is still to be written to standard output go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(outcome: Outcome, choice: Choice, visible: bool, tell: Callable[[Outcome], str], *, encoded: bool) -> None:
    if choice.json:
        bpsp = 8 * outcome.output_bytes / outcome.samples if encoded and outcome.samples else None
        print(json_line({**outcome.to_json(), "bpsp": bpsp and round(bpsp, 4)}), flush=True)
    if outcome.exit_code:
        complain(outcome.file, outcome.error, outcome.exit_code)
    if outcome.note:
        complain(outcome.file, outcome.note, 0)
    if not outcome.exit_code and visible:
        print(line(tell(outcome)), file=sys.stderr, flush=True)


def describe_sizes(outcome: Outcome) -> str:
    """One line about a file of which another was made."""
    if outcome.status == "skipped":
        return f"{outcome.file}: {outcome.output} exists, whole and of this very file: left out"
    change = outcome.output_bytes / max(1, outcome.input_bytes) - 1
    return (
        f"{outcome.file} -> {outcome.output}: {outcome.input_bytes:,} -> {outcome.output_bytes:,} bytes ({change:+.1%}), "
        f"{outcome.fidelity}{_kept(outcome)}, {outcome.seconds:.1f} s"
    )


def describe_estimate(outcome: Outcome) -> str:
    """One line about a file of which another would be made."""
    change = outcome.output_bytes / max(1, outcome.input_bytes) - 1
    return (
        f"{outcome.file}: {outcome.input_bytes:,} -> about {outcome.output_bytes:,} bytes ({change:+.1%})"
        f"{_kept(outcome)}, in about {describe_seconds(outcome.estimated_seconds or 0)}"
    )


def describe_exact(outcome: Outcome) -> str:
    """One line about a file that came back as it should."""
    return f"{outcome.file}: exact ({outcome.samples:,} samples)"


def _kept(outcome: Outcome) -> str:
    if not outcome.kept:
        return ""
    return f", {'in part kept as it is' if outcome.samples else 'kept whole'} ({outcome.kept})"


def _sum_up(tally: _Tally, files_in_all: int, choice: Choice) -> None:
    left = files_in_all - sum(tally.count.values())
    if choice.json:
        facts = {"files": files_in_all, **tally.count, "not_reached": left}
        sizes = {"input_bytes": tally.input_bytes, "output_bytes": tally.output_bytes}
        seconds = {"seconds": round(tally.seconds, 3)}
        if tally.estimated_seconds:
            seconds["estimated_seconds"] = round(tally.estimated_seconds / tally.workers, 3)
        summary = {**facts, **sizes, **seconds, "exit_code": tally.exit_code()}
        print(json_line({"summary": summary}), flush=True)
    elif not choice.quiet:
        counts = [f"{count} {status}" for status, count in {**tally.count, "not reached": left}.items() if count]
        about = tally.estimated_seconds / tally.workers
        time_taken = f"in about {describe_seconds(about)}" if about else f"{tally.seconds:.1f} s"
        text = f"hpac: {files_in_all} files: {', '.join(counts)}; {_saved(tally)}; {time_taken}"
        print(text, file=sys.stderr, flush=True)


def _saved(tally: _Tally) -> str:
    sizes = f"{tally.input_bytes / 1e6:,.1f} -> {tally.output_bytes / 1e6:,.1f} MB"
    if not tally.output_bytes:
        return f"{tally.input_bytes / 1e6:,.1f} MB"
    return f"{sizes} ({tally.output_bytes / max(1, tally.input_bytes) - 1:+.1%})"


def _size(source: str) -> int:
    try:
        return os.path.getsize(source)
    except OSError:
        return 0


def complain(name: str, message: str, code: int) -> int:
    """Print one line about what went wrong; return the exit code."""
    shown = "standard input" if name == files.STANDARD else name
    print(line(f"hpac: {shown}: {message}"), file=sys.stderr, flush=True)
    return code
