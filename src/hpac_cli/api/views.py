"""Files in a container: the only one, or those of a series, each with what its frames need."""

from __future__ import annotations

import bisect
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from hpac_cli.errors import UsageError

if TYPE_CHECKING:
    from hpac_cli.container.fields import Frame, Header
    from hpac_cli.container.parse import Head
    from hpac_cli.image import Samples


def find_member(header: Header, name: str) -> int:
    """Number of the file of a series that has a name.

    Raises:
        UsageError: there is none.
    """
    if not header.is_series:
        raise UsageError("it holds one file, no series; read it without naming a member")
    wanted = os.fsencode(name)
    number = next((i for i, member in enumerate(header.members) if member.name == wanted), None)
    if number is None:
        raise UsageError(f"the series holds no file {name}; hpac info lists {len(header.members):,}")
    return number


class View(NamedTuple):
    """One file of a container, as much of it as its frames need."""

    kind: str
    suffix: str
    """Of its name."""
    metadata: bytes
    frames: tuple[Frame, ...]
    identical: bool
    kept: int
    first: int
    """Number of its first frame in the container."""
    whole_bytes: int | None = None
    """Of a file of a series that is kept whole."""

    def stand_ins(self) -> tuple[Samples, ...]:
        """Arrays of the shapes and types of all frames as they are coded, which take no memory."""
        from hpac_cli.images.colours import stand_ins

        return stand_ins([((f.height, f.width, f.channels), f.sample_type) for f in self.frames])


def view_of_all(reader: Head) -> View:
    """The only file of a container, or all of a series as if they were one."""
    from hpac_cli.codec.kinds import KIND_NAMES

    header = reader.header
    kind, suffix = KIND_NAMES[header.kind], os.fsdecode(header.suffix)
    return View(kind, suffix, reader.metadata, header.frames, header.identical, header.kept, 0)


def list_views(reader: Head) -> Iterator[View]:
    """The files of a series, or the only one of another container."""
    from hpac_cli.codec.kinds import KIND_NAMES

    header, at, first = reader.header, 0, 0
    if not header.is_series:
        yield view_of_all(reader)
    for entry, frames in zip(header.members, header.frames_of_members(), strict=True):
        envelope = reader.metadata[at : at + entry.size] if frames else b""
        suffix = os.path.splitext(os.fsdecode(entry.name))[1]
        whole_bytes = None if frames else entry.size
        yield View(KIND_NAMES[entry.kind], suffix, envelope, frames, entry.identical, entry.kept, first, whole_bytes)
        at, first = at + len(envelope), first + len(frames)


def find_view(reader: Head, member: str | None, frame: int | None) -> tuple[View, int | None]:
    """The file that is meant, and which of its frames: a member, or the one that has a frame of all, or the only one.

    Raises:
        UsageError: there is no such member or frame, or none was named of a series.
    """
    views = list(list_views(reader))
    if member is not None:
        return views[find_member(reader.header, member)], frame
    if len(views) == 1:
        return views[0], frame
    if frame is None:
        raise UsageError("it holds a series; name a frame of all with --frame, or a file with --member")
    return with_frame(views, frame)


def with_frame(views: Sequence[View], frame: int) -> tuple[View, int]:
    """The file that has a frame of all, and the frame's number in it.

    Raises:
        UsageError: none has.
    """
    from hpac_cli.codec.partial import check_frame

    # the first frame of a file without any is the next one's
    at = bisect.bisect_right(views, frame, key=lambda view: view.first) - 1
    check_frame(frame, views[-1].first + len(views[-1].frames))
    return views[at], frame - views[at].first
