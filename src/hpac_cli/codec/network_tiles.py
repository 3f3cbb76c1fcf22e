"""The values of one part of one tile, through its network and back."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpac_cli.binary import put_string
from hpac_cli.container.fields import CodedTile, Colours, Part, TileMode, chunk_fields
from hpac_cli.core import DamagedWordsError, Edges
from hpac_cli.errors import ContainerError

from .cells import unpack_cells
from .colours import pack_exceptions, put_exceptions, to_rgb, to_triples
from .networks import Network
from .references import Told
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
    colours: Colours = Colours.NONE
    orientation: int = 0
    cells: bytes = b""
    """Of its part."""
    told: Told = ()
    """What the network is told of its part's references."""
    repeats: bool = False
    """Of its part."""


def encode_values(network: Network, coded: Coded, part: Part, told: Told = ()) -> CodedTile:
    """Code one part of one tile, turned as the part says; as luma and chroma where it says so and that is smaller."""
    mode, payload = _encode_turned(network, turn(coded, part.orientation), part, _turn_told(told, part.orientation))
    return CodedTile(mode, payload, part.orientation)


def _turn_told(told: Told, orientation: int) -> Told:
    return tuple(turn(plane, orientation) for plane in told)


def _encode_turned(network: Network, coded: Coded, part: Part, told: Told) -> tuple[TileMode, bytes]:
    edges = _edges(part.cells, part.channels, part.bit_depth)
    if not part.colours:
        return TileMode.NETWORK, network.coder.encode(coded, part.bit_depth, edges, told, repeats=part.repeats)
    triples, is_made = to_triples(coded, part.colours)
    payload = put_string(pack_exceptions(coded, is_made))
    payload += network.coder.encode(triples, part.bit_depth, edges, repeats=part.repeats)
    if is_made.mean() < 1 - 1 / _MANY:
        plain = network.coder.encode(coded, part.bit_depth, repeats=part.repeats)
        if len(plain) < len(payload):
            return TileMode.NETWORK, plain
    return TileMode.LUMA_CHROMA, payload


def measure_values(network: Network, coded: Coded, part: Part, told: Told = ()) -> NDArray[np.float64]:
    """Bits that each pixel takes as encode_values codes it, (H, W); exceptions' bytes go to their pixels."""
    turned = _measure_turned(network, turn(coded, part.orientation), part, _turn_told(told, part.orientation))
    return turn_back(turned, part.orientation)


def _measure_turned(network: Network, coded: Coded, part: Part, told: Told) -> NDArray[np.float64]:
    edges = _edges(part.cells, part.channels, part.bit_depth)
    if not part.colours:
        return network.coder.measure(coded, part.bit_depth, edges, told, repeats=part.repeats)
    triples, is_made = to_triples(coded, part.colours)
    bits = network.coder.measure(triples, part.bit_depth, edges, repeats=part.repeats)
    bits += np.where(is_made, 0, _EXCEPTION_BITS)
    if is_made.mean() < 1 - 1 / _MANY:
        plain = network.coder.measure(coded, part.bit_depth, repeats=part.repeats)
        if plain.sum() < bits.sum():
            return plain
    return bits


def decode_values(network: Network, tile: NetworkTile, bit_depth: int) -> Coded:
    """Undo encode_values.

    Raises:
        ContainerError: damaged.
    """
    exceptions, words = _open(tile)
    height, width = turned_size(tile.size, tile.orientation)
    is_plain = tile.mode is TileMode.NETWORK and bool(tile.colours)
    edges = _edges(b"" if is_plain else tile.cells, network.coder.planes, bit_depth)
    told = _turn_told(tile.told, tile.orientation)
    try:
        coded = network.coder.decode(words, height, width, bit_depth, edges, told, repeats=tile.repeats)
    except DamagedWordsError as error:
        raise ContainerError(str(error)) from error
    if tile.mode is TileMode.LUMA_CHROMA:
        coded = to_rgb(coded, tile.colours)
        put_exceptions(coded, exceptions)
    return turn_back(coded, tile.orientation)


def _edges(cells: bytes, planes: int, bit_depth: int) -> Edges | None:
    """Edges of a part's cells, which are of what it codes: of luma and chroma, not of RGB beside them."""
    return unpack_cells(cells, planes, bit_depth) if cells else None


def _open(tile: NetworkTile) -> tuple[bytes, bytes]:
    """Exceptions, and words of the range coder."""
    if tile.mode is TileMode.NETWORK:
        return b"", tile.payload
    if not tile.colours:
        raise ContainerError("a tile is said to be luma and chroma, but its part names no colours")
    fields = chunk_fields(tile.payload)
    return fields.string(), fields.rest()
