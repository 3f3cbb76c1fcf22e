""".hpac bytes to image: batches of tiles at once, checked against the stored hash."""

import itertools
import math
import mmap
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpac_cli.container.fields import NETWORK_MODES, Coding, Frame, Part
from hpac_cli.container.parse import Reader, TileChunk
from hpac_cli.errors import ContainerError
from hpac_cli.image import Image, Samples

from .encode import hash_samples
from .kinds import KIND_NAMES
from .network_tiles import NetworkTile, decode_values
from .networks import Networks
from .payloads import unpack
from .tiles import Box, tile_boxes
from .values import Values, from_ordered
from .workers import spread

BATCH_PIXELS = 1 << 20
"""Tiles decoded side by side hold at most so many pixels: bounds memory."""


class TileJob(NamedTuple):
    """One part of one tile, and where it goes."""

    frame: int
    part: int
    box: Box
    tile: TileChunk


class _Target:
    """One frame being decoded: its samples, and what its parts need."""

    def __init__(self, frame: Frame, samples: Samples) -> None:
        self.frame, self.samples = frame, samples
        self.values = [Values(part) for part in frame.parts]
        self.first = list(itertools.accumulate((part.channels for part in frame.parts), initial=0))
        for index, part in enumerate(frame.parts):
            if part.coding is Coding.CONSTANT:
                self._write(index, slice(None), slice(None), np.zeros((1, 1, 1), np.int32))

    def place(self, job: TileJob, coded: NDArray[Any]) -> None:
        """Write a decoded tile, (H, W, C) coded values of one part."""
        box = job.box
        self._write(job.part, slice(box.y, box.y + box.height), slice(box.x, box.x + box.width), coded)

    def _write(self, part: int, rows: slice, columns: slice, coded: NDArray[Any]) -> None:
        ordered = self.values[part].from_coded(coded, f"u{self.frame.sample_type[1:]}")
        samples = from_ordered(ordered, self.frame.sample_type)
        self.samples[rows, columns, self.first[part] : self.first[part + 1]] = samples


def decode_image(
    reader: Reader, *, networks: Networks, workers: int = 1, progress: Callable[[int], None] = lambda _: None
) -> Image:
    """Decode the image of an opened container.

    Args:
        workers: processes to spread the tiles over.
        progress: called with the number of samples done since the last call.

    Raises:
        ContainerError: truncated or altered.
        ModelError: the weights it names are not installed.
    """
    header = reader.header
    networks = networks.adapted(header.adapters)
    frames, _ = decode_frames(header.frames, _jobs(reader), networks=networks, workers=workers, progress=progress)
    if not hash_samples(frames).startswith(reader.samples_hash):
        raise ContainerError("the decoded samples do not match the stored SHA-256")
    kind, suffix = KIND_NAMES[header.kind], os.fsdecode(header.suffix)
    return Image(frames, kind, reader.metadata, reader.file_hash, header.identical, suffix=suffix)


def decode_frames(
    frames: tuple[Frame, ...],
    jobs: Iterator[TileJob],
    *,
    networks: Networks,
    workers: int = 1,
    progress: Callable[[int], None] = lambda _: None,
    fill: int | None = None,
) -> tuple[tuple[Samples, ...], list[TileJob]]:
    """Decode tiles into frames.

    Args:
        fill: of samples that no job decodes; given, a job that cannot be decoded is no error.

    Returns:
        The frames' samples, and the jobs that could not be decoded.

    Raises:
        ContainerError: damaged.
        ModelError: weights that a frame names are not installed.
    """
    for digest in {part.weights_digest for frame in frames for part in frame.parts if part.weights_digest}:
        networks.by_digest(digest)  # a missing set is reported before any work
    workers = min(workers, sum(frame.num_tiles for frame in frames))
    room = _make_room(frames, shared=workers > 1)
    if fill is not None:
        for samples in room:
            samples[...] = _nearest(fill, samples.dtype)
    targets = [_Target(frame, samples) for frame, samples in zip(frames, room, strict=True)]

    def work(batch: list[TileJob], advance: Callable[[int], None]) -> list[TileJob]:
        if fill is None:
            _decode_batch(batch, targets, networks, advance)
            return []
        return _decode_what_can_be(batch, targets, networks, advance)

    pixels = sum(frame.width * frame.height * len(frame.coded_parts) for frame in frames)
    size = min(BATCH_PIXELS, -(-pixels // max(1, workers)))
    lost = [job for part in spread(work, _batches(jobs, size), workers=workers, advance=progress) for job in part]
    return tuple(target.samples for target in targets), lost


def _nearest(value: int, dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "f":
        return value
    limits = np.iinfo(dtype)
    return min(max(value, limits.min), limits.max)


def _make_room(frames: tuple[Frame, ...], *, shared: bool) -> list[Samples]:
    """Make room for samples, seen by forked workers too if shared; pages cost memory once used."""
    sizes = [frame.num_samples * int(frame.sample_type[1:]) for frame in frames]
    starts = list(itertools.accumulate((-(-size // 8) * 8 for size in sizes), initial=0))
    memory = mmap.mmap(-1, starts[-1]) if shared else np.zeros(starts[-1], np.uint8)
    room = []
    for frame, size, start in zip(frames, sizes, starts, strict=False):
        dtype, shape = np.dtype(frame.sample_type), (frame.height, frame.width, frame.channels)
        room.append(np.frombuffer(memory, dtype, size // dtype.itemsize, start).reshape(shape))
    return room


def places_of_tiles(frames: tuple[Frame, ...]) -> Iterator[tuple[int, int, Box]]:
    """List (frame, part, box) of all tile chunks in their order."""
    for index, frame in enumerate(frames):
        coded = [i for i, part in enumerate(frame.parts) if part.coding is not Coding.CONSTANT]
        for box in tile_boxes(frame.height, frame.width, frame.tile) if coded else ():
            for part in coded:
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


def _batches(jobs: Iterator[TileJob], size: int) -> Iterator[list[TileJob]]:
    """Group jobs until they hold `size` pixels."""
    batch: list[TileJob] = []
    pixels = 0
    for job in jobs:
        batch.append(job)
        pixels += job.box.height * job.box.width
        if pixels >= size:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch


def _decode_batch(
    batch: list[TileJob], targets: list[_Target], networks: Networks, progress: Callable[[int], None]
) -> None:
    by_network: dict[tuple[bytes, int], list[TileJob]] = {}
    for job in batch:
        part = targets[job.frame].frame.parts[job.part]
        if job.tile.mode in NETWORK_MODES:
            by_network.setdefault((part.weights_digest, part.bit_depth), []).append(job)
        else:
            shape = (job.box.height, job.box.width, part.channels)
            targets[job.frame].place(job, unpack(job.tile.mode, job.tile.payload, shape, part.bit_depth))
            progress(math.prod(shape))
    for (digest, bit_depth), jobs in sorted(by_network.items()):
        _decode_by_network(jobs, digest, bit_depth, targets, networks, progress)


def _decode_what_can_be(
    batch: list[TileJob], targets: list[_Target], networks: Networks, progress: Callable[[int], None]
) -> list[TileJob]:
    """Decode a batch; if that fails, each of its jobs alone; return those that fail."""
    try:
        _decode_batch(batch, targets, networks, progress)
    except ContainerError:
        if len(batch) == 1:
            return batch
        return [job for one in batch for job in _decode_what_can_be([one], targets, networks, progress)]
    return []


def _decode_by_network(
    jobs: list[TileJob],
    digest: bytes,
    bit_depth: int,
    targets: list[_Target],
    networks: Networks,
    progress: Callable[[int], None],
) -> None:
    if not digest:
        raise ContainerError(f"tile {jobs[0].tile.index} is said to be coded by a network, but its part names none")
    network = networks.by_digest(digest)
    channels = network.shape.planes
    if any(_part_of(job, targets).channels != channels for job in jobs):
        raise ContainerError(f"weights {network.weights.name} do not code so many channels")
    tiles = [
        NetworkTile(
            tile.mode, tile.payload, (box.height, box.width), targets[frame].frame.parts[part].colours, tile.orientation
        )
        for frame, part, box, tile in jobs
    ]
    values = decode_values(network, tiles, bit_depth, lambda pixels: progress(pixels * channels))
    for job, coded in zip(jobs, values, strict=True):
        targets[job.frame].place(job, coded)


def _part_of(job: TileJob, targets: list[_Target]) -> Part:
    return targets[job.frame].frame.parts[job.part]
