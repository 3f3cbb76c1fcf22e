"""Image to .hpac bytes: frames are planned, while tiles of those before are coded."""

import os
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

from numpy.typing import NDArray

from hpac_cli.container.build import Writer
from hpac_cli.container.fields import Adapted, CodedTile, Frame, Header, Part
from hpac_cli.errors import LimitExceededError
from hpac_cli.image import Image
from hpac_cli.limits import Limits

from .efforts import KEYFRAME, Effort
from .hashes import hash_samples
from .kinds import KINDS
from .network_tiles import encode_values
from .networks import Networks
from .payloads import measure_quickly, pack_quickly, pack_smallest
from .plan import Planner
from .references import Known, Told
from .series import table_of, write_whole_members
from .threads import Threads
from .tiles import Box, count_tiles, tile_boxes
from .values import Values, to_ordered
from .whole import encode_whole

_WORTH_A_NETWORK = 256
"""A deflated tile smaller than one byte per so many samples is flat; the network is not asked."""
_NEAR = 2
"""Deflating thoroughly makes hardly anything so many times smaller than deflating fast."""


Adapt = Callable[[tuple[Frame, ...]], tuple[tuple[Frame, ...], tuple[Adapted, ...]]]


class _Job(NamedTuple):
    frame: int
    box: Box


def check_size(image: Image, limits: Limits) -> None:
    """Refuse what could be written, but not read again within the same limits.

    Raises:
        LimitExceededError: the image's frames are too many or too large.
    """
    pixels = sum(frame.shape[0] * frame.shape[1] for frame in image.frames)
    for what, count, limit in (
        ("frames", len(image.frames), limits.max_frames),
        ("files", len(image.members), limits.max_frames),
        ("pixels", pixels, limits.max_pixels),
        ("pixels on a side", max((max(frame.shape[:2]) for frame in image.frames), default=0), limits.max_side),
        ("channels", max((frame.shape[2] for frame in image.frames), default=0), limits.max_channels),
        ("bytes of samples", sum(frame.nbytes for frame in image.frames), limits.max_sample_bytes),
        ("bytes beside the samples", len(image.envelope), limits.max_metadata_bytes),
    ):
        if count > limit:
            raise LimitExceededError(f"{count:,} {what}; the limit is {limit:,}")


def encode_image(
    image: Image,
    stream: BinaryIO,
    *,
    networks: Networks,
    effort: Effort,
    tile: int = 0,
    keyframe: int = KEYFRAME,
    threads: int = 1,
    progress: Callable[[int], None] = lambda _: None,
    adapt: Adapt | None = None,
) -> None:
    """Write an image as a container.

    Args:
        stream: binary, need not seek.
        effort: which networks may code it, and how much is tried.
        tile: side of tiles that a network codes, in pixels; 0 for one that suits the image.
        keyframe: frames that one may need to be decoded, itself included.
        threads: to spread the planning of frames and their tiles over.
        progress: called with the number of samples done since the last call.
        adapt: changes weights to suit the frames as they were planned.
    """
    if not image.frames and not image.members:
        return encode_whole(image, stream, progress)
    planner = Planner(
        image,
        networks=networks,
        effort=effort,
        tile=tile,
        keyframe=keyframe,
        threads=threads,
    )
    adapters: tuple[Adapted, ...] = ()
    with Threads(min(threads, count_tiles(image.frames, tile))) as shared:
        planned = planner.plan_all(shared)
        if adapt is not None:
            changed, adapters = adapt(tuple(planned))
            planned, networks = iter(changed), networks.adapted(adapters)
        _write(image, stream, planned, adapters, networks, shared, progress)


def _write(
    image: Image,
    stream: BinaryIO,
    planned: Iterator[Frame],
    adapters: tuple[Adapted, ...],
    networks: Networks,
    threads: Threads,
    progress: Callable[[int], None],
) -> None:
    """Code the tiles of frames while later ones are planned."""
    frames: list[Frame] = []
    values: list[list[Values]] = []
    known = Known((), image.frames)

    def work(job: _Job) -> tuple[list[CodedTile], int]:
        box, frame = job.box, frames[job.frame]
        samples = image.frames[job.frame][box.y : box.y + box.height, box.x : box.x + box.width]
        ordered = to_ordered(samples)
        tiles = []
        for part, channels, mapping in zip(frame.parts, frame.channels_of, values[job.frame], strict=True):
            if part.bit_depth:
                coded = mapping.to_coded(ordered[..., channels])
                tiles.append(encode_part(coded, part, networks, known.told(job.frame, part, box)))
        return tiles, samples.size

    def jobs() -> Iterator[_Job]:
        for index, frame in enumerate(planned):  # while tiles of those before it are coded
            frames.append(frame)
            values.append([Values(part) for part in frame.parts])
            known.plan(index, frame)
            if frame.coded_parts:
                yield from (_Job(index, box) for box in tile_boxes(frame.height, frame.width, frame.tile))

    def begin() -> Writer:
        suffix, members = os.fsencode(image.suffix), table_of(image)
        header = Header(KINDS[image.kind], image.identical, tuple(frames), adapters, suffix, image.kept, members)
        writer = Writer(stream, header, image.envelope)
        write_whole_members(image, writer, progress)
        return writer

    writer: Writer | None = None
    held: list[CodedTile] = []
    for tiles, size in threads.spread(work, jobs()):
        held += tiles
        if len(frames) == len(image.frames):  # the file begins with how all of them are coded
            writer = writer or begin()
            for coded_tile in held:
                writer.tile(coded_tile)
            held.clear()
        progress(size)
    writer = writer or begin()
    for coded_tile in held:
        writer.tile(coded_tile)
    writer.end(hash_samples(image.frames), *(picture.file_hash for picture in image.pictures))


def encode_part(coded: NDArray[Any], part: Part, networks: Networks, told: Told = ()) -> CodedTile:
    """Code one part of one tile in whichever way is smallest.

    Args:
        told: values of its references.
    """
    if not part.weights_digest:
        return CodedTile(*pack_smallest(coded, part.bit_depth))
    roughly = measure_quickly(coded, part.bit_depth)
    if roughly * _WORTH_A_NETWORK <= _NEAR * coded.size:
        quick = CodedTile(*pack_quickly(coded, part.bit_depth))
        if len(quick.payload) * _WORTH_A_NETWORK <= coded.size:
            return quick
    by_network = encode_values(networks.by_digest(part.weights_digest), coded, part, told)
    if roughly >= _NEAR * len(by_network.payload):
        return by_network
    quick = CodedTile(*pack_quickly(coded, part.bit_depth))
    return quick if len(quick.payload) < len(by_network.payload) else by_network
