"""Names of outputs: beside their sources, or mirrored below a folder; clashes are found before any work."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from hpac_cli import api, files
from hpac_cli.errors import HpacError, UsageError
from hpac_cli.files import is_url

from .tasks import Source, Task, basename, join, parent
from .urls import open_url

SUFFIX = api.SUFFIX


def plan_encoding(sources: Sequence[Source], *, output: str | None, output_dir: str | None) -> list[Task]:
    """Name the outputs of encoding: NAME becomes NAME.hpac, and standard input goes to standard output.

    Args:
        output: of a single source, or None.
        output_dir: mirrors what lies in the folders given; None writes beside the sources.

    Raises:
        UsageError: two sources would have the same output, or one that is another source.
    """
    tasks = []
    for source in sources:
        if output is not None or source.name == files.STANDARD:
            tasks.append(Task(source.name, output or files.STANDARD, None))
        else:
            target = _place(source, output_dir) + SUFFIX
            tasks.append(Task(source.name, target, None if output_dir is None else parent(target)))
    _check_clashes(tasks, lambda task: [str(task.target)])
    return tasks


def plan_series(sources: Sequence[Source], names: Sequence[str], *, output: str | None, output_dir: str | None) -> Task:
    """Name the output of a series: that of its folder, if there is one, with .hpac behind it.

    Args:
        names: of files and folders, as the user gave them.

    Raises:
        UsageError: nothing names the output, there is nothing to encode, or it is no file on a disk of this machine.
    """
    far = [name for name in (*names, output or "", output_dir or "") if is_url(name)]
    if far or any(source.name == files.STANDARD for source in sources):
        raise UsageError("a series is made of files on this machine, not of standard input or URLs")
    if not sources:
        raise UsageError("there is no file to make a series of")
    special = next((source.name for source in sources if files.is_special(Path(source.name))), None)
    if special is not None:  # files are read again when they are packed and compared
        raise UsageError(f"a series is made of files on disk, and {special} is a pipe or device")
    folder = os.path.normpath(names[0]) if len(names) == 1 and os.path.isdir(names[0]) else ""
    what = names[0] if folder else f"{len(sources):,} files"
    if output is not None:
        return Task(what, output, None, tuple(sources))
    if basename(folder) in ("", ".", ".."):
        raise UsageError("name the output of the series with -o")
    target = (folder if output_dir is None else join(output_dir, basename(folder))) + SUFFIX
    return Task(what, target, None if output_dir is None else output_dir, tuple(sources))


def plan_decoding(sources: Sequence[Source], *, output: str | None, output_dir: str | None) -> list[Task]:
    """Name the folders, or the one output, of decoding; each file's name follows from what it holds.

    Standard input goes to standard output.

    Raises:
        UsageError: two sources would have the same output, or one that is another source.
    """
    tasks = []
    for source in sources:
        target = files.STANDARD if output is None and source.name == files.STANDARD else output
        tasks.append(Task(source.name, target, None if output_dir is None else parent(_place(source, output_dir))))
    if len(tasks) > 1:
        _check_clashes(tasks, _list_decoded)
    return tasks


def name_decoded(task: Task) -> str | None:
    """Where a file goes that is decoded, or the folder of a series; None if that cannot be told."""
    return next(iter(_list_decoded(task)), None)


def _list_decoded(task: Task) -> list[str]:
    """Where a file goes that is decoded, or the folder of a series and then its files; nothing if that cannot be told."""
    if task.target is not None:
        return [task.target]
    try:
        with open_url(task.source) if is_url(task.source) else files.open_input(task.source) as stream:
            folder = task.folder or parent(task.source)
            return [join(folder, name) for name in api.list_decoded(task.source, stream)]
    except HpacError:
        return []  # which is said when its turn comes


def _check_clashes(tasks: Sequence[Task], list_targets: Callable[[Task], list[str]]) -> None:
    """Refuse tasks that would overwrite each other's outputs or sources.

    Raises:
        UsageError: they would.
    """
    sources = {_key(task.source): task.source for task in tasks}
    makers: dict[str, str] = {}
    for task in tasks:
        for target in list_targets(task):
            if target == files.STANDARD:
                continue
            first = makers.setdefault(_key(target), task.source)
            if first != task.source:
                raise UsageError(
                    f"{first} and {task.source} would both become {target}; work on one, then on the other"
                )
            taken = sources.get(_key(target), task.source)
            if taken != task.source:
                raise UsageError(f"{task.source} would become {target}, which is an input itself")
    for target, source in makers.items():
        for above in Path(target).parents if not is_url(target) else ():
            other = makers.get(str(above), source)
            if other != source:
                raise UsageError(f"{other} would become {above}, which has to be a folder for {source}")


def _place(source: Source, output_dir: str | None) -> str:
    return source.name if output_dir is None else join(output_dir, source.within)


def _key(name: str) -> str:
    """The same for all names of a file."""
    return name if is_url(name) else os.path.join(os.path.realpath(parent(name)), basename(name))
