"""Files that are not on this machine: names with "://", reached through fsspec (an optional package).

Work on them is done on a local copy; what was made is put under its final name whole or not at all.
"""

import os
import posixpath
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from hpac_cli import api, files
from hpac_cli.errors import FileAccessError, HpacError, MissingPackageError, OutputExistsError, UsageError
from hpac_cli.files import is_url

from .actions import Action
from .tasks import Source, Task, basename, join, parent

_HEAD_BYTES = 512


def is_remote(task: Task) -> bool:
    """Whether any name of a task is a URL."""
    return any(name is not None and is_url(name) for name in (task.source, task.target, task.folder))


def find(url: str, why_not: Callable[[bytes, str], str]) -> Iterator[tuple[Source, str]]:
    """List the files below a URL in name order, each with why it is left out, if it is.

    Raises:
        FileAccessError: it cannot be listed.
    """
    with _asking(url) as (system, path):
        for name in sorted(system.find(path)):
            why = why_not(system.read_block(name, 0, _HEAD_BYTES), basename(name))
            yield Source(system.unstrip_protocol(name), posixpath.relpath(name, path)), why


def is_folder(url: str) -> bool:
    """Whether a URL names a folder."""
    with _asking(url) as (system, path):
        return bool(system.isdir(path))


def exists(name: str) -> bool:
    """Whether a URL or a path exists."""
    if not is_url(name):
        return os.path.exists(name)
    with _asking(name) as (system, path):
        return bool(system.exists(path))


def stamp(url: str) -> object:
    """Tell a file from what it is after a change."""
    with _asking(url) as (system, path):
        return system.ukey(path)


def remove(url: str) -> None:
    """Remove a file."""
    with _asking(url) as (system, path):
        system.rm_file(path)


def work_on_copy(task: Task, session: api.Session, action: Action) -> api.Result:
    """Do an action on local copies of a task's files.

    Raises:
        OutputExistsError: the output exists, and force is not given.
        FileAccessError: a file cannot be fetched, or put where it belongs.
        HpacError: whatever the action raises.
    """
    options = session.options
    if task.target is not None:
        _refuse_existing(task.target, options)
    with tempfile.TemporaryDirectory(prefix="hpac-") as folder:
        copy = os.path.join(folder, basename(task.source))
        _fetch(task.source, copy)
        target = None if task.target is None else os.path.join(folder, "out", basename(task.target))
        os.mkdir(os.path.join(folder, "out"))
        if task.target is not None and target is not None and exists(task.target):
            _fetch(task.target, target)  # what is there is judged as it would be here
        result = action(Task(copy, target, os.path.join(folder, "out")), session)
        if not result.output:
            return result
        final = task.target or join(task.folder or parent(task.source), basename(result.output))
        if os.path.isdir(result.output):
            raise UsageError(
                "a series becomes a folder; decode a copy of it on this machine, or take out files with --member"
            )
        if result.skipped:
            return replace(result, output=final)
        if task.target is None:
            _refuse_existing(final, options)
            if (options.skip_existing or options.remove_source) and exists(final):
                same = _holds(final, result.output)
                if same and options.skip_existing:
                    return replace(result, output=final, skipped=True)
                if not same and (options.remove_source or not options.force):
                    raise OutputExistsError(f"output {final} exists and is not what {task.source} gives")
        _put(result.output, final, force=options.force)
        if options.remove_source and not _holds(final, result.output):
            raise FileAccessError(f"{final} does not hold what was put there, so the source is kept")
    return replace(result, output=final)


def _refuse_existing(name: str, options: api.Options) -> None:
    if not (options.force or options.skip_existing) and exists(name):
        raise files.exists_already(name)


def _fetch(name: str, copy: str) -> None:
    if not is_url(name):
        Path(copy).write_bytes(_read_local(name))
        return
    with _asking(name) as (system, path):
        system.get_file(path, copy)


def _read_local(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise FileAccessError(f"cannot read: {error.strerror or error}") from error


def _put(copy: str, name: str, *, force: bool) -> None:
    """Commit at the end: until then nothing is seen under the final name."""
    if not is_url(name):  # a path as it is: as a URL it would be quoted
        target = Path(name)
        with files.writing(name):
            files.make_folder(target.parent)
        with open(copy, "rb") as made, files.atomic_output(target, force=force) as file:
            shutil.copyfileobj(made, file)
        return
    with _asking(name) as (system, path):
        system.makedirs(posixpath.dirname(path), exist_ok=True)
        with open(copy, "rb") as made, system.transaction, system.open(path, "wb") as stream:
            shutil.copyfileobj(made, stream)


def _holds(name: str, copy: str) -> bool:
    """Whether a file, read back from where it was put, is the same as a local copy."""
    with open_url(name) if is_url(name) else files.open_input(name) as there, open(copy, "rb") as made:
        return api.same_bytes(there, made)


@contextmanager
def open_url(url: str) -> Iterator[BinaryIO]:
    """Open a file for reading.

    Raises:
        FileAccessError: it cannot be read.
    """
    with _asking(url) as (system, path), system.open(path, "rb") as stream:
        yield stream


@contextmanager
def _asking(url: str) -> Iterator[tuple[Any, str]]:
    """Open the file system of a URL, and translate what it says against something.

    Raises:
        MissingPackageError: fsspec is not installed.
        UsageError: what fsspec needs for this kind of URL is not installed, or there is no such kind.
        FileAccessError: it cannot be reached, read or written.
    """
    try:
        import fsspec
    except ImportError as error:
        raise MissingPackageError("URLs need fsspec: pip install 'hpac-cli[cluster]'") from error
    try:
        yield fsspec.url_to_fs(url)
    except (HpacError, MemoryError):
        raise
    except (ImportError, ValueError) as error:
        raise UsageError(f"cannot reach {url}: {error}") from error
    except FileNotFoundError as error:
        raise FileAccessError("no such file") from error
    except Exception as error:  # stores raise what they like: botocore's NoCredentialsError, say, is no OSError
        raise FileAccessError(f"cannot reach {url}: {error}") from error
