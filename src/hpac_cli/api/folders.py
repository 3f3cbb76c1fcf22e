"""The files of a series in a folder: made beside it first, then put where they belong, all or none."""

from __future__ import annotations

import functools
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from hpac_cli import files
from hpac_cli.codec.threads import spread
from hpac_cli.errors import FileAccessError, OutputExistsError, UnsupportedError, UsageError

from . import existing
from .rebuilding import write_file
from .streams import hash_stream, model_of, same_bytes

if TYPE_CHECKING:
    from hpac_cli.container.parse import Reader
    from hpac_cli.image import Member

    from .session import Options, Session

_NOT_ON_WINDOWS = re.compile(r'[\0-\x1f\\:*?"<>|]|[. ](/|$)|(^|/)(con|prn|aux|nul|com\d|lpt\d)(\.|/|$)', re.IGNORECASE)
"""What names of files cannot hold there: separators, what ends a part and is dropped, devices."""


@dataclass(frozen=True)
class Made:
    """What became of a series."""

    folder: Path
    size: int
    """Bytes of all files."""
    samples: int
    fidelity: str
    is_there: bool = False
    """Whether all files were there already."""


class _Place(Enum):
    """What is where a file of a series is to be."""

    FREE = "nothing"
    SAME = "the same file"
    OTHER = "another file, which may be replaced"


def decode_to_folder(reader: Reader, folder: Path | None, source: str, session: Session) -> Made:
    """Decode a series to the files that it was made of.

    Args:
        reader: has not read any tile.
        folder: is made; one that exists is refused, unless options let files in it be replaced or left out.
        source: the .hpac file, or "-".

    Raises:
        HpacError: any of errors.py; nothing is written in the folder then.
    """
    options = session.options
    if folder is None:
        raise UsageError("a series becomes a folder; name it with -o, or one of its files with --member")
    names = [os.fsdecode(member.name) for member in reader.header.members]
    check_folder(folder, names, source, options)
    if options.skip_existing and reader.header.identical and _is_all_there(folder, source, options):
        return Made(folder, 0, 0, "bytes", is_there=True)
    image = session.decode(reader)
    with staged(folder) as stage:
        size = write_members(stage, image.members, like=model_of(source, options), threads=max(1, options.threads))
        put_in_place(stage, folder, names, options)
    if options.remove_source and reader.header.identical and not _is_all_there(folder, source, options):
        raise FileAccessError(f"{folder} does not hold what was put there, so the source is kept")
    return Made(folder, size, image.num_samples, image.fidelity)


def check_folder(folder: Path, names: list[str], source: str, options: Options) -> None:
    """Refuse a folder before any work is done for it.

    Raises:
        OutputExistsError: it exists and nothing may be written into it, it is no folder, or it would replace the source.
        FileAccessError: the folder around it does not exist.
        UnsupportedError: this system takes no files of such names.
    """
    with files.writing(str(folder)):
        if not folder.parent.is_dir():
            raise FileAccessError(f"folder {folder.parent} does not exist; make it first")
        if os.path.lexists(folder):
            if not folder.is_dir():
                kind = "the input itself" if source != files.STANDARD and _same(folder, source) else "no folder"
                raise OutputExistsError(f"output {folder} is {kind}; name a folder with -o")
            if not (options.force or options.skip_existing):
                raise OutputExistsError(f"output folder {folder} exists; use --force to overwrite files in it")
    for name in names:
        if source != files.STANDARD and _same(folder / name, source):
            raise OutputExistsError(f"output {folder / name} is the input itself; name another folder with -o")
        if os.sep != "/" and _NOT_ON_WINDOWS.search(name):
            raise UnsupportedError(f"this system takes no file of the name {name}; --member writes it under another")


def _same(path: Path, source: str) -> bool:
    return os.path.exists(path) and os.path.exists(source) and os.path.samefile(path, source)


def _is_all_there(folder: Path, source: str, options: Options) -> bool:
    """Whether a folder holds all files of a series, by their hashes."""
    held = existing.held_by(Path(source), options.limits) if source != files.STANDARD else None
    if held is None or not held.members:
        return False
    for name, known in held.members.items():
        if not _place(folder, name).is_file():
            return False
        with files.open_input(str(folder / name)) as stream:
            if not hash_stream(stream).startswith(known):
                return False
    return True


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Make a folder beside another one for what will be put there; it is gone at the end, with what is left in it.

    Raises:
        FileAccessError: the file system refuses.
    """
    with files.writing(str(folder)):
        stage = Path(tempfile.mkdtemp(files.PARTIAL, files.temporary_prefix(folder.name), folder.parent))
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def write_members(stage: Path, members: Iterable[Member], *, like: tuple[str, ...], threads: int = 1) -> int:
    """Write files below an empty folder of our own; return their bytes.

    Raises:
        OutputExistsError: the file system takes two names for the same.
        HpacError: a file cannot be made again, or written.
    """
    return sum(spread(functools.partial(_write_member, stage, like), members, threads=threads))


def _write_member(stage: Path, like: tuple[str, ...], member: Member) -> int:
    name, place = member.name, stage / member.name
    with files.writing(name):
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = place.open("xb")
        except FileExistsError as error:
            raise OutputExistsError(
                f"this file system takes {name} for the name of another file of the series; "
                "--member writes each under a name of its own"
            ) from error
        try:
            with file:
                size = write_file(member.image, file).size
                file.flush()
                os.fsync(file.fileno())
            files.dress(place, like)
        except BaseException:
            place.unlink()
            raise
    return size


def put_in_place(stage: Path, folder: Path, names: list[str], options: Options) -> None:
    """Give staged files their names: with the whole folder, or one by one in a folder that exists.

    All are judged before the first is moved. A file that appears after that is not replaced, whatever options say: it may
    be all that is left of a source.

    Raises:
        OutputExistsError: a file of that name holds something else, and may not be replaced, or is none.
        FileAccessError: the file system refuses.
    """
    with files.writing(str(folder)):
        if not os.path.lexists(folder):
            for made, _, _ in os.walk(stage):
                files.sync_folder(Path(made))
            stage.chmod(files.usual_mode(0o777))
            stage.rename(folder)
            files.sync_folder(folder.parent)
            return
        judged = [(name, _judge(stage / name, _place(folder, name), options)) for name in names]
        for name, what in judged:
            if what is not _Place.SAME:
                place = folder / name
                files.make_folder(place.parent)
                files.publish(stage / name, place, force=what is _Place.OTHER)


def _place(folder: Path, name: str) -> Path:
    """Where a file goes in a folder that exists.

    Raises:
        OutputExistsError: the way there leads through a link, or something that is no folder.
    """
    place = folder
    for part in name.split("/")[:-1]:
        place /= part
        if os.path.lexists(place) and (place.is_symlink() or not place.is_dir()):
            raise OutputExistsError(f"{place} is a link, or no folder, so {name} is not written there")
    place = folder / name
    if place.is_symlink() or (place.exists() and not place.is_file()):
        raise OutputExistsError(f"{place} is a link, or no file, and is not overwritten")
    return place


def _judge(staged_file: Path, place: Path, options: Options) -> _Place:
    """Compare a file with what is where it is to be.

    Raises:
        OutputExistsError: that is another file, which may not be replaced.
    """
    if not place.exists():
        return _Place.FREE
    with staged_file.open("rb") as made, files.open_input(str(place)) as there:
        if same_bytes(made, there):
            return _Place.SAME
    if options.remove_source or not options.force:
        hint = "move it away first" if options.remove_source else "use --force to overwrite it"
        raise OutputExistsError(f"output {place} exists and holds something else; {hint}")
    return _Place.OTHER
