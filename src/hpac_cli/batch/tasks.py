"""The words of a batch: a source is found, a task is planned; names are paths, URLs, or "-"."""

import os
import posixpath
from dataclasses import dataclass

from hpac_cli.files import is_url


@dataclass(frozen=True)
class Source:
    """One file to work on."""

    name: str
    """As the user would write it, or "-"."""
    within: str
    """Its path below the folder that was searched, or its bare name: where it goes below an output folder."""


@dataclass(frozen=True)
class LeftOut:
    """What lies in a folder that was searched, and is not worked on."""

    name: str
    why: str


@dataclass(frozen=True)
class Task:
    """One file, and what is made of it."""

    source: str
    target: str | None
    """A path, a URL, "-", or None where a decoded file names its own kind."""
    folder: str | None
    """Where the output goes, made if missing; None beside the source, or where the target says."""
    members: tuple[Source, ...] = ()
    """The files that become one series; the source is what they are called together."""


def basename(name: str) -> str:
    """The last part of a path or URL."""
    return posixpath.basename(name) if is_url(name) else os.path.basename(name)


def parent(name: str) -> str:
    """All but the last part of a path or URL."""
    return posixpath.dirname(name) if is_url(name) else os.path.dirname(name) or "."


def join(folder: str, below: str) -> str:
    """A path or URL below another."""
    return f"{folder.rstrip('/')}/{below}" if is_url(folder) else os.path.join(folder, below)
