"""Which files are meant? Names, folders, patterns and lists become sources, in a fixed order."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hpac_cli import files

from . import urls
from .tasks import Source, basename, is_url

_HEAD_BYTES = 512
_PATTERN = "*?["


def read_list(path: str, *, separator: str) -> list[str]:
    """Read names from a file, or from standard input; empty ones are left out.

    Raises:
        FileAccessError: it cannot be read.
    """
    with files.open_input(path) as stream:
        return [name for name in os.fsdecode(stream.read()).split(separator) if name]


def find_sources(names: Sequence[str], *, recursive: bool, is_wanted: Callable[[bytes, str], bool]) -> list[Source]:
    """List every file once, those of folders and patterns in name order.

    What does not exist is listed too: it fails when its turn comes.

    Args:
        names: files, folders, "-", or patterns (** for any depth) where no file has that name.
        recursive: whether folders are searched; links in them are not followed.
        is_wanted: of the first 512 bytes of a file in a folder, and its name.
    """
    found: dict[str, Source] = {}
    for name in names:
        if is_url(name):
            found |= _find_urls(name, is_wanted) if recursive else {name: Source(name, basename(name))}
        elif os.path.isdir(name) and recursive:
            found |= {path: Source(path, os.path.relpath(path, name)) for path in _walk(name, is_wanted)}
        elif matches := _match(name):
            start = _fixed_part(name)
            found |= {path: Source(path, os.path.relpath(path, start)) for path in matches}
        else:
            found[name] = Source(name, os.path.basename(name))
    return list(found.values())


def _find_urls(url: str, is_wanted: Callable[[bytes, str], bool]) -> dict[str, Source]:
    if not urls.is_folder(url):
        return {url: Source(url, basename(url))}
    return {source.name: source for source in urls.find(url, is_wanted)}


def _walk(folder: str, is_wanted: Callable[[bytes, str], bool]) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(parent, name)
            if os.path.isfile(path) and not os.path.islink(path) and not files.is_temporary(name):
                head = _read_head(path)
                if head is None or is_wanted(head, name):
                    yield path


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
