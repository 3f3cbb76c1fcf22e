"""Where do encoded files go? Beside their sources, or mirrored below a folder; clashes are found before any work."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpac_cli import files
from hpac_cli.errors import UsageError

from .sources import Source

SUFFIX = ".hpac"


@dataclass(frozen=True)
class Task:
    """One file, and what is made of it."""

    source: str
    target: str | None
    """A path, "-", or None where a decoded file names its own kind."""
    folder: str | None
    """Where the output goes, made if missing; None beside the source, or where the target says."""


def plan_encoding(sources: Sequence[Source], *, output: str | None, output_dir: str | None, suffix: str) -> list[Task]:
    """Name the outputs of encoding.

    Args:
        output: of a single source, or None.
        output_dir: mirrors what lies in the folders given; None writes beside the sources.
        suffix: "replace" makes a.hpac of a.png, "append" a.png.hpac, and "auto" replaces but where two
            sources of this call would then have the same output.

    Raises:
        UsageError: two sources would have the same output.
    """
    if output is not None:
        return [Task(source.name, output, None) for source in sources]
    replaced = {source: _place(source, output_dir).with_suffix(SUFFIX) for source in sources if _is_file(source)}
    uses = Counter(map(_key, replaced.values()))
    tasks: dict[str, Task] = {}
    for source in sources:
        if not _is_file(source):
            tasks[source.name] = Task(source.name, None, None)
            continue
        target = replaced[source]
        if suffix == "append" or (suffix == "auto" and uses[_key(target)] > 1):
            target = _place(source, output_dir).with_name(Path(source.within).name + SUFFIX)
        folder = None if output_dir is None else str(target.parent)
        clash = tasks.setdefault(_key(target), Task(source.name, str(target), folder))
        if clash.source != source.name:
            raise UsageError(f"{clash.source} and {source.name} would both become {target}; try --suffix append")
    return list(tasks.values())


def plan_decoding(sources: Sequence[Source], *, output: str | None, output_dir: str | None) -> list[Task]:
    """Name the folders, or the one output, of decoding; each file's name follows from what it holds."""
    return [
        Task(source.name, output, None if output_dir is None else str(_place(source, output_dir).parent))
        for source in sources
    ]


def _is_file(source: Source) -> bool:
    return source.name != files.STANDARD


def _place(source: Source, output_dir: str | None) -> Path:
    return Path(source.name) if output_dir is None else Path(output_dir) / source.within


def _key(path: Path) -> str:
    return os.path.abspath(path)
