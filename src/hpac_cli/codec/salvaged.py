"""Whatever a damaged container still holds of its frames."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hpac_cli.container.fields import Frame
from hpac_cli.container.salvage import Salvaged
from hpac_cli.errors import ContainerError, ModelError
from hpac_cli.image import Samples

from .decode import TileJob, decode_frames, places_of_tiles
from .networks import Networks
from .tiles import Box


@dataclass(frozen=True)
class Lost:
    """Samples that a damaged container does not give: some channels of one tile."""

    frame: int
    channels: tuple[int, ...]
    box: Box


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
