"""Parts of pictures in .hpac files: frames and regions, as other readers see them, from the tiles that they need."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hpac_cli.errors import UnsupportedError

from .session import Session
from .views import View

if TYPE_CHECKING:
    from hpac_cli.codec.networks import Networks
    from hpac_cli.codec.tile_cache import TileCache
    from hpac_cli.codec.tiles import Box
    from hpac_cli.container.fields import Frame
    from hpac_cli.container.parse import Reader
    from hpac_cli.container.ranged import RangedReader
    from hpac_cli.image import Samples

Region = tuple[int, int, int, int]
"""x, y, width, height in pixels."""


def read_part(
    reader: Reader | RangedReader,
    session: Session,
    view: View,
    *,
    frame: int | None,
    region: Region | None,
    colours: bool = False,
    merged: Networks | None = None,
    cache: TileCache | None = None,
) -> Samples:
    """Decode one frame, or a region of it, reading only the tiles that it needs.

    Args:
        view: the file whose frame it is.
        frame: counted from 0 in that; None for the first that is a picture, and no thumbnail.
        region: None for the whole frame.
        colours: turn samples that stand for colours (palettes, white as zero) into these.
        merged: networks that hold those of the file's adapters, where that was done before.
        cache: of tiles that are decoded.

    Returns:
        (H, W, C) samples.

    Raises:
        HpacError: any of errors.py.
    """
    from hpac_cli.codec.partial import check_frame, decode_region
    from hpac_cli.codec.tiles import Box
    from hpac_cli.images import colours as meanings

    frames = view.stand_ins()
    frame = find_pictures(view)[0] if frame is None else frame
    check_frame(frame, len(frames))
    box = Box(region[1], region[0], region[3], region[2]) if region else None
    across = meanings.pixels_per_column(view.kind, view.metadata, frames, frame)
    inner = _columns_of(box, across) if box else None
    session.check_duration(_part_of(view.frames, frame, inner))
    networks = merged or session.networks.adapted(reader.header.adapters)
    with session.count("decode", box.height * box.width if box else view.frames[frame].num_samples) as advance:
        threads, number = max(1, session.options.threads), view.first + frame
        samples = decode_region(
            reader, number, inner, networks=networks, threads=threads, progress=advance, cache=cache
        )
    turn = meanings.show if colours else meanings.see
    (samples,) = turn(view.kind, view.metadata, frames, {frame: samples})
    return samples[:, box.x % across :][:, : box.width] if box else samples


def find_pictures(view: View) -> list[int]:
    """The frames that are pictures, and no thumbnails, reduced copies or masks.

    Raises:
        UnsupportedError: there are no frames, or not all pictures are coded as samples.
    """
    from hpac_cli.images.pages import find_main
    from hpac_cli.kept import Kept

    kept, frames = Kept(view.kept), view.stand_ins()
    if not frames:
        raise UnsupportedError(f"it was kept whole, since {(kept or Kept.UNKNOWN).why}; decode it as it is")
    if view.kind != "tiff" or (len(frames) == 1 and not kept):
        return list(range(len(frames)))
    return find_main(view.metadata, frames, kept)


def _columns_of(box: Box, across: int) -> Box:
    """The columns of coded samples that hold a region's pixels, `across` in each."""
    first, end = box.x // across, -(-(box.x + box.width) // across)
    return box._replace(x=first, width=end - first)


def _part_of(frames: tuple[Frame, ...], frame: int, box: Box | None) -> tuple[Frame, ...]:
    """About what of the frames is decoded for a region: all tiles that it touches."""
    if not 0 <= frame < len(frames):
        return ()
    whole = frames[frame]
    if box is None:
        return (whole,)
    height, width = (
        min(side, part + whole.tile) for side, part in ((whole.height, box.height), (whole.width, box.width))
    )
    return (replace(whole, height=height, width=width),)
