"""Where do the bits go? The code length of every pixel of a frame."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpac_cli.container.fields import Part
from hpac_cli.image import Samples

from .efforts import Effort
from .network_tiles import measure_values
from .networks import Networks
from .payloads import pack_smallest
from .plan import plan_frame
from .tiles import choose_tile, tile_boxes
from .values import Values, to_ordered


def map_code_lengths(samples: Samples, *, networks: Networks, effort: Effort, tile: int) -> NDArray[np.float32]:
    """Bits that each pixel of a frame takes, (H, W), all channels together.

    What no network codes counts the same for all pixels of its tile.

    Args:
        samples: (H, W, C).
        effort: which networks may code it, and how much is tried.
        tile: side of tiles that a network codes, in pixels; 0 for one that suits the frame.
    """
    tile = tile or choose_tile([samples])
    frame = plan_frame(samples, networks=networks, effort=effort, tile=tile)
    ordered = to_ordered(samples)
    bits = np.zeros(samples.shape[:2], np.float32)
    first = 0
    for part in frame.parts:
        values = Values(part)
        for y, x, down, right in tile_boxes(frame.height, frame.width, frame.tile) if part.bit_depth else ():
            inside = ordered[y : y + down, x : x + right, first : first + part.channels]
            bits[y : y + down, x : x + right] += _measure(values.to_coded(inside), part, networks)
        first += part.channels
    return bits


def _measure(coded: NDArray[Any], part: Part, networks: Networks) -> NDArray[np.float64] | float:
    if part.weights_digest:
        return measure_values(networks.by_digest(part.weights_digest), coded, part)
    height, width = coded.shape[:2]
    return 8.0 * len(pack_smallest(coded, part.bit_depth)[1]) / int(height * width)
