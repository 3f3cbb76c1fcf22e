""".hpac bytes to image: tile by tile, checked against the stored hash."""

import io
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpac_cli.container.fields import NETWORK_MODES, Coding, Frame
from hpac_cli.container.parse import Reader, TileChunk
from hpac_cli.errors import ContainerError
from hpac_cli.image import Image, Samples, join
from hpac_cli.kept import Kept

from .hashes import hash_samples
from .kinds import KIND_NAMES
from .network_tiles import NetworkTile, decode_values
from .networks import Networks
from .payloads import unpack
from .references import Known
from .series import list_members, read_whole_members
from .threads import spread
from .tiles import Box, tile_boxes
from .values import Values, from_ordered
from .whole import decode_whole

_WINDOW, _WINDOW_BYTES = 64, 8 << 20
"""Tiles that are held, so that chains of references are decoded side by side: so many, of so many coded bytes and one more."""


class TileJob(NamedTuple):
    """One part of one tile, and where it goes."""

    frame: int
    part: int
    box: Box
    tile: TileChunk


class KnownTile(NamedTuple):
    """One part of one tile that was decoded before, and where it goes."""

    frame: int
    part: int
    box: Box
    samples: Samples


class _Target:
    """One frame being decoded: its samples, and what its parts need.

    Memory is touched by tiles that were decoded, never by a claim alone; only what is salvaged is filled at first, with another
    value than 0, and container.salvage bounds its claims. A frame without tiles is one pixel, seen as (H, W, C); constant
    parts of others are written last.
    """

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        height, width = (frame.height, frame.width) if frame.coded_parts else (1, 1)
        self.samples: Samples = np.zeros((height, width, frame.channels), frame.sample_type)
        self.values = [Values(part) for part in frame.parts]

    def finish(self) -> Samples:
        """Write constant parts; (H, W, C) samples, which are not writable where all are constant."""
        for index, part in enumerate(self.frame.parts):
            if part.coding is Coding.CONSTANT:
                self._write(index, slice(None), slice(None), np.zeros((1, 1, 1), np.int32))
        return np.broadcast_to(self.samples, (self.frame.height, self.frame.width, self.frame.channels))

    def place(self, job: TileJob, coded: NDArray[Any]) -> None:
        """Write a decoded tile, (H, W, C) coded values of one part."""
        self._write(job.part, *_slices(job.box), coded)

    def put(self, known: KnownTile) -> None:
        """Write a tile's samples."""
        self.samples[*_slices(known.box), self.frame.channels_of[known.part]] = known.samples

    def take(self, job: TileJob) -> Samples:
        """A tile's samples, once they are written."""
        return self.samples[*_slices(job.box), self.frame.channels_of[job.part]]

    def _write(self, part: int, rows: slice, columns: slice, coded: NDArray[Any]) -> None:
        ordered = self.values[part].from_coded(coded, f"u{self.frame.sample_type[1:]}")
        samples = from_ordered(ordered, self.frame.sample_type)
        self.samples[rows, columns, self.frame.channels_of[part]] = samples


def _slices(box: Box) -> tuple[slice, slice]:
    """Rows and columns."""
    return slice(box.y, box.y + box.height), slice(box.x, box.x + box.width)


class _Order:
    """Sees that what a tile refers to is decoded before it. Jobs begin in their order, so nobody waits for ever."""

    def __init__(self, frames: tuple[Frame, ...]) -> None:
        self._frames = frames
        self._awaited = {
            (number - reference.back, frames[number - reference.back].part_of[reference.channel])
            for number, frame in enumerate(frames)
            for part in frame.parts
            for reference in part.references
        }
        self._changed = threading.Condition()
        self._is_whole: dict[tuple[int, int, Box], bool | None] = {}

    def arrange(self, jobs: Iterator[TileJob | KnownTile]) -> Iterator[TileJob | KnownTile]:
        """Put those first that need the fewest others, so that chains of references are decoded side by side.

        Jobs come out a window after another, and each behind those that it refers to.
        """
        if not self._awaited:
            yield from jobs
            return
        window: list[TileJob | KnownTile] = []
        held = 0
        for job in jobs:
            window.append(job)
            held += len(job.tile.payload) if isinstance(job, TileJob) else 0
            if len(window) == _WINDOW or held > _WINDOW_BYTES:
                yield from self._by_depth(window)
                window, held = [], 0
        yield from self._by_depth(window)

    def _by_depth(self, window: Iterable[TileJob | KnownTile]) -> list[TileJob | KnownTile]:
        """Sort jobs by how long the chains are that end with them."""
        depths: dict[tuple[int, int, Box], int] = {}
        for job in window:
            told = (depths.get(key, 0) for key in self._told_of(job))
            depths[job.frame, job.part, job.box] = 1 + max(told, default=0)
        return sorted(window, key=lambda job: depths[job.frame, job.part, job.box])

    def _told_of(self, job: TileJob | KnownTile) -> Iterator[tuple[int, int, Box]]:
        """What must be decoded before a tile."""
        is_told = isinstance(job, TileJob) and job.tile.mode in NETWORK_MODES
        for reference in self._frames[job.frame].parts[job.part].references if is_told else ():
            frame = job.frame - reference.back
            yield frame, self._frames[frame].part_of[reference.channel], job.box

    def begin(self, job: TileJob | KnownTile) -> TileJob | KnownTile:
        """Take note that a tile, whose turn comes soon, will be decoded."""
        if (job.frame, job.part) in self._awaited:
            self._is_whole[job.frame, job.part, job.box] = None
        return job

    @contextmanager
    def turn_of(self, job: TileJob | KnownTile) -> Iterator[None]:
        """Wait until all that a tile refers to is there; tell others when the tile is.

        Raises:
            ContainerError: something that it refers to is missing.
        """
        is_whole = False
        try:
            for key in self._told_of(job):
                self._wait_for(key)
            yield
            is_whole = True
        finally:
            if (job.frame, job.part) in self._awaited:
                with self._changed:
                    self._is_whole[job.frame, job.part, job.box] = is_whole
                    self._changed.notify_all()

    def _wait_for(self, key: tuple[int, int, Box]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_whole.get(key, False) is not None)
            if not self._is_whole.get(key, False):
                raise ContainerError("a tile is lost that another one refers to")


def decode_image(
    reader: Reader, *, networks: Networks, threads: int = 1, progress: Callable[[int], None] = lambda _: None
) -> Image:
    """Decode the image of an opened container.

    Args:
        threads: to spread the tiles over.
        progress: called with the number of samples done since the last call.

    Raises:
        ContainerError: truncated or altered.
        ModelError: the weights it names are not installed.
    """
    header = reader.header
    kind, suffix = KIND_NAMES[header.kind], os.fsdecode(header.suffix)
    if header.is_whole:
        file = io.BytesIO()
        decode_whole(reader, file)
        return Image(
            (), kind, file_hash=reader.file_hash, identical=True, suffix=suffix, kept=Kept(header.kept), whole=file
        )
    whole = read_whole_members(reader)
    networks = networks.adapted(header.adapters)
    frames, _ = decode_frames(header.frames, _jobs(reader), networks=networks, threads=threads, progress=progress)
    if not hash_samples(frames).startswith(reader.samples_hash):
        raise ContainerError("the decoded samples do not match the stored SHA-256")
    if header.is_series:
        return join(list_members(reader, frames, whole))
    kept = Kept(header.kept)
    return Image(frames, kind, reader.metadata, reader.file_hash, header.identical, suffix=suffix, kept=kept)


def decode_frames(
    frames: tuple[Frame, ...],
    jobs: Iterator[TileJob | KnownTile],
    *,
    networks: Networks,
    threads: int = 1,
    progress: Callable[[int], None] = lambda _: None,
    keep: Callable[[int, Samples], None] = lambda *_: None,
    fill: int | None = None,
) -> tuple[tuple[Samples, ...], list[TileJob]]:
    """Decode tiles into frames.

    Args:
        jobs: those that others refer to come before these.
        keep: called with each tile's number in the file and its samples, (H, W, C), as soon as it is decoded.
        fill: of samples that no job decodes; given, a job that cannot be decoded is no error.

    Returns:
        The frames' samples, and the jobs that could not be decoded.

    Raises:
        ContainerError: damaged.
        ModelError: weights that a frame names are not installed.
    """
    for digest in {part.weights_digest for frame in frames for part in frame.parts if part.weights_digest}:
        networks.by_digest(digest)  # a missing set is reported before any work
    order = _Order(frames)
    targets = [_Target(frame) for frame in frames]
    if fill:  # with 0 they are filled as they are
        for target in targets:
            target.samples[...] = _nearest(fill, target.samples.dtype)
    known = Known(frames, [target.samples for target in targets])

    def work(job: TileJob | KnownTile) -> tuple[TileJob | KnownTile, bool]:
        try:
            with order.turn_of(job):
                if isinstance(job, KnownTile):
                    targets[job.frame].put(job)
                else:
                    _decode_tile(job, targets[job.frame], networks, known)
                    keep(job.tile.index, targets[job.frame].take(job))
        except ContainerError:
            if fill is None:
                raise
            return job, False
        return job, True

    lost = []
    threads = min(threads, sum(frame.num_tiles for frame in frames))
    arranged = order.arrange(jobs) if threads > 1 else jobs
    for job, is_whole in spread(work, map(order.begin, arranged), threads=threads):
        progress(job.box.height * job.box.width * frames[job.frame].parts[job.part].channels)
        if not is_whole and isinstance(job, TileJob):
            lost.append(job)
    return tuple(target.finish() for target in targets), lost


def _nearest(value: int, dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "f":
        return value
    limits = np.iinfo(dtype)
    return min(max(value, limits.min), limits.max)


def places_of_tiles(frames: tuple[Frame, ...]) -> Iterator[tuple[int, int, Box]]:
    """List (frame, part, box) of all tile chunks in their order."""
    for index, frame in enumerate(frames):
        for box in tile_boxes(frame.height, frame.width, frame.tile) if frame.numbers_of_coded else ():
            for part in frame.numbers_of_coded:
                yield index, part, box


def _jobs(reader: Reader) -> Iterator[TileJob]:
    tiles = reader.tiles()
    for place in places_of_tiles(reader.header.frames):
        chunk = next(tiles, None)
        if chunk is None:
            raise ContainerError("tiles are missing before the end")
        yield TileJob(*place, chunk)
    if next(tiles, None) is not None:
        raise ContainerError("there are more tiles than the frames have")


def _decode_tile(job: TileJob, target: _Target, networks: Networks, known: Known) -> None:
    part, box, tile = target.frame.parts[job.part], job.box, job.tile
    if tile.mode not in NETWORK_MODES:
        target.place(job, unpack(tile.mode, tile.payload, (box.height, box.width, part.channels), part.bit_depth))
        return
    if not part.weights_digest:
        raise ContainerError(f"tile {tile.index} is said to be coded by a network, but its part names none")
    network = networks.by_digest(part.weights_digest)
    if network.coder.planes != part.channels:
        raise ContainerError(f"weights {network.weights.name} do not code so many channels")
    if len(part.references) > network.coder.references:
        raise ContainerError(f"weights {network.weights.name} are not told of so many references")
    told = known.told(job.frame, part, box)
    size = (box.height, box.width)
    coded = NetworkTile(tile.mode, tile.payload, size, part.colours, tile.orientation, part.cells, told, part.repeats)
    target.place(job, decode_values(network, coded, part.bit_depth))
