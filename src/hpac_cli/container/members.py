"""The table of a series' files: a column for each field, and names that lead nowhere but below one folder."""

import itertools
from collections.abc import Sequence

from hpac_cli.binary import Fields, put_string, put_varint
from hpac_cli.errors import ContainerError
from hpac_cli.limits import Limits

from .fields import ARRAYS, MAX_KEPT, Kind, Member

MAX_NAME_BYTES, MAX_PART_BYTES, MAX_PARTS = 4096, 255, 64
"""Of a member's name, and of each of its parts between slashes, as much as file systems take; and so many parts."""
_SHOWN = 100
"""Bytes of a name in a message."""


def build_members(members: Sequence[Member]) -> bytes:
    """Write the table: columns, since numbers in one hardly differ, and pack to next to nothing."""
    columns = (
        (put_string(m.name) for m in members),
        (put_varint(m.kind) for m in members),
        (put_varint(m.identical + 2 * m.kept) for m in members),
        (put_varint(m.num_frames) for m in members),
        (put_varint(m.size) for m in members),
    )
    return put_varint(len(members)) + b"".join(itertools.chain(*columns))


def parse_members(table: bytes, limits: Limits) -> tuple[Member, ...]:
    """Read and check a table.

    Raises:
        ContainerError: a field is out of range, or a name could lead out of the folder, or to another member.
    """
    fields = Fields(table, ContainerError, "the table of members")
    count = fields.varint()
    if not 0 < count <= min(limits.max_frames, len(table)):
        raise ContainerError(f"{count:,} members: there are 1 to {limits.max_frames:,}")
    names = [fields.string() for _ in range(count)]
    kinds, fidelities, frames, sizes = ([fields.varint() for _ in range(count)] for _ in range(4))
    fields.end()
    check_names(names)
    return tuple(map(_checked, names, kinds, fidelities, frames, sizes))


def _checked(name: bytes, kind: int, fidelity: int, num_frames: int, size: int) -> Member:
    if kind not in list(Kind) or kind in (*ARRAYS, Kind.RAW, Kind.SERIES) or fidelity >= 2 * MAX_KEPT:
        raise ContainerError(f"a member of kind {kind} and fidelity {fidelity} does not exist")
    kept, identical = divmod(fidelity, 2)
    if not num_frames and not identical:
        raise ContainerError("a member without frames is a file as it is, and this is none")
    if num_frames and kind == Kind.FILE:
        raise ContainerError("a file that is kept whole has no frames")
    return Member(name, Kind(kind), bool(identical), kept, num_frames, size)


def check_names(names: Sequence[bytes]) -> None:
    """Make sure that files of these names lie below one folder, each in a place of its own.

    Raises:
        ContainerError: they do not.
    """
    for name in names:
        if not is_name(name):
            raise ContainerError(f"{name[:_SHOWN]!r} is no name of a file below a folder")
    paths = sorted(name.split(b"/") for name in names)
    for path, after in itertools.pairwise(paths):  # what begins with a path follows it at once
        if after[: len(path)] == path:
            what = "the name of two members" if path == after else "the name of a member, and of another's folder"
            raise ContainerError(f"{b'/'.join(path)[:_SHOWN]!r} is {what}")


def is_name(name: bytes) -> bool:
    """Whether it names a file below a folder, on every system that has slashes between parts."""
    if len(name) > MAX_NAME_BYTES or name.count(b"/") >= MAX_PARTS or b"\0" in name:
        return False
    return all(0 < len(part) <= MAX_PART_BYTES and part not in (b".", b"..") for part in name.split(b"/"))
