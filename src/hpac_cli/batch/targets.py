"""Where do encoded files go? Beside their sources, or mirrored below a folder; clashes are found before any work."""

import os
from collections import Counter
from collections.abc import Sequence

from hpac_cli import files
from hpac_cli.errors import UsageError

from .tasks import Source, Task, basename, is_url, join, parent

SUFFIX = ".hpac"


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
    places = {source: _place(source, output_dir) for source in sources if source.name != files.STANDARD}
    uses = Counter(_key(_replace_suffix(place)) for place in places.values())
    tasks: dict[str, Task] = {}
    for source in sources:
        if source not in places:
            tasks[source.name] = Task(source.name, None, None)
            continue
        target = _replace_suffix(places[source])
        if suffix == "append" or (suffix == "auto" and uses[_key(target)] > 1):
            target = places[source] + SUFFIX
        folder = None if output_dir is None else parent(target)
        clash = tasks.setdefault(_key(target), Task(source.name, target, folder))
        if clash.source != source.name:
            raise UsageError(f"{clash.source} and {source.name} would both become {target}; try --suffix append")
    return list(tasks.values())


def plan_decoding(sources: Sequence[Source], *, output: str | None, output_dir: str | None) -> list[Task]:
    """Name the folders, or the one output, of decoding; each file's name follows from what it holds."""
    return [
        Task(source.name, output, None if output_dir is None else parent(_place(source, output_dir)))
        for source in sources
    ]


def _place(source: Source, output_dir: str | None) -> str:
    return source.name if output_dir is None else join(output_dir, source.within)


def _replace_suffix(name: str) -> str:
    base = basename(name)
    stem = os.path.splitext(base)[0]
    return name[: len(name) - len(base)] + stem + SUFFIX


def _key(name: str) -> str:
    return name if is_url(name) else os.path.abspath(name)
