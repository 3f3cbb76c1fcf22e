"""Hypothesis strategies that several test files share."""

from typing import NamedTuple

import numpy as np
from conftest import CONTENTS, fill_shape
from hypothesis import strategies as st
from numpy.typing import NDArray

from hpac_cli.model.shape import Shape
from hpac_cli.model.weights import Weights

SEEDS = st.integers(0, 2**32 - 1)


class Tile(NamedTuple):
    """Samples of one tile, (H, W, P) int32 below 2**bit_depth, as TileCoder takes them."""

    samples: NDArray[np.int32]
    bit_depth: int


@st.composite
def networks(draw: st.DrawFn, *, most: int = 144) -> Weights:
    """Random weights of any shape up to a width of `most`, from tame to wild."""
    context = 16 * draw(st.integers(0, 3))
    planes = draw(st.sampled_from([1, 1, 3]))
    shape = Shape(
        planes=planes,
        width=16 * draw(st.integers(1, most // 16)),
        blocks=draw(st.integers(1, 3)),
        expand=draw(st.integers(1, 3)),
        rows=draw(st.integers(1, 3)),
        head=16 * draw(st.integers(1, 4)),
        components=draw(st.integers(1, 8)),
        context=context,
        context_places=draw(st.integers(0, 3)) if context else 0,
        references=draw(st.integers(0, 2)) if planes == 1 else 0,
    )
    return fill_shape(shape, draw(SEEDS), draw(st.sampled_from([4, 12, 40, 127])))


@st.composite
def tiles(draw: st.DrawFn, planes: int, *, side: int = 40) -> Tile:
    """Tiles of every content, of 1 to 16 bits and sides up to `side`, one pixel wide and high included."""
    sides = st.one_of(st.integers(1, side), st.sampled_from([1, 2, side]))
    size, bit_depth = (draw(sides), draw(sides), planes), draw(st.integers(1, 16))
    rng, content = np.random.default_rng(draw(SEEDS)), draw(st.sampled_from(sorted(CONTENTS)))
    return make_tile(rng, content, size, bit_depth)


def make_tile(rng: np.random.Generator, content: str, size: tuple[int, int, int], bit_depth: int) -> Tile:
    """Scale a content of 8 bits to others; deeper ones have noise in their low bits."""
    samples = CONTENTS[content](rng, size).astype(np.int32)
    if bit_depth <= 8:
        return Tile(samples >> (8 - bit_depth), bit_depth)
    extra = bit_depth - 8
    return Tile((samples << extra) + rng.integers(0, 1 << extra, size, np.int32), bit_depth)


def make_references(rng: np.random.Generator, tile: Tile, count: int) -> tuple[NDArray[np.int32], ...]:
    """Planes that are mostly like a tile's first, a little brighter each."""
    highest = (1 << tile.bit_depth) - 1
    plane = tile.samples[..., 0]
    return tuple(
        np.where(
            rng.random(plane.shape) < 0.9, np.minimum(plane + k, highest), rng.integers(0, highest + 1, plane.shape)
        ).astype(np.int32)
        for k in range(count)
    )
