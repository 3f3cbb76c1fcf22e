"""Files in a container: the only one, or those of a series, each with what its frames need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from hpac_cli.errors import UsageError

if TYPE_CHECKING:
    from hpac_cli.container.fields import Frame, Header
    from hpac_cli.container.parse import Reader
    from hpac_cli.image import Samples


def find_member(header: Header, name: str) -> int:
    """Number of the file of a series that has a name.

    Raises:
        UsageError: there is none.
    """
    if not header.is_series:
        raise UsageError("it holds one file, no series; decode it without --member")
    wanted = os.fsencode(name)
    number = next((i for i, member in enumerate(header.members) if member.name == wanted), None)
    if number is None:
        raise UsageError(f"the series holds no file {name}; hpac info lists {len(header.members):,}")
    return number


class View(NamedTuple):
    """One file of a container, as much of it as its frames need."""

    kind: str
    metadata: bytes
    frames: tuple[Frame, ...]
    kept: int
    first: int
    """Number of its first frame in the container."""

    def stand_ins(self) -> tuple[Samples, ...]:
        """Arrays of the shapes and types of all frames as they are coded, which take no memory."""
        from hpac_cli.images.colours import stand_ins

        return stand_ins([((f.height, f.width, f.channels), f.sample_type) for f in self.frames])


def list_views(reader: Reader) -> Iterator[View]:
    """The files of a series, or the only one of another container."""
    from hpac_cli.codec.kinds import KIND_NAMES

    header, at, first = reader.header, 0, 0
    if not header.is_series:
        yield View(KIND_NAMES[header.kind], reader.metadata, header.frames, header.kept, 0)
    for entry, frames in zip(header.members, header.frames_of_members(), strict=True):
        envelope = reader.metadata[at : at + entry.size] if frames else b""
        yield View(KIND_NAMES[entry.kind], envelope, frames, entry.kept, first)
        at, first = at + len(envelope), first + len(frames)


def view_of(reader: Reader, member: str | None, frame: int | None) -> View:
    """The file that is meant: a member, or the one that has a frame, or the only one."""
    views = list(list_views(reader))
    if member is not None:
        return views[find_member(reader.header, member)]
    if len(views) == 1:
        return views[0]
    if frame is None:
        raise UsageError("it holds a series; name a frame of all with --frame, or a file with --member")
    found = next((view for view in views if view.first <= frame < view.first + len(view.frames)), None)
    if found is None:
        raise UsageError(f"there is no frame {frame}: the series has {len(reader.header.frames)}, counted from 0")
    return found
