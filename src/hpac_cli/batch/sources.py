"""Sources: the files that names, folders, patterns and lists mean, in a fixed order."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpac_cli import files
from hpac_cli.files import is_url

from . import urls
from .tasks import LeftOut, Source, basename

_HEAD_BYTES = 512
_PATTERN = "*?["
_KILLED = "what a call of hpac left that was killed"


def read_list(path: str, *, separator: str) -> list[str]:
    """Read names from a file, or from standard input; empty ones are left out.

    Raises:
        FileAccessError: it cannot be read.
    """
    with files.open_input(path) as stream:
        return [name for name in os.fsdecode(stream.read()).split(separator) if name]


Judge = Callable[[bytes, str], str]
"""Why a file in a folder is left out, by its first 512 bytes and its name; empty if it is wanted."""


@dataclass
class Found:
    """What the user means, and what lies beside it in folders."""

    sources: list[Source]
    left_out: list[LeftOut]


def find_sources(
    names: Sequence[str],
    *,
    recursive: bool,
    why_not: Judge,
    output_dir: str | None = None,
    flat: bool = False,
    output: str | None = None,
) -> Found:
    """List every file once, those of folders and patterns in name order.

    What does not exist is listed too, and what cannot be read: it fails when its turn comes.

    Args:
        names: files, folders, "-", or patterns (** for any depth) where no file has that name.
        recursive: whether folders are searched; links in them are not followed.
        why_not: judges the files in folders.
        output_dir: is not searched, where it lies in a folder that is.
        flat: whether folders are searched, but not those in them, where it is not recursive.
        output: is no source, where it lies in a folder that is searched and is an .hpac file, as of an earlier call; any
            other file of its name is one, so that it is not overwritten.
    """
    found: dict[str, Source] = {}
    left_out: dict[str, LeftOut] = {}
    for name in names:
        if is_url(name) and recursive and urls.is_folder(name):
            for source, why in urls.find(name, why_not):
                if why:
                    left_out[source.name] = LeftOut(source.name, why)
                else:
                    found[source.name] = source
        elif is_url(name):
            found[name] = Source(name, basename(name))
        elif os.path.isdir(name) and (recursive or flat):
            for each in _walk(name, why_not, output_dir, flat=not recursive, output=output):
                if isinstance(each, LeftOut):
                    left_out[each.name] = each
                else:
                    found[each] = Source(each, os.path.relpath(each, name))
        elif matches := _match(name):
            start = _fixed_part(name)
            found |= {path: Source(path, os.path.relpath(path, start)) for path in matches}
        else:
            found[name] = Source(name, os.path.basename(name))
    return Found(list(found.values()), list(left_out.values()))


def _walk(
    folder: str, why_not: Judge, output_dir: str | None, *, flat: bool, output: str | None
) -> Iterator[str | LeftOut]:
    unread: list[str] = []
    for parent, folders, names in os.walk(folder, onerror=lambda error: unread.append(str(error.filename))):
        folders.sort()
        for name in list(folders):
            path = os.path.join(parent, name)
            if os.path.islink(path):
                yield LeftOut(path, "a link")
            elif files.is_temporary(name):
                folders.remove(name)
                yield LeftOut(path, _KILLED)
            elif output_dir is not None and os.path.realpath(path) == os.path.realpath(output_dir):
                folders.remove(name)
                yield LeftOut(path, "the folder of the outputs")
            elif flat:
                folders.remove(name)
                yield LeftOut(path, "a folder, of which -r takes what is in it")
        if not folders and not names and not flat:
            yield LeftOut(parent, "an empty folder")
        for name in sorted(names):
            path = os.path.join(parent, name)
            why = "the output" if _is_output(path, output) else _why_not(path, name, why_not)
            yield LeftOut(path, why) if why else path
    yield from unread


def _is_output(path: str, output: str | None) -> bool:
    """Whether a file is what an earlier call wrote to the same output, or another .hpac file of its name."""
    is_there = output is not None and os.path.realpath(path) == os.path.realpath(output)
    return is_there and files.is_hpac(Path(path))


def _why_not(path: str, name: str, why_not: Judge) -> str:
    if os.path.islink(path):
        return "a link"
    if not os.path.isfile(path):
        return "no file, but a device, pipe or socket"
    if files.is_temporary(name):
        return _KILLED
    head = _read_head(path)
    return "" if head is None else why_not(head, name)


def _read_head(path: str) -> bytes | None:
    """None where the file cannot be read, which is said when its turn comes."""
    try:
        with open(path, "rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return None


def _match(name: str) -> list[str]:
    if name == files.STANDARD or os.path.lexists(name) or not any(c in name for c in _PATTERN):
        return []
    start = _fixed_part(name)
    pattern = os.path.relpath(name, start)
    if os.path.basename(pattern) == "**":
        pattern = os.path.join(pattern, "*")
    hidden = any(part.startswith(".") for part in pattern.split(os.sep))
    found = []
    for path in Path(start).glob(pattern):  # unlike glob.glob, it follows no links for **
        within = path.relative_to(start)
        if path.is_file() and (hidden or not any(part.startswith(".") for part in within.parts)):
            found.append(str(within) if start == "." and not name.startswith(".") else os.path.join(start, within))
    return sorted(found)


def _fixed_part(pattern: str) -> str:
    """The folder that a pattern starts from."""
    parts = pattern.split(os.sep)
    fixed = next(i for i, part in enumerate(parts) if any(c in part for c in _PATTERN))
    return os.sep.join(parts[:fixed]) or (os.sep if pattern.startswith(os.sep) else ".")
