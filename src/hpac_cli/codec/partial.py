"""Part of an image: a region of one frame, or one file of a series, from the tiles that it needs."""

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from hpac_cli.container.fields import Frame, Header, Part
from hpac_cli.container.parse import Reader
from hpac_cli.container.ranged import RangedReader
from hpac_cli.errors import UsageError
from hpac_cli.image import Member, Samples

from .decode import KnownTile, TileJob, decode_frames
from .networks import Networks
from .series import envelope_of, make_member, read_whole_member
from .tile_cache import TileCache
from .tiles import Box, tile_boxes

_NOTHING = Frame(1, 1, "u1", 8, (Part(1, 0),))
"""Stands for a frame that is not decoded."""


class Needed(NamedTuple):
    """A tile chunk's place, and its samples if they are known."""

    frame: int
    part: int
    box: Box
    """In the frame."""
    samples: Samples | None


def decode_region(
    reader: Reader | RangedReader,
    frame: int,
    region: Box | None,
    *,
    networks: Networks,
    threads: int = 1,
    progress: Callable[[int], None] = lambda _: None,
    cache: TileCache | None = None,
) -> Samples:
    """Decode a region of one frame, reading only the tiles that it needs.

    Args:
        networks: with those that the file's adapters make.
        frame: counted from 0.
        region: None for all of the frame.
        cache: of this file; what is in it is not decoded, and what is decoded goes there.

    Returns:
        (H, W, C) samples; only their tiles' checksums are checked, for the file's hash needs all samples.

    Raises:
        UsageError: there is no such frame, or the region is not inside it.
        ContainerError: damaged.
    """
    frames = reader.header.frames
    check_frame(frame, len(frames))
    whole = frames[frame]
    region = region or _all_of(whole)
    _check_region(region, whole)
    outer = _round_to_tiles(region, whole)
    decoded = _decode_boxes(
        reader, {frame: outer}, networks=networks, threads=threads, progress=progress, cache=cache or TileCache(0)
    )
    y, x = region.y - outer.y, region.x - outer.x
    return decoded[frame][y : y + region.height, x : x + region.width]


def decode_member(
    reader: Reader,
    number: int,
    *,
    networks: Networks,
    threads: int = 1,
    progress: Callable[[int], None] = lambda _: None,
) -> Member:
    """Decode one file of a series, reading only the tiles that it needs.

    Args:
        networks: with those that the file's adapters make.

    Raises:
        ContainerError: damaged; of the other members only what this one refers to and what lies around tiles is looked at.
    """
    members, frames = reader.header.members, reader.header.frames
    start = sum(member.num_frames for member in members[:number])
    own = range(start, start + members[number].num_frames)
    samples: tuple[Samples, ...] = ()
    if own:
        wanted = {frame: _all_of(frames[frame]) for frame in own}
        decoded = _decode_boxes(
            reader, wanted, networks=networks, threads=threads, progress=progress, cache=TileCache(0)
        )
        samples = tuple(decoded[frame] for frame in own)
    whole = None if own else read_whole_member(reader, number)
    reader.skip_to_end()
    envelope = b"" if whole else envelope_of(reader, number)
    return make_member(members[number], samples, envelope, reader.member_hashes[number], whole)


def tiles_needed(header: Header, wanted: Mapping[int, Box], look: Callable[[int], Samples | None]) -> dict[int, Needed]:
    """Find the tiles without which boxes cannot be decoded: their own, and all that these refer to.

    Args:
        wanted: boxes of whole tiles by frames.
        look: gives the samples of a tile that is known; it needs no others.

    Returns:
        Each by its number in the file, in the order of these.
    """
    needed: dict[int, Needed] = {}
    left = [
        (frame, part, box)
        for frame, outer in wanted.items()
        for part in header.frames[frame].numbers_of_coded
        for box in _tiles_within(outer, header.frames[frame])
    ]
    while left:
        frame, part, box = left.pop()
        number = header.first_tiles[frame] + header.frames[frame].tile_number(part, box.y, box.x)
        if number in needed:
            continue
        needed[number] = Needed(frame, part, box, look(number))
        if needed[number].samples is None:
            for reference in header.frames[frame].parts[part].references:
                told = frame - reference.back
                left.append((told, header.frames[told].part_of[reference.channel], box))
    return dict(sorted(needed.items()))


def _decode_boxes(
    reader: Reader | RangedReader,
    wanted: Mapping[int, Box],
    *,
    networks: Networks,
    threads: int,
    progress: Callable[[int], None],
    cache: TileCache,
) -> dict[int, Samples]:
    """Decode boxes of whole tiles by frames, reading no other tiles than they need."""
    needed = tiles_needed(reader.header, wanted, cache.get)
    missing = {number: each for number, each in needed.items() if each.samples is None}
    boxes = _boxes_needed(reader.header, wanted, missing)
    decoded_parts: dict[int, set[int]] = {frame: set() for frame in boxes}
    for each in missing.values():
        decoded_parts[each.frame].add(each.part)
    begin, end = min(boxes), max(boxes) + 1
    frames = [_NOTHING] * (end - begin)
    for frame, box in boxes.items():
        frames[frame - begin] = _cut(reader.header.frames[frame], box, decoded_parts[frame])

    def jobs() -> Iterator[TileJob | KnownTile]:
        tiles = reader.tiles_of(list(missing))
        for number, (frame, part, box, samples) in needed.items():
            outer = boxes[frame]
            place = frame - begin, part, box._replace(y=box.y - outer.y, x=box.x - outer.x)
            if samples is None:
                tile = next(tiles)
                samples = cache.get(number)  # another reader may have decoded it meanwhile
            yield TileJob(*place, tile) if samples is None else KnownTile(*place, samples)

    decoded, _ = decode_frames(
        tuple(frames), jobs(), networks=networks, threads=threads, progress=progress, keep=cache.put
    )
    return {frame: decoded[frame - begin] for frame in wanted}


def _boxes_needed(header: Header, wanted: Mapping[int, Box], missing: Mapping[int, Needed]) -> dict[int, Box]:
    """Boxes of all frames of which something is needed: what a tile refers to is of its frame's size, and in the same place."""
    boxes = dict(wanted)
    for each in reversed(list(missing.values())):  # what refers to a frame comes behind it
        for reference in header.frames[each.frame].parts[each.part].references:
            boxes.setdefault(each.frame - reference.back, boxes[each.frame])
    return boxes


def _cut(frame: Frame, box: Box, decoded: Container[int]) -> Frame:
    """As much of a frame as a box holds; parts of which no tile is decoded refer to nothing."""
    parts = (part if number in decoded else replace(part, references=()) for number, part in enumerate(frame.parts))
    return replace(frame, height=box.height, width=box.width, parts=tuple(parts))


def _check_region(region: Box, frame: Frame) -> None:
    inside = region.y >= 0 and region.x >= 0 and region.height > 0 and region.width > 0
    if not inside or region.y + region.height > frame.height or region.x + region.width > frame.width:
        raise UsageError(
            f"region {region.x},{region.y},{region.width},{region.height} is not inside the frame of "
            f"{frame.width} x {frame.height} pixels"
        )


def check_frame(frame: int, count: int) -> None:
    """Make sure that there is such a frame.

    Raises:
        UsageError: there is none.
    """
    if not 0 <= frame < count:
        raise UsageError(f"there is no frame {frame}: there are {count}, counted from 0")


def _round_to_tiles(region: Box, frame: Frame) -> Box:
    """The smallest box of whole tiles around a region."""
    y, x = region.y // frame.tile * frame.tile, region.x // frame.tile * frame.tile
    bottom = min(frame.height, -(-(region.y + region.height) // frame.tile) * frame.tile)
    right = min(frame.width, -(-(region.x + region.width) // frame.tile) * frame.tile)
    return Box(y, x, bottom - y, right - x)


def _all_of(frame: Frame) -> Box:
    return Box(0, 0, frame.height, frame.width)


def _tiles_within(outer: Box, frame: Frame) -> Iterator[Box]:
    """The tiles of a frame in a box of whole tiles."""
    for box in tile_boxes(outer.height, outer.width, frame.tile):
        yield box._replace(y=outer.y + box.y, x=outer.x + box.x)
