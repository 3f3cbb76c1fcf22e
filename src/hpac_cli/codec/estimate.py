"""About how large will an image be? Told by coding a few crops of every frame."""

from hpac_cli.container.build import pack_metadata
from hpac_cli.image import Image

from .efforts import Effort
from .networks import Networks
from .plan import Planner
from .tiles import choose_tile
from .whole import estimate_whole

_AROUND = 100
"""Bytes of signature, header and end."""


def estimate_bytes(image: Image, *, networks: Networks, effort: Effort, tile: int) -> int:
    """Estimate the bytes of an image's container.

    Args:
        effort: which networks may code it.
        tile: side of tiles that a network codes, in pixels; 0 for one that suits the image.
    """
    if not image.frames:
        return _AROUND + estimate_whole(image)
    tile = tile or choose_tile(image.frames)
    planner = Planner(image.frames, networks=networks, effort=effort, tile=tile, order=image.order)
    frames = map(planner.estimate, range(len(image.frames)))
    return round(_AROUND + len(pack_metadata(image.envelope)) + sum(frames))
