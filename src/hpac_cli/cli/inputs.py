"""Which files a command works on, and what is said of those that it leaves out."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import typer

from hpac_cli import files
from hpac_cli.batch.sources import Judge, find_sources, read_list
from hpac_cli.batch.targets import SUFFIX, plan_series
from hpac_cli.batch.tasks import LeftOut, Source, Task
from hpac_cli.errors import HpacError, UsageError

from .jsonlines import json_line
from .options import Choice
from .report import complain
from .words import line


def _no_picture(head: bytes, name: str) -> str:
    from hpac_cli.images import is_picture

    return "" if is_picture(head, name) else "no picture that is known"


def no_hpac(_head: bytes, name: str) -> str:
    """Why a file in a folder is not decoded."""
    return "" if name.endswith(SUFFIX) else f"not named {SUFFIX}"


def _hpac_beside(_head: bytes, name: str) -> str:
    """Of a folder that is kept with all that is in it, outputs beside their sources."""
    return f"named {SUFFIX}, as outputs beside it are" if name.endswith(SUFFIX) else ""


def judge(take_all: bool, output_dir: str | None) -> Judge:
    """Choose what tells why a file in a folder is not encoded.

    Args:
        take_all: not for what it is: it will be kept whole, or its samples lie as the user says.
    """
    if not take_all:
        return _no_picture
    return _hpac_beside if output_dir is None else everything


def everything(_head: bytes, _name: str) -> str:
    """What takes every file there is."""
    return ""


def make_series(sources: list[Source], choice: Choice) -> Task:
    """Plan the one task of a series.

    Raises:
        BadParameter: it has no name, no files, or is not of this machine.
    """
    if choice.scheduler is not None:
        raise typer.BadParameter("works only with files, not with a series", param_hint="--scheduler")
    try:
        return plan_series(sources, choice.names or [], output=choice.output, output_dir=choice.output_dir)
    except UsageError as error:
        raise typer.BadParameter(line(str(error)), param_hint="--series") from error


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
    try:
        found = find_sources(
            names,
            recursive=choice.recursive,
            why_not=why_not,
            output_dir=choice.output_dir,
            flat=choice.series,
            output=choice.output if choice.series else None,
        )
    except HpacError as error:  # of folders behind URLs; files fail one by one
        raise typer.Exit(complain("inputs", str(error), error.exit_code)) from error
    sources = found.sources
    if choice.output is not None and len(sources) > 1 and not choice.series:
        raise typer.BadParameter("several inputs cannot go to one output", param_hint="-o")
    if found.left_out:
        _tell_left_out(found.left_out, choice)
    return sources


def _tell_left_out(left_out: Sequence[LeftOut], choice: Choice) -> None:
    """Count what is left out of folders, by reason; with --verbose, name each."""
    if choice.verbose:
        for each in left_out:
            if choice.json:
                print(json_line({"left_out": each.name, "why": each.why}), flush=True)
            else:
                print(line(f"hpac: {each.name}: left out: {each.why}"), file=sys.stderr, flush=True)
    if not choice.quiet:
        reasons = ", ".join(f"{count:,} {why}" for why, count in Counter(each.why for each in left_out).items())
        hint = "" if choice.verbose else "; -v names them"
        print(f"hpac: left out of folders: {reasons}{hint}", file=sys.stderr, flush=True)


def check_outputs(choice: Choice, sources: Sequence[Source]) -> None:
    """Refuse outputs that cannot be where they should.

    Raises:
        BadParameter: standard output is wanted for two things, or standard input is to become a file in a folder.
    """
    is_piped = any(source.name == files.STANDARD for source in sources)
    if choice.output_dir is not None and is_piped:
        raise typer.BadParameter("standard input has no name there; use -o", param_hint="--output-dir")
    if choice.json and (choice.output == files.STANDARD or (is_piped and choice.output is None)):
        raise typer.BadParameter("needs standard output for itself", param_hint="--json")


def check_removal(wanted: bool, sources: Sequence[Source], output: str | None) -> None:
    """Refuse to remove sources that are no files, or whose outputs would be none.

    Raises:
        BadParameter: so it is.
    """
    if wanted and any(source.name == files.STANDARD for source in sources):
        raise typer.BadParameter("cannot remove standard input", param_hint="--remove-source")
    if wanted and output is not None and (output == files.STANDARD or files.is_special(Path(output))):
        raise typer.BadParameter(
            f"needs an output that is a file on disk, not {line(output)}", param_hint="--remove-source"
        )
