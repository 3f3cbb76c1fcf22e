"""How do the values of one part of one tile go through its network, and come back?"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hpac_cli.binary import put_string
from hpac_cli.container.fields import CodedTile, Colours, Part, TileMode, chunk_fields
from hpac_cli.errors import ContainerError
from hpac_cli.intnet.network import Network
from hpac_cli.training.planes import from_planes, to_planes

from .colours import pack_exceptions, put_exceptions, to_rgb, to_triples
from .tiles import code_lengths, decode_tiles, encode_tile
from .turning import turn, turn_back, turned_size

Coded = NDArray[Any]
"""(H, W, C) int32 coded values."""

_MANY = 32
"""Where more than one pixel in so many is an exception, the tile may be smaller as RGB."""


_EXCEPTION_BITS = 32.0
"""About what an exception takes."""


class NetworkTile(NamedTuple):
    """One tile to be decoded."""

    mode: TileMode
    payload: bytes
    size: tuple[int, int]
    """Height and width in pixels."""
    colours: Colours
    orientation: int


def encode_values(network: Network, coded: Coded, part: Part) -> CodedTile:
    """Code one part of one tile, turned as the part says; as luma and chroma where it says so and that is smaller."""
    return CodedTile(*_encode_turned(network, turn(coded, part.orientation), part), part.orientation)


def _encode_turned(network: Network, coded: Coded, part: Part) -> tuple[TileMode, bytes]:
    if not part.colours:
        return TileMode.NETWORK, _encode(network, coded, part)
    triples, is_made = to_triples(coded, part.colours)
    payload = put_string(pack_exceptions(coded, is_made)) + _encode(network, triples, part)
    if is_made.mean() < 1 - 1 / _MANY:
        plain = _encode(network, coded, part)
        if len(plain) < len(payload):
            return TileMode.NETWORK, plain
    return TileMode.LUMA_CHROMA, payload


def measure_values(network: Network, coded: Coded, part: Part) -> NDArray[np.float64]:
    """Bits that each pixel takes as encode_values codes it, (H, W); exceptions' bytes go to their pixels."""
    return turn_back(_measure_turned(network, turn(coded, part.orientation), part), part.orientation)


def _measure_turned(network: Network, coded: Coded, part: Part) -> NDArray[np.float64]:
    if not part.colours:
        return _measure(network, coded, part)
    triples, is_made = to_triples(coded, part.colours)
    bits = _measure(network, triples, part) + np.where(is_made, 0, _EXCEPTION_BITS)
    if is_made.mean() < 1 - 1 / _MANY:
        plain = _measure(network, coded, part)
        if plain.sum() < bits.sum():
            return plain
    return bits


def _encode(network: Network, values: Coded, part: Part) -> bytes:
    return encode_tile(network, to_planes(_to_tensor(network, values)), part.bit_depth)


def _measure(network: Network, values: Coded, part: Part) -> NDArray[np.float64]:
    return code_lengths(network, to_planes(_to_tensor(network, values)), part.bit_depth)


def _to_tensor(network: Network, values: Coded) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1))).to(network.device)


def decode_values(
    network: Network, tiles: list[NetworkTile], bit_depth: int, progress: Callable[[int], None]
) -> list[Coded]:
    """Undo encode_values for a batch of tiles at once.

    Raises:
        ContainerError: damaged.
    """
    opened = [_open(tile) for tile in tiles]
    sizes = [turned_size(tile.size, tile.orientation) for tile in tiles]
    decoded = decode_tiles(network, [words for _, words in opened], sizes, bit_depth, progress)
    values = []
    for tile, (exceptions, _), planes in zip(tiles, opened, decoded, strict=True):
        coded = from_planes(planes).cpu().numpy().transpose(1, 2, 0)
        if tile.mode is TileMode.LUMA_CHROMA:
            coded = to_rgb(coded, tile.colours)
            put_exceptions(coded, exceptions)
        values.append(turn_back(coded, tile.orientation))
    return values


def _open(tile: NetworkTile) -> tuple[bytes, bytes]:
    """Exceptions, and words of the range coder."""
    if tile.mode is TileMode.NETWORK:
        return b"", tile.payload
    if not tile.colours:
        raise ContainerError("a tile is said to be luma and chroma, but its part names no colours")
    fields = chunk_fields(tile.payload)
    return fields.string(), fields.rest()
