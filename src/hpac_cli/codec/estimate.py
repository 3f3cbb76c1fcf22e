"""An image's size to come, estimated by coding a few crops of every frame."""

from hpac_cli.container.build import pack_metadata
from hpac_cli.image import Image

from .efforts import Effort
from .networks import Networks
from .plan import Planner
from .whole import estimate_whole

_AROUND = 100
"""Bytes of signature, header and end."""
_AROUND_MEMBER = 40
"""Bytes of a file of a series, in its table and end."""


def estimate_bytes(image: Image, *, networks: Networks, effort: Effort, tile: int) -> int:
    """Estimate the bytes of an image's container.

    Args:
        effort: which networks may code it.
        tile: side of tiles that a network codes, in pixels; 0 for one that suits the image.
    """
    planner = Planner(image, networks=networks, effort=effort, tile=tile)
    size = float(_AROUND + len(pack_metadata(image.envelope)))
    size += sum(map(planner.estimate, range(len(image.frames))))
    size += sum(estimate_whole(picture) for picture in image.pictures if not picture.frames)
    return round(size + _AROUND_MEMBER * len(image.members))
