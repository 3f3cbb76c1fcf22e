"""Runs a command over its files, tells what came of each, and which exit code that makes."""

import contextlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import typer

from hpac_cli import api, files
from hpac_cli.batch import cluster
from hpac_cli.batch.actions import Action
from hpac_cli.batch.pool import Pool, can_fork
from hpac_cli.batch.sources import Judge, find_sources, read_list
from hpac_cli.batch.tasks import LeftOut, Source, Task
from hpac_cli.batch.work import Outcome, attempt, lost
from hpac_cli.errors import FileAccessError, HpacError

from .options import Choice, count_processors
from .progress import show_files, show_progress
from .words import line

SCHEMA = 1
"""Of the lines of --json: keys are added, never removed or given another meaning."""
INTERRUPTED = 130


@dataclass
class _Tally:
    """What came of all files so far."""

    began: float = field(default_factory=time.monotonic)
    count: dict[str, int] = field(default_factory=lambda: {"done": 0, "skipped": 0, "failed": 0})
    input_bytes: int = 0
    output_bytes: int = 0
    codes: list[int] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.count[outcome.status] += 1
        self.input_bytes += outcome.input_bytes
        self.output_bytes += outcome.output_bytes
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


def gather(choice: Choice, why_not: Judge) -> list[Source]:
    """List the files that the user means, and say what is left out of folders.

    Raises:
        Exit: the list of them cannot be read.
        BadParameter: there are none, or several for one output.
    """
    names = list(choice.names or [])
    if choice.files_from is not None:
        try:
            names += read_list(choice.files_from, separator="\0" if choice.null else "\n")
        except HpacError as error:
            raise typer.Exit(complain(choice.files_from, str(error), error.exit_code)) from error
    elif not names:
        raise typer.BadParameter("name at least one input", param_hint="IN")
    if choice.output is not None and choice.output_dir is not None:
        raise typer.BadParameter("cannot be combined with --output-dir", param_hint="-o")
    found = find_sources(
        names,
        recursive=choice.recursive,
        why_not=why_not,
        output_dir=choice.output_dir,
        flat=choice.series,
        output=choice.output if choice.series else None,
    )
    sources = found.sources
    if choice.output is not None and len(sources) > 1 and not choice.series:
        raise typer.BadParameter("several inputs cannot go to one output", param_hint="-o")
    if choice.json and choice.output == files.STANDARD:
        raise typer.BadParameter("needs standard output for itself", param_hint="--json")
    if found.left_out:
        _tell_left_out(found.left_out, choice)
    return sources


def _tell_left_out(left_out: Sequence[LeftOut], choice: Choice) -> None:
    """Count what is left out of folders, by reason; with --verbose, name each."""
    if choice.verbose:
        for each in left_out:
            if choice.json:
                print(json.dumps({"schema": SCHEMA, "left_out": each.name, "why": each.why}), flush=True)
            else:
                print(line(f"hpac: {each.name}: left out: {each.why}"), file=sys.stderr, flush=True)
    if not choice.quiet:
        reasons = ", ".join(f"{count:,} {why}" for why, count in Counter(each.why for each in left_out).items())
        hint = "" if choice.verbose else "; -v names them"
        print(f"hpac: left out of folders: {reasons}{hint}", file=sys.stderr, flush=True)


def run(
    tasks: Sequence[Task],
    action: Action,
    options: api.Options,
    choice: Choice,
    tell: Callable[[Outcome], str] | None = None,
) -> None:
    """Do all tasks, several at once where that helps, and exit with the right code.

    Args:
        tell: a line for standard error about a file that went well; None for sizes.
    """
    processors = count_processors(options.threads)
    in_turn = bool(choice.scheduler) or not can_fork()
    workers = 1 if in_turn else min(len(tasks), choice.jobs or processors)
    session = api.Session(replace(options, threads=max(1, processors // max(1, workers))))
    if workers > 1:
        try:
            session.load()
        except HpacError as error:
            raise typer.Exit(complain("hpac", str(error), error.exit_code)) from error
    talks = not choice.quiet and not choice.json
    visible = talks and sys.stderr.isatty()
    tally = _Tally()

    def work(task: Task) -> Outcome:
        with show_progress(task.source, visible=visible and workers == 1) as session.progress:
            return attempt(task, session, action)

    sizes = {task.source: sum(_size(m.name) for m in task.members) or _size(task.source) for task in tasks}
    if choice.scheduler:
        outcomes = cluster.run(choice.scheduler, tasks, action, options)
    else:
        outcomes = Pool(work, lost, workers).run(tasks)
    is_one = workers == 1 and not choice.scheduler
    with ending_quietly(), show_files(sum(sizes.values()), visible=visible and not is_one) as advance:
        try:
            for outcome in outcomes:
                tally.add(outcome)
                _tell(outcome, choice, visible, tell or describe_sizes)
                advance(f"{sum(tally.count.values())}/{len(tasks)} files, {_saved(tally)}", sizes[outcome.file])
                if outcome.exit_code and not choice.keep_going:
                    break
        except (KeyboardInterrupt, SystemExit) as stop:
            tally.codes = [INTERRUPTED if isinstance(stop, KeyboardInterrupt) else int(stop.code or 0)]
            raise
        except HpacError as error:  # of the cluster
            raise typer.Exit(complain("hpac", str(error), error.exit_code)) from error
        finally:
            outcomes.close()
            if len(tasks) > 1 or choice.json:
                _sum_up(tally, len(tasks), choice)
    raise typer.Exit(tally.exit_code())


@contextlib.contextmanager
def ending_quietly() -> Iterator[None]:
    """End without a word when the reader of standard output had enough, with one line when it is full."""
    try:
        yield
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            complain("standard output", f"cannot write: {error.strerror or error}", FileAccessError.exit_code)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FileAccessError.exit_code)


def _tell(outcome: Outcome, choice: Choice, visible: bool, tell: Callable[[Outcome], str]) -> None:
    if choice.json:
        bpsp = 8 * outcome.output_bytes / outcome.samples if outcome.samples and outcome.output_bytes else None
        print(json.dumps({"schema": SCHEMA, **outcome.to_json(), "bpsp": bpsp and round(bpsp, 4)}), flush=True)
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


def _kept(outcome: Outcome) -> str:
    if not outcome.kept:
        return ""
    return f", {'in part kept as it is' if outcome.samples else 'kept whole'} ({outcome.kept})"


def _sum_up(tally: _Tally, files_in_all: int, choice: Choice) -> None:
    left = files_in_all - sum(tally.count.values())
    if choice.json:
        facts = {"files": files_in_all, **tally.count, "not_reached": left}
        sizes = {"input_bytes": tally.input_bytes, "output_bytes": tally.output_bytes}
        summary = {**facts, **sizes, "seconds": round(tally.seconds, 3), "exit_code": tally.exit_code()}
        print(json.dumps({"schema": SCHEMA, "summary": summary}), flush=True)
    elif not choice.quiet:
        counts = [f"{count} {status}" for status, count in {**tally.count, "not reached": left}.items() if count]
        text = f"hpac: {files_in_all} files: {', '.join(counts)}; {_saved(tally)}; {tally.seconds:.1f} s"
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
