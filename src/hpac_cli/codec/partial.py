"""Part of an image: a region of one frame, or whatever a damaged container still holds."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from hpac_cli.container.fields import Coding, Frame, Part
from hpac_cli.container.parse import Reader
from hpac_cli.container.salvage import Salvaged
from hpac_cli.errors import ContainerError, ModelError, UsageError
from hpac_cli.image import Member, Samples

from .decode import TileJob, decode_frames, places_of_tiles
from .networks import Networks
from .series import envelope_of, make_member, read_whole_member
from .tiles import Box, tile_boxes

_NOTHING = Frame(1, 1, "u1", 8, (Part(1, 0),))
"""Stands for a frame that is not decoded."""


@dataclass(frozen=True)
class Lost:
    """Samples that a damaged container does not give: some channels of one tile."""

    frame: int
    channels: tuple[int, ...]
    box: Box


def decode_region(
    reader: Reader,
    frame: int,
    region: Box | None,
    *,
    networks: Networks,
    threads: int = 1,
    progress: Callable[[int], None] = lambda _: None,
) -> Samples:
    """Decode a region of one frame, reading only the tiles that it needs.

    Args:
        networks: with those that the file's adapters make.
        frame: counted from 0.
        region: None for all of the frame.

    Returns:
        (H, W, C) samples; only their tiles' checksums are checked, for the file's hash needs all samples.

    Raises:
        UsageError: there is no such frame, or the region is not inside it.
        ContainerError: damaged.
    """
    frames = reader.header.frames
    if not 0 <= frame < len(frames):
        raise UsageError(f"there is no frame {frame}: the file has {len(frames)}, counted from 0")
    whole = frames[frame]
    region = region or Box(0, 0, whole.height, whole.width)
    _check_region(region, whole)
    outer = _round_to_tiles(region, whole)
    needed = parts_needed(frames, [frame])
    decoded = _decode_needed(reader, needed, outer, networks=networks, threads=threads, progress=progress)
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

    Raises:
        ContainerError: damaged; of the other members only what this one refers to and what lies around tiles is looked at.
    """
    members = reader.header.members
    start = sum(member.num_frames for member in members[:number])
    own = range(start, start + members[number].num_frames)
    samples: tuple[Samples, ...] = ()
    if own:
        needed = parts_needed(reader.header.frames, own)
        networks = networks.adapted(reader.header.adapters)
        decoded = _decode_needed(reader, needed, None, networks=networks, threads=threads, progress=progress)
        samples = tuple(decoded[frame] for frame in own)
    whole = None if own else read_whole_member(reader, number)
    reader.skip_to_end()
    envelope = b"" if whole else envelope_of(reader, number)
    return make_member(members[number], samples, envelope, reader.member_hashes[number], whole)


def parts_needed(frames: Sequence[Frame], wanted: Iterable[int]) -> dict[int, set[int]]:
    """Find the parts by frames without which some frames cannot be decoded: their own, and all that these refer to."""
    needed = {frame: set(range(len(frames[frame].parts))) for frame in wanted}
    for index in range(max(needed), -1, -1):
        for part in reversed(range(len(frames[index].parts))):  # those of one frame refer to earlier ones
            for reference in frames[index].parts[part].references if part in needed.get(index, ()) else ():
                told = index - reference.back
                needed.setdefault(told, set()).add(frames[told].part_of[reference.channel])
    return needed


def _decode_needed(
    reader: Reader,
    needed: dict[int, set[int]],
    outer: Box | None,
    *,
    networks: Networks,
    threads: int,
    progress: Callable[[int], None],
) -> dict[int, Samples]:
    """Decode some parts of some frames, reading no other tiles.

    Args:
        needed: parts by frames, as parts_needed finds them.
        outer: a box of whole tiles in all of these frames; None for all of each.
    """
    frames = reader.header.frames
    begin, end = min(needed), max(needed) + 1
    wanted: dict[int, tuple[int, int, Box]] = {}
    first = sum(each.num_tiles for each in frames[:begin])
    cut = []
    for index, frame in enumerate(frames[begin:end], begin):
        box = outer or Box(0, 0, frame.height, frame.width)
        for number, (part, place) in _tiles_within(box, frame) if index in needed else ():
            if part in needed[index]:
                wanted[first + number] = index - begin, part, place
        first += frame.num_tiles
        cut.append(replace(frame, height=box.height, width=box.width) if index in needed else _NOTHING)

    def jobs() -> Iterator[TileJob]:
        if wanted:
            for tile in reader.tiles_of(wanted, max(wanted)):
                yield TileJob(*wanted[tile.index], tile)

    decoded, _ = decode_frames(tuple(cut), jobs(), networks=networks, threads=threads, progress=progress)
    return {index: decoded[index - begin] for index in needed}


def decode_salvaged(
    found: Salvaged,
    fill: int,
    *,
    networks: Networks,
    threads: int = 1,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[tuple[Samples, ...], list[Lost]]:
    """Decode all tiles that were found; the others' samples get the value `fill`.

    Returns:
        The frames, and what of them is lost.

    Raises:
        ContainerError: not one tile was found, or weights that the frames name are not installed, nor made by an
            adapter that was found.
    """
    frames = found.header.frames
    places = list(places_of_tiles(frames))
    if places and not found.tiles:
        raise ContainerError("not one tile is undamaged")

    def jobs() -> Iterator[TileJob]:
        for number, place in enumerate(places):
            if number in found.tiles:
                yield TileJob(*place, found.tiles[number])

    networks = networks.adapted(found.header.adapters)
    try:
        samples, failed = decode_frames(
            frames, jobs(), networks=networks, threads=threads, progress=progress, fill=fill
        )
    except ModelError as error:
        raise ContainerError(f"an adapter is lost, without which no tile can be decoded; or else {error}") from error
    missing = sorted({n for n in range(len(places)) if n not in found.tiles} | {job.tile.index for job in failed})
    return samples, [_lost(frames, *places[number]) for number in missing]


def _lost(frames: tuple[Frame, ...], frame: int, part: int, box: Box) -> Lost:
    return Lost(frame, frames[frame].listed[part], box)


def _check_region(region: Box, frame: Frame) -> None:
    inside = region.y >= 0 and region.x >= 0 and region.height > 0 and region.width > 0
    if not inside or region.y + region.height > frame.height or region.x + region.width > frame.width:
        raise UsageError(
            f"region {region.x},{region.y},{region.width},{region.height} is not inside the frame of "
            f"{frame.width} x {frame.height} pixels"
        )


def _round_to_tiles(region: Box, frame: Frame) -> Box:
    """The smallest box of whole tiles around a region."""
    y, x = region.y // frame.tile * frame.tile, region.x // frame.tile * frame.tile
    bottom = min(frame.height, -(-(region.y + region.height) // frame.tile) * frame.tile)
    right = min(frame.width, -(-(region.x + region.width) // frame.tile) * frame.tile)
    return Box(y, x, bottom - y, right - x)


def _tiles_within(outer: Box, frame: Frame) -> Iterator[tuple[int, tuple[int, Box]]]:
    """Numbers in the frame of the tile chunks in a box of whole tiles; for each its part, and its box inside that one."""
    coded = [i for i, part in enumerate(frame.parts) if part.coding is not Coding.CONSTANT]
    across = -(-frame.width // frame.tile)
    for box in tile_boxes(outer.height, outer.width, frame.tile):
        number = (outer.y + box.y) // frame.tile * across + (outer.x + box.x) // frame.tile
        for place, part in enumerate(coded):
            yield number * len(coded) + place, (part, box)
