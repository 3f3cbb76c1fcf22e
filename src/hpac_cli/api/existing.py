"""What becomes of files that have the name of an output already."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from hpac_cli import files
from hpac_cli.errors import HpacError, OutputExistsError, UsageError
from hpac_cli.limits import Limits

from .session import Options
from .streams import hash_stream, same_bytes


def check_target(target: Path | None, source: str, options: Options) -> None:
    """Refuse an output before any work is done for it.

    Args:
        target: None for standard output.

    Raises:
        UsageError: the source is to be removed, and the output is not decoded and compared, or no regular file on disk.
        OutputExistsError: it exists, and is neither to be overwritten nor perhaps to be left out.
        FileAccessError: its folder does not exist.
    """
    if options.remove_source and not options.verify:
        raise UsageError("a source is removed only after its output was decoded and compared")
    with files.writing(str(target)):  # a name may be too long to be asked for
        if options.remove_source and (target is None or files.is_special(target)):
            name = "standard output" if target is None else str(target)
            raise UsageError(f"--remove-source needs an output that is a file on disk, which {name} is not")
        files.check_output(target, source=source, force=options.force or options.skip_existing)


def may_replace(there: bool, options: Options) -> bool:
    """Whether an output may take the place of a file.

    Args:
        there: whether its name was taken when that was judged. A file that appears later, as from another process,
            or under a name that the file system takes for the same, may be all that is left of a source.
    """
    return options.force and (there or not options.remove_source)


class Held(NamedTuple):
    """What an .hpac file says of its source."""

    hash: bytes
    """SHA-256, or the beginning of it; empty if the file is not whole, or none."""
    identical: bool
    """Whether the source's bytes come back."""
    members: dict[str, bytes] = {}  # noqa: RUF012 (nobody changes it)
    """Hashes of the files of a series, by name."""

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole .hpac file of something."""
        return bool(self.hash or self.members)

    def is_of(self, digest: bytes) -> bool:
        """Whether it was made of a source of this SHA-256."""
        return bool(self.hash) and digest.startswith(self.hash)

    def is_series_of(self, digests: Mapping[str, bytes]) -> bool:
        """Whether it was made of files of these names and SHA-256."""
        same_names = self.members.keys() == digests.keys()
        return same_names and all(digests[name].startswith(known) for name, known in self.members.items())


def held_by(path: Path, limits: Limits) -> Held:
    """Read an .hpac file to its end, and say what it holds."""
    from hpac_cli.container.parse import Reader

    try:
        with path.open("rb") as stream:
            reader = Reader(stream, limits)
            for _ in itertools.chain(reader.pieces(), reader.tiles()):
                pass
    except (HpacError, OSError):
        return Held(b"", identical=False)
    names = [os.fsdecode(member.name) for member in reader.header.members]
    members = dict(zip(names, reader.member_hashes, strict=True))
    return Held(reader.file_hash, reader.header.identical, members)


def check_replaced(target: Path, held: Held, is_same: bool, options: Options) -> str:
    """Refuse to put an .hpac file in the place of one that exists, but where that was asked for.

    Args:
        target: exists.
        held: by the target.
        is_same: whether that was made of the source.

    Returns:
        What the user should know of the file that is replaced.

    Raises:
        OutputExistsError: force is not given, or the target may be the only copy of another source.
    """
    what = "was made of another file, or of this one before it changed" if held.is_whole else "is no whole .hpac file"
    if is_same and not held.identical:
        what = "holds the samples and metadata of this file, not its bytes"
    if not options.force:
        raise OutputExistsError(f"output {target} exists and {what}; use --force to overwrite it")
    if is_same:
        return ""
    if options.remove_source and (held.is_whole or files.is_hpac(target)):
        raise OutputExistsError(
            f"output {target} exists and {what}; with --remove-source it is not overwritten, "
            "for it may be all that is left of that file: move it away first"
        )
    return (
        f"{target} was overwritten; it was made of another file, or of this one before it changed"
        if held.is_whole
        else ""
    )


def is_source_of(path: Path, container: str, limits: Limits) -> bool:
    """Whether a file is, by its hash, what a whole .hpac file was made of."""
    held = held_by(Path(container), limits) if container != files.STANDARD else None
    if held is None or not held.hash:
        return False
    with files.open_input(str(path)) as stream:
        return held.is_of(hash_stream(stream))


def check_decoded(target: Path, data: BinaryIO, options: Options) -> bool:
    """Refuse to put a decoded file in the place of one that exists, but where that was asked for.

    Args:
        target: exists.
        data: what it is to hold.

    Returns:
        Whether it holds that already, and is to be left as it is.

    Raises:
        OutputExistsError: it holds something else, and force is not given or its .hpac file may be gone.
    """
    if not options.skip_existing and not options.remove_source:
        return False
    with files.open_input(str(target)) as stream:
        if same_bytes(stream, data):
            return options.skip_existing
    if options.remove_source or not options.force:
        hint = "move it away first" if options.remove_source else "use --force to overwrite it"
        raise OutputExistsError(f"output {target} exists and holds something else; {hint}")
    return False
