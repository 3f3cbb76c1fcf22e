""".hpac bytes to image: batches of tiles at once, checked against the stored hash."""

import math
import mmap
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hpac_cli.container.fields import Header, TileMode
from hpac_cli.container.parse import Reader, TileChunk
from hpac_cli.errors import ContainerError
from hpac_cli.image import Image
from hpac_cli.intnet.planes import from_planes

from .encode import hash_samples
from .kinds import KIND_NAMES
from .networks import Networks
from .tiles import Box, decode_tiles, tile_boxes
from .workers import spread

BATCH_PIXELS = 1 << 20
"""Tiles decoded side by side hold at most so many pixels: bounds memory."""


@dataclass(frozen=True)
class _Job:
    """One part of one tile, and where it goes."""

    box: Box
    first: int
    channels: int
    digest: bytes
    tile: TileChunk


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
    for digest in {part.weights_digest for part in header.parts}:
        networks.by_digest(digest)  # a missing set is reported before any work
    num_tiles = -(-header.height // header.tile) * -(-header.width // header.tile)
    workers = min(workers, num_tiles)
    samples = _shared_samples((header.height, header.width, header.channels), shared=workers > 1)

    def work(batch: list[_Job], advance: Callable[[int], None]) -> None:
        _decode_batch(batch, header, samples, networks, advance)

    size = min(BATCH_PIXELS, -(-header.width * header.height // workers))
    for _ in spread(work, _batches(_jobs(reader), size * len(header.parts)), workers=workers, advance=progress):
        pass
    if hash_samples(samples) != reader.samples_hash:
        raise ContainerError("the decoded samples do not match the stored SHA-256")
    return Image(samples, header.bit_depth, KIND_NAMES[header.kind], reader.metadata)


def _shared_samples(shape: tuple[int, int, int], *, shared: bool) -> NDArray[np.uint8]:
    """Make room for the samples, seen by forked workers too if shared; pages cost memory once used."""
    if not shared:
        return np.zeros(shape, np.uint8)
    return np.frombuffer(mmap.mmap(-1, math.prod(shape)), np.uint8).reshape(shape)


def _jobs(reader: Reader) -> Iterator[_Job]:
    header, tiles = reader.header, reader.tiles()
    for box in tile_boxes(header.height, header.width, header.tile):
        first = 0
        for part in header.parts:
            chunk = next(tiles, None)
            if chunk is None:
                raise ContainerError("tiles are missing before the end")
            yield _Job(box, first, part.channels, part.weights_digest, chunk)
            first += part.channels
    if next(tiles, None) is not None:
        raise ContainerError("there are more tiles than the image has")


def _batches(jobs: Iterator[_Job], size: int) -> Iterator[list[_Job]]:
    """Group jobs until they hold `size` pixels."""
    batch: list[_Job] = []
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
    batch: list[_Job], header: Header, samples: NDArray[np.uint8], networks: Networks, progress: Callable[[int], None]
) -> None:
    for job in batch:
        if job.tile.mode is TileMode.DEFLATE:
            _place(samples, job, _inflate_tile(job))
            progress(job.box.height * job.box.width * job.channels)
    coded = [job for job in batch if job.tile.mode is TileMode.NETWORK]
    for digest in sorted({job.digest for job in coded}):
        same = [job for job in coded if job.digest == digest]
        network, channels = networks.by_digest(digest), same[0].channels
        if network.shape.planes != channels:
            raise ContainerError(f"weights {network.weights.name} do not code {channels} channels")
        tiles = decode_tiles(
            network,
            [job.tile.payload for job in same],
            [(job.box.height, job.box.width) for job in same],
            header.bit_depth,
            lambda pixels, channels=channels: progress(pixels * channels),  # type: ignore[misc]
        )
        for job, planes in zip(same, tiles, strict=True):
            _place(samples, job, _to_samples(planes))


def _inflate_tile(job: _Job) -> NDArray[np.uint8]:
    size = job.box.height * job.box.width * job.channels
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(job.tile.payload, size + 1)
    except zlib.error as error:
        raise ContainerError(f"tile {job.tile.index} is damaged") from error
    if len(data) != size or not inflater.eof or inflater.unused_data:
        raise ContainerError(f"tile {job.tile.index} is damaged")
    return np.frombuffer(data, np.uint8).reshape(job.box.height, job.box.width, job.channels)


def _to_samples(planes: Tensor) -> NDArray[np.uint8]:
    samples: NDArray[np.uint8] = from_planes(planes).cpu().numpy().transpose(1, 2, 0).astype(np.uint8)
    return samples


def _place(samples: NDArray[np.uint8], job: _Job, tile: NDArray[np.uint8]) -> None:
    box = job.box
    samples[box.y : box.y + box.height, box.x : box.x + box.width, job.first : job.first + job.channels] = tile
