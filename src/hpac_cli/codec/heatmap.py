"""Where the bits go: the code length of every pixel of a frame."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpac_cli.container.fields import Part
from hpac_cli.image import Image, Samples

from .efforts import Effort
from .network_tiles import measure_values
from .networks import Networks
from .payloads import pack_smallest
from .plan import Planner
from .references import Known, Told
from .threads import Threads
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
    (frame,) = Planner(Image((samples,), "array"), networks=networks, effort=effort, tile=tile).plan_all(Threads(1))
    ordered = to_ordered(samples)
    bits = np.zeros(samples.shape[:2], np.float32)
    known = Known([frame], [samples])
    for part, channels in zip(frame.parts, frame.channels_of, strict=True):
        values = Values(part)
        for box in tile_boxes(frame.height, frame.width, frame.tile) if part.bit_depth else ():
            rows, columns = slice(box.y, box.y + box.height), slice(box.x, box.x + box.width)
            coded = values.to_coded(ordered[rows, columns, channels])
            bits[rows, columns] += _measure(coded, part, networks, known.told(0, part, box))
    return bits


def _measure(coded: NDArray[Any], part: Part, networks: Networks, told: Told) -> NDArray[np.float64] | float:
    if part.weights_digest:
        return measure_values(networks.by_digest(part.weights_digest), coded, part, told)
    height, width = coded.shape[:2]
    return 8.0 * len(pack_smallest(coded, part.bit_depth)[1]) / int(height * width)
