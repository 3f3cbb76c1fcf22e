"""What is in an .hpac file, and how alike two pictures are."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from hpac_cli.errors import InputError, UsageError
from hpac_cli.limits import DEFAULT_LIMITS, Limits

from .rebuilding import rebuild
from .remote import open_named
from .session import Session
from .streams import Counting, read_whole
from .views import View, list_views, view_of_all

if TYPE_CHECKING:
    from hpac_cli.container.fields import Frame
    from hpac_cli.container.parse import Head, Reader
    from hpac_cli.image import Image

_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One .hpac file, in a list of many."""

    file: str
    kind: str
    """Of the source: a key of images.SUFFIXES."""
    suffix: str
    """Of the source's name."""
    fidelity: str
    frames: int
    width: int
    """Of the first frame, as are height, channels and sample_type; 0 and "" where there are none."""
    height: int
    channels: int
    sample_type: str
    bytes: int
    """Of the .hpac file."""
    source_bytes: int | None
    """None where only decoding tells."""

    @property
    def ratio(self) -> float | None:
        """How many times smaller the .hpac file is."""
        return None if self.source_bytes is None else self.source_bytes / max(1, self.bytes)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "ratio": None if self.ratio is None else round(self.ratio, 4)}


def list_file(source: str, limits: Limits = DEFAULT_LIMITS) -> Entry:
    """Describe one .hpac file by its beginning; of one that was kept whole, all is read. Tiles are not looked at.

    Raises:
        HpacError: any of errors.py.
    """
    from hpac_cli.codec.kinds import KIND_NAMES
    from hpac_cli.container.parse import Reader

    with open_named(source) as stream:
        counted = Counting(stream)
        reader = Reader(counted, limits)  # type: ignore[arg-type]
        header = reader.header
        kind, frames = KIND_NAMES[header.kind], header.frames
        whole = sum(piece.size for piece in reader.pieces())
        if stream.seekable():
            size = stream.seek(0, os.SEEK_END)
        else:
            while counted.read(_READ_BYTES):
                pass
            size = counted.count
    views = list(list_views(reader))
    with_frames = next((view for view in views if view.frames), None)
    described = _describe_frames(with_frames.kind, with_frames.metadata, with_frames.frames[:1]) if with_frames else []
    first = {name: (described or [_NO_FRAME])[0][name] for name in _NO_FRAME}
    known = whole if header.is_whole else _source_bytes(views)
    fidelity = "bytes" if header.identical else "samples+metadata"
    suffix = os.fsdecode(header.suffix)
    return Entry(source, kind, suffix, fidelity, len(frames), **first, bytes=size, source_bytes=known)


_NO_FRAME: dict[str, Any] = {"width": 0, "height": 0, "channels": 0, "sample_type": ""}


def _source_bytes(views: Iterable[View]) -> int | None:
    """Of the files that decoding gives; None where only decoding tells, and of what is no series and kept whole."""
    from hpac_cli.images.sizes import source_bytes

    sizes = [
        source_bytes(view.kind, view.metadata, sum(frame.num_bytes for frame in view.frames))
        if view.frames
        else view.whole_bytes
        for view in views
    ]
    return None if None in sizes else sum(size or 0 for size in sizes)


def describe_header(reader: Head, view: View | None = None) -> dict[str, Any]:
    """Describe a file by its beginning, in plain values.

    Args:
        view: one file of a series; None for the container.
    """
    from hpac_cli.kept import Kept

    views = [view] if view else list(list_views(reader))
    view = view or view_of_all(reader)
    kept = Kept(view.kept)
    return {
        "format_version": ".".join(map(str, reader.version)),
        "kind": view.kind,
        "suffix": view.suffix,
        "fidelity": "bytes" if view.identical else "samples+metadata",
        "kept": kept.name.lower() if kept else "",
        "kept_whole": not view.frames and view.kind != "series",
        "source_bytes": _source_bytes(views),
        "frames": [f for each in views for f in _describe_frames(each.kind, each.metadata, each.frames)],
        "adapters": [
            {"weights": adapted.base.hex(), "bytes": len(adapted.change)} for adapted in reader.header.adapters
        ],
        "metadata_bytes": len(view.metadata),
    }


def inspect(source: str, limits: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
    """Describe one .hpac file without decoding samples; every checksum is checked.

    Returns:
        Plain values for JSON: geometry, mode, weights, sizes per part in bytes, bpsp.

    Raises:
        HpacError: any of errors.py.
    """
    from hpac_cli.container.fields import TileMode
    from hpac_cli.container.parse import Reader

    with open_named(source) as stream:
        reader = Reader(stream, limits)
        header = reader.header
        file_bytes = sum(piece.size for piece in reader.pieces())
        modes = dict.fromkeys((mode.name.lower() for mode in TileMode), 0)
        turned = 0
        tile_bytes: list[int] = []
        for tile in reader.tiles():
            modes[tile.mode.name.lower()] += 1
            turned += tile.orientation > 0
            tile_bytes.append(tile.size)
    size, described = sum(reader.sizes.values()), describe_header(reader)
    return {
        "file": source,
        **described,
        "source_bytes": file_bytes if header.is_whole else described["source_bytes"],
        "kept_whole_bytes": file_bytes,
        "members": _describe_members(reader, tile_bytes),
        "tiles": modes,
        "turned_tiles": turned,
        "bytes": {**reader.sizes, "total": size},
        "bpsp": round(8 * size / header.num_samples, 4) if header.num_samples else None,
        "samples_sha256": reader.samples_hash.hex(),
        "file_sha256": reader.file_hash.hex(),
    }


def _describe_members(reader: Reader, tile_bytes: list[int]) -> list[dict[str, Any]]:
    """Say which files a series has, which of its frames are theirs, and what they take; nothing of other files."""
    from hpac_cli.codec.kinds import KIND_NAMES
    from hpac_cli.kept import Kept

    members, first = [], 0
    sizes = iter(tile_bytes)
    for entry, frames, digest in zip(
        reader.header.members, reader.header.frames_of_members(), reader.member_hashes, strict=True
    ):
        kept = Kept(entry.kept)
        own = list(itertools.islice(sizes, sum(frame.num_tiles for frame in frames)))
        members.append(
            {
                "name": os.fsdecode(entry.name),
                "kind": KIND_NAMES[entry.kind],
                "fidelity": "bytes" if entry.identical else "samples+metadata",
                "kept": kept.name.lower() if kept else "",
                "kept_whole": not frames,
                "first_frame": first,
                "frames": len(frames),
                "metadata_bytes": entry.size if frames else 0,
                "kept_whole_bytes": 0 if frames else entry.size,
                "tile_bytes": sum(own),
                "sha256": digest.hex(),
            }
        )
        first += len(frames)
    return members


def _describe_frames(kind: str, metadata: bytes, frames: tuple[Frame, ...]) -> list[dict[str, Any]]:
    """Describe frames as other readers see them, and how they are coded."""
    shapes = [(f.height, f.width, f.channels) for f in frames]
    if kind == "dicom" and any(channels % 2 == 0 for *_, channels in shapes):  # else nothing is to be loaded for that
        from hpac_cli.images.colours import shapes_seen

        shapes = shapes_seen(metadata, [(shape, f.sample_type) for shape, f in zip(shapes, frames, strict=True)])
    return [_describe_frame(frame, shape) for frame, shape in zip(frames, shapes, strict=True)]


def _describe_frame(frame: Frame, shape: tuple[int, int, int]) -> dict[str, Any]:
    height, width, channels = shape
    return {
        "width": width,
        "height": height,
        "channels": channels,
        "sample_type": frame.sample_type,
        "tile": frame.tile,
        "parts": [
            {
                "channels": part.channels,
                "numbers": list(numbers),
                "coding": part.coding.name.lower(),
                "bit_depth": part.bit_depth,
                "weights": part.weights_digest.hex(),
                "colours": part.colours.name.lower(),
                "cells": len(part.cells),
                "repeats": part.repeats,
                "values": "table" if part.table else f"from {part.offset}" if part.offset else "as they are",
                "references": [{"frames_back": r.back, "channel": r.channel} for r in part.references],
            }
            for part, numbers in zip(frame.parts, frame.listed, strict=True)
        ],
    }


_Opened = tuple[bytes, "Image | None"]
"""The bytes of a file, or of what an .hpac file was made of, and then the image in it."""

LIKENESSES = ("different", "samples", "samples+metadata", "bytes")
"""How alike two pictures can be, from least to most."""


def compare(one: str, other: str, session: Session) -> str:
    """Say how alike two files are, each a picture or the .hpac file of one; other files can only be the same bytes.

    A series, or a folder, is as like another as the two files of a name that are least alike.

    Returns:
        One of LIKENESSES; of .hpac files, the files that decoding gives are compared.

    Raises:
        UsageError: one is a series or a folder, the other is neither.
        HpacError: any other of errors.py, of either file.
    """
    opened = [_open_all(source, session) for source in (one, other)]
    if ("" in opened[0]) != ("" in opened[1]):
        raise UsageError("a series is compared with another, or with a folder")
    if opened[0].keys() != opened[1].keys():
        return LIKENESSES[0]
    compare_two = _compare if "" in opened[0] else _compare_any
    pairs = ((file(), opened[1][name]()) for name, file in opened[0].items())
    return min((compare_two(*pair, session.options.limits) for pair in pairs), key=LIKENESSES.index)


def _compare_any(opened: _Opened, other: _Opened, limits: Limits) -> str:
    """Compare files that need not be pictures."""
    try:
        return _compare(opened, other, limits)
    except InputError:
        return LIKENESSES[0]


def _compare(opened: _Opened, other: _Opened, limits: Limits) -> str:
    from hpac_cli import images
    from hpac_cli.image import same_frames

    if opened[0] == other[0]:
        return "bytes"
    image, other_image = (
        image if image and image.frames else images.read(data, limits, transcode=True)
        for data, image in (opened, other)
    )
    if not same_frames(image.frames, other_image.frames) or not image.frames:
        return "different"
    around, other_around = (images.surroundings(i) for i in (image, other_image))
    return "samples+metadata" if (image.kind, around) == (other_image.kind, other_around) else "samples"


def _open_all(source: str, session: Session) -> dict[str, Callable[[], _Opened]]:
    """The files of a series or a folder by name, each read when it is asked for; of any other file that alone, without name."""
    from hpac_cli.container.fields import SIGNATURE

    if os.path.isdir(source):
        paths = (os.path.join(folder, name) for folder, _, names in os.walk(source) for name in names)
        return {os.path.relpath(path, source).replace(os.sep, "/"): partial(_read_file, path) for path in paths}
    data = read_whole(source)
    if not data.startswith(SIGNATURE):
        return {"": lambda: (data, None)}
    image = session.decode(session.open(io.BytesIO(data)))
    if not image.members:
        return {"": partial(_rebuild, image)}
    return {name: partial(_rebuild, each) for name, each in image.members}


def _read_file(path: str) -> _Opened:
    return read_whole(path), None


def _rebuild(image: Image) -> _Opened:
    return rebuild(image), image
