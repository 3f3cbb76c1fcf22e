"""What is in an .hpac file, and how alike are two pictures?"""

from __future__ import annotations

import io
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from hpac_cli import files
from hpac_cli.limits import DEFAULT_LIMITS, Limits

from .decoding import rebuild
from .session import Session
from .streams import Counting, read_whole

if TYPE_CHECKING:
    from hpac_cli.container.fields import Frame
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

    with files.open_input(source) as stream:
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
    described = _describe_frames(kind, reader.metadata, frames) or [_NO_FRAME]
    first = {name: described[0][name] for name in _NO_FRAME}
    known = _source_bytes(kind, reader.metadata, frames) if frames else whole
    fidelity = "bytes" if header.identical else "samples+metadata"
    suffix = os.fsdecode(header.suffix)
    return Entry(source, kind, suffix, fidelity, len(frames), **first, bytes=size, source_bytes=known)


_NO_FRAME: dict[str, Any] = {"width": 0, "height": 0, "channels": 0, "sample_type": ""}


def _source_bytes(kind: str, metadata: bytes, frames: tuple[Frame, ...]) -> int | None:
    from hpac_cli.images.sizes import source_bytes

    return source_bytes(kind, metadata, sum(frame.num_bytes for frame in frames))


def inspect(source: str, limits: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
    """Describe one .hpac file without decoding samples; every checksum is checked.

    Returns:
        Plain values for JSON: geometry, mode, weights, sizes per part in bytes, bpsp.

    Raises:
        HpacError: any of errors.py.
    """
    from hpac_cli.codec.kinds import KIND_NAMES
    from hpac_cli.container.fields import TileMode
    from hpac_cli.container.parse import Reader
    from hpac_cli.kept import Kept

    with files.open_input(source) as stream:
        reader = Reader(stream, limits)
        header = reader.header
        file_bytes = sum(piece.size for piece in reader.pieces())
        modes = dict.fromkeys((mode.name.lower() for mode in TileMode), 0)
        turned = 0
        for tile in reader.tiles():
            modes[tile.mode.name.lower()] += 1
            turned += tile.orientation > 0
    size, kept = sum(reader.sizes.values()), Kept(header.kept)
    known = _source_bytes(KIND_NAMES[header.kind], reader.metadata, header.frames) if header.frames else file_bytes
    adapters = [{"weights": adapted.base.hex(), "bytes": len(adapted.change)} for adapted in header.adapters]
    return {
        "file": source,
        "format_version": ".".join(map(str, reader.version)),
        "kind": KIND_NAMES[header.kind],
        "fidelity": "bytes" if header.identical else "samples+metadata",
        "kept": kept.name.lower() if kept else "",
        "kept_whole": not header.frames,
        "kept_whole_bytes": file_bytes,
        "frames": _describe_frames(KIND_NAMES[header.kind], reader.metadata, header.frames),
        "tiles": modes,
        "turned_tiles": turned,
        "adapters": adapters,
        "metadata_bytes": len(reader.metadata),
        "source_bytes": known,
        "bytes": {**reader.sizes, "total": size},
        "bpsp": round(8 * size / header.num_samples, 4) if header.num_samples else None,
        "samples_sha256": reader.samples_hash.hex(),
        "file_sha256": reader.file_hash.hex(),
    }


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
                "coding": part.coding.name.lower(),
                "bit_depth": part.bit_depth,
                "weights": part.weights_digest.hex(),
                "colours": part.colours.name.lower(),
                "cells": len(part.cells),
                "values": "table" if part.table else f"from {part.offset}" if part.offset else "as they are",
            }
            for part in frame.parts
        ],
    }


LIKENESSES = ("different", "samples", "samples+metadata", "bytes")
"""How alike two pictures can be, from least to most."""


def compare(one: str, other: str, session: Session) -> str:
    """Say how alike two files are, each a picture or the .hpac file of one; other files can only be the same bytes.

    Returns:
        One of LIKENESSES; of .hpac files, the files that decoding gives are compared.

    Raises:
        HpacError: any of errors.py, of either file.
    """
    from hpac_cli import images
    from hpac_cli.image import same_frames

    opened = [_open_file(source, session) for source in (one, other)]
    if opened[0][0] == opened[1][0]:
        return "bytes"
    image, other_image = (image or images.read(data, session.options.limits, transcode=True) for data, image in opened)
    if not same_frames(image.frames, other_image.frames) or not image.frames:
        return "different"
    around, other_around = (images.surroundings(i) for i in (image, other_image))
    return "samples+metadata" if (image.kind, around) == (other_image.kind, other_around) else "samples"


def _open_file(source: str, session: Session) -> tuple[bytes, Image | None]:
    """The bytes of a file, or of what an .hpac file was made of, and then the image in it."""
    from hpac_cli.container.fields import SIGNATURE

    data = read_whole(source)
    if not data.startswith(SIGNATURE):
        return data, None
    image = session.decode(session.open(io.BytesIO(data)))
    return rebuild(image), image
