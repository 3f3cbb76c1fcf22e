"""How is an image cut into tiles, and how is one tile coded by the network?"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpac_cli.entropy.coder import encode_intervals
from hpac_cli.image import Samples
from hpac_cli.intnet.mixture import TOTAL_BITS
from hpac_cli.intnet.network import Network, run_tile

from .symbols import encode_plane
from .wavefront import CacheThenSelect

_TILE, _LARGE_TILE, _MANY_PIXELS = 128, 256, 2_000_000


class Box(NamedTuple):
    """A tile's place in the image, in pixels."""

    y: int
    x: int
    height: int
    width: int


def choose_tile(frames: Iterable[Samples]) -> int:
    """Side of tiles in pixels that suits an image: large ones are smaller by 0.4 %, but decode slowly if they are few."""
    pixels = sum(frame.shape[0] * frame.shape[1] for frame in frames)
    return _LARGE_TILE if pixels >= _MANY_PIXELS else _TILE


def tile_boxes(height: int, width: int, tile: int) -> Iterator[Box]:
    """List the tiles of an image in raster order; those at the right and bottom may be smaller."""
    for y in range(0, height, tile):
        for x in range(0, width, tile):
            yield Box(y, x, min(tile, height - y), min(tile, width - x))


class _Coded(NamedTuple):
    """All symbols of a tile in the order in which the decoder reads them."""

    pixel: NDArray[np.int64]
    """In raster order."""
    left: NDArray[np.int32]
    width: NDArray[np.int32]


def encode_tile(network: Network, planes: Tensor, bit_depth: int) -> bytes:
    """Code one tile's planes, (P, H, W) int32, into range coder words."""
    coded = _to_intervals(network, planes, bit_depth)
    return encode_intervals(coded.left, coded.width)


def code_lengths(network: Network, planes: Tensor, bit_depth: int) -> NDArray[np.float64]:
    """Bits that each pixel of a tile takes, (H, W), all planes together."""
    coded = _to_intervals(network, planes, bit_depth)
    _, height, width = planes.shape
    lengths = TOTAL_BITS - np.log2(coded.width.astype(np.float64))
    bits = np.zeros(height * width)
    np.add.at(bits, coded.pixel, lengths)
    return bits.reshape(height, width)


def _to_intervals(network: Network, planes: Tensor, bit_depth: int) -> _Coded:
    with torch.inference_mode():
        result = run_tile(network, planes, bit_depth)
        green = planes[0].flatten()
        _, height, width = planes.shape
        y, x = np.divmod(np.arange(height * width), width)
        keys, pixels, lefts, widths = [], [], [], []
        for plane, residual in enumerate(result.residuals):
            mixture = network.mixture(plane, result.trunk, result.focus, result.residuals[:plane], green, bit_depth)
            order = ((x + 2 * y) * len(planes) + plane) * 16
            for part in encode_plane(mixture, residual.long(), network.tables):
                i = part.which
                keys.append(((order[i] + part.stage) * height + y[i]) * 64 + part.step)
                pixels.append(i)
                lefts.append(part.left)
                widths.append(part.width)
    by_order = np.argsort(np.concatenate(keys), kind="stable")
    return _Coded(*(np.concatenate(column)[by_order] for column in (pixels, lefts, widths)))  # type: ignore[arg-type]


def decode_tiles(
    network: Network,
    payloads: list[bytes],
    sizes: list[tuple[int, int]],
    bit_depth: int,
    progress: Callable[[int], None],
) -> list[Tensor]:
    """Decode a batch of tiles at once; each comes back as (P, H, W) int32.

    Raises:
        ContainerError: a payload is damaged.
    """
    with torch.inference_mode():
        out = CacheThenSelect(network, sizes, bit_depth).decode(payloads, progress)
        return [out[:, i, :height, :width] for i, (height, width) in enumerate(sizes)]
