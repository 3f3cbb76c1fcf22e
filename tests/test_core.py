"""Every instruction set of the core computes the same, for every shape of network, content, depth and size of tile."""

import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CONTENTS, fill_shape, make_network, random_weights
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import Tile, make_tile, networks, tiles

from hpac_cli.codec.networks import Network
from hpac_cli.core import TileCoder, unit_names
from hpac_cli.model.index import load_by_name
from hpac_cli.model.pack import Packed, packed, packed_tables
from hpac_cli.model.shape import Shape
from hpac_cli.model.weights import Weights

FAST = [name for name in unit_names() if name != "plain"]
LONG = [(300, 300), (1024, 3), (3, 1024), (1024, 1), (1, 1024)]


def results(coder: TileCoder, tile: Tile) -> dict[str, object]:
    """Everything that a coder says of a tile."""
    words = coder.encode(*tile)
    height, width, _ = tile.samples.shape
    return {
        "trace": coder.trace(*tile),
        "words": words,
        "measure": coder.measure(*tile).tobytes(),
        "samples": coder.decode(words, height, width, tile.bit_depth).tobytes(),
    }


def assert_all_agree(weights: Weights, tile: Tile) -> None:
    """Each instruction set reads what it wrote, and gives what `plain` gives."""
    expected = results(make_network(weights, "plain").coder, tile)
    assert expected["samples"] == tile.samples.tobytes()
    for unit in FAST:
        found = results(make_network(weights, unit).coder, tile)
        assert {part for part in found if found[part] != expected[part]} == set(), unit


@settings(max_examples=150)
@given(weights=networks(), data=st.data())
def test_every_instruction_set_computes_the_same(weights: Weights, data: st.DataObject) -> None:
    assert_all_agree(weights, data.draw(tiles(weights.shape.planes)))


@pytest.mark.parametrize(("planes", "size"), [*product([1, 3], LONG), (1, (1024, 1024))])
def test_long_wavefronts(planes: int, size: tuple[int, int]) -> None:
    shape = Shape(planes=planes, width=48 if max(size) < 1024 else 16, blocks=1, rows=3, head=16, context=16)
    tile = make_tile(np.random.default_rng(1), "ramp", (*size, planes), 8)
    tile.samples[...] ^= np.random.default_rng(2).random(tile.samples.shape) < 0.1
    assert_all_agree(fill_shape(shape, 3, 12), tile)


@pytest.mark.parametrize("content", sorted(CONTENTS))
def test_shipped_networks_on_every_content(real_network: Network, content: str) -> None:
    tile = make_tile(np.random.default_rng(1), content, (23, 30, real_network.weights.shape.planes), 8)
    assert_all_agree(real_network.weights, tile)


@pytest.mark.parametrize("bit_depth", range(1, 17))
def test_the_grey_network_codes_every_depth(bit_depth: int) -> None:
    rng, top = np.random.default_rng(bit_depth), (1 << bit_depth) - 1
    smooth = rng.integers(-3, 4, (24, 24, 1)).cumsum(0).cumsum(1) * (top + 1) // 512 + (top + 1) // 2
    assert_all_agree(load_by_name("grey-medium"), Tile(smooth.clip(0, top).astype(np.int32), bit_depth))


@pytest.mark.parametrize(("bit_depth", "largest"), [(1, 1), (16, 65535)])
def test_extremes_of_every_depth(bit_depth: int, largest: int) -> None:
    samples = np.random.default_rng(7).choice(np.array([0, largest], np.int32), (17, 19, 3))
    assert_all_agree(load_by_name("rgb-medium"), Tile(samples, bit_depth))


@settings(max_examples=30)
@given(weights=networks(most=32), data=st.data())
def test_what_is_measured_is_what_words_take(weights: Weights, data: st.DataObject) -> None:
    tile = data.draw(tiles(weights.shape.planes))
    coder = make_network(weights).coder
    bits = 8 * len(coder.encode(*tile))
    assert coder.measure(*tile).sum() == pytest.approx(bits, rel=0.001, abs=64)


def test_each_pixel_is_measured_where_it_lies() -> None:
    tile = make_tile(np.random.default_rng(1), "constant", (30, 40, 1), 8)
    tile.samples[11, 23] ^= 128
    lengths = make_network(load_by_name("grey-medium")).coder.measure(*tile)
    assert np.unravel_index(lengths.argmax(), lengths.shape) == (11, 23)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_cost_follows_the_noise_not_the_alphabet(bits: int) -> None:
    """The low bits of noise cost a bit each, at every depth, by the same weights."""
    rng = np.random.default_rng(3)
    noise = rng.normal(128, 10, (64, 64, 1)).round().clip(0, 255).astype(np.int32)
    finer = (noise << bits) + rng.integers(0, 1 << bits, noise.shape, np.int32)
    coder = make_network(load_by_name("grey-medium")).coder
    extra = coder.measure(finer, 8 + bits).mean() - coder.measure(noise, 8).mean()
    assert extra == pytest.approx(bits, abs=0.05)


def test_samples_need_not_be_contiguous(real_network: Network) -> None:
    planes = real_network.weights.shape.planes
    tile = make_tile(np.random.default_rng(1), "noise", (9, 14, planes), 8)
    turned = np.ascontiguousarray(tile.samples.swapaxes(0, 1)).swapaxes(0, 1)
    assert real_network.coder.encode(turned, 8) == real_network.coder.encode(*tile)


BAD_TILES = {
    "no rows": (np.zeros((0, 4, 3), np.int32), 8),
    "no columns": (np.zeros((4, 0, 3), np.int32), 8),
    "too high": (np.zeros((1025, 1, 3), np.int32), 8),
    "too wide": (np.zeros((1, 1025, 3), np.int32), 8),
    "no depth": (np.zeros((4, 4, 3), np.int32), 0),
    "too deep": (np.zeros((4, 4, 3), np.int32), 17),
    "too large a sample": (np.full((4, 4, 3), 256, np.int32), 8),
    "negative sample": (np.full((4, 4, 3), -1, np.int32), 8),
    "too few planes": (np.zeros((4, 4, 1), np.int32), 8),
    "too many planes": (np.zeros((4, 4, 4), np.int32), 8),
}


@pytest.mark.parametrize("name", BAD_TILES)
@pytest.mark.parametrize("action", ["encode", "measure", "trace"])
def test_tiles_out_of_bounds_are_refused(name: str, action: str) -> None:
    with pytest.raises(ValueError, match=r"refuses a tile|planes"):
        getattr(make_network(random_weights(3, 1)).coder, action)(*BAD_TILES[name])


@pytest.mark.parametrize("size", [(0, 4, 8), (4, 0, 8), (1025, 1, 8), (1, 1025, 8), (4, 4, 0), (4, 4, 17)])
def test_words_of_tiles_out_of_bounds_are_refused(size: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="refuses a tile"):
        make_network(random_weights(3, 1)).coder.decode(bytes(8), *size)


def change(name: str, place: int, number: int) -> Any:
    """A change of one integer of a packed network."""

    def apply(network: Packed) -> Packed:
        array = getattr(network, name).copy()
        array[place] = number
        return replace(network, **{name: array})

    return apply


def cut(name: str, end: int | None, extra: int = 0) -> Any:
    """A change of the number of integers."""

    def apply(network: Packed) -> Packed:
        array = getattr(network, name)
        return replace(network, **{name: np.concatenate([array[:end], np.zeros(extra, array.dtype)])})

    return apply


def cut_outputs(end: int | None, extra: int = 0) -> Any:
    return lambda network: cut("biases", end, extra)(cut("shifts", end, extra)(network))


def overflow(network: Packed) -> Packed:
    """The first output's bias, so large that its sum reaches 2**24 and no further."""
    weights, biases = network.weights[:75].astype(int), network.biases.copy()
    biases[0] = (1 << 24) - 127 * np.abs(weights).sum() - (1 << network.shifts[0])
    return replace(network, biases=biases)


BROKEN = {
    "weight -128": change("weights", 5, -128),
    "last weight -128": change("weights", -1, -128),
    "bias 2^24": change("biases", 0, 1 << 24),
    "bias -2^31": change("biases", 0, -(1 << 31)),
    "sum 2^24": overflow,
    "shift -1": change("shifts", 0, -1),
    "shift 23": change("shifts", -1, 23),
    "weight too few": cut("weights", -1),
    "weight too many": cut("weights", None, 1),
    "no weights": cut("weights", 0),
    "output too few": cut_outputs(-1),
    "output too many": cut_outputs(None, 1),
    "2 planes": change("shape", 0, 2),
    "width 8": change("shape", 1, 8),
    "width 24": change("shape", 1, 24),
    "width 528": change("shape", 1, 528),
    "no blocks": change("shape", 2, 0),
    "17 blocks": change("shape", 2, 17),
    "no expand": change("shape", 3, 0),
    "expand 5": change("shape", 3, 5),
    "no rows": change("shape", 4, 0),
    "4 rows": change("shape", 4, 4),
    "no head": change("shape", 5, 0),
    "no components": change("shape", 6, 0),
    "9 components": change("shape", 6, 9),
    "context 8": change("shape", 7, 8),
    "context -16": change("shape", 7, -16),
    "context_places 7": change("shape", 8, 7),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_networks_are_refused(name: str) -> None:
    sound = packed(random_weights(3, 1))
    with pytest.raises(ValueError, match="out of bounds"):
        TileCoder(BROKEN[name](sound), packed_tables(), "plain")


def test_a_sum_just_below_the_limit_is_taken() -> None:
    """What "sum 2^24" refuses is exactly at the limit."""
    network = overflow(packed(random_weights(3, 1)))
    network.biases[0] -= 1
    TileCoder(network, packed_tables(), "plain")


def test_tables_that_are_cut_are_refused() -> None:
    with pytest.raises(ValueError, match="out of bounds"):
        TileCoder(packed(random_weights(3, 1)), packed_tables()[:-1], "plain")


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.uint32, complex])
def test_samples_that_would_be_cut_to_fit_are_refused(dtype: type) -> None:
    coder = make_network(random_weights(1, 1)).coder
    with pytest.raises(ValueError, match="does not fit into int32"):
        coder.encode(np.zeros((2, 2, 1), dtype), 8)  # type: ignore[arg-type]


def test_a_copy_of_a_coder_outlives_it() -> None:
    """In a process of its own, for it used to die."""
    work = (
        "import copy; from conftest import *;"
        "coder = make_network(random_weights(1, 1)).coder; samples = np.arange(256, dtype=np.int32).reshape(16, 16, 1);"
        "words = coder.encode(samples, 8); other = copy.copy(coder); del coder;"
        "room = [make_network(random_weights(1, seed)).coder for seed in range(2, 9)];"
        "assert other.encode(samples, 8) == words"
    )
    subprocess.run([sys.executable, "-c", work], cwd=Path(__file__).parent, check=True)
