"""Words that no encoder wrote are refused or decode to other samples in range; nothing else ever happens."""

import numpy as np
import pytest
from conftest import fill_shape, make_network, random_weights
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import SEEDS, Tile, make_tile

from hpac_cli.codec.network_tiles import NetworkTile, decode_values
from hpac_cli.codec.networks import Network
from hpac_cli.container.fields import Colours, TileMode
from hpac_cli.core import DamagedWordsError, TileCoder, unit_names
from hpac_cli.errors import ContainerError
from hpac_cli.model.index import load_by_name
from hpac_cli.model.shape import Shape

WORD = 4


def try_decode(coder: TileCoder, words: bytes, tile: Tile) -> np.ndarray | None:
    """What comes of words, in range; None if they are refused."""
    height, width, _ = tile.samples.shape
    try:
        samples = coder.decode(words, height, width, tile.bit_depth)
    except DamagedWordsError:
        return None
    assert 0 <= samples.min() <= samples.max() < 1 << tile.bit_depth
    return samples


@pytest.fixture(scope="module", params=["rgb-medium", "grey-small", "wild"])
def coder(request: pytest.FixtureRequest) -> TileCoder:
    weights = random_weights(3, 5) if request.param == "wild" else load_by_name(request.param)
    return make_network(weights).coder


@pytest.fixture(scope="module", params=["noise", "ramp", "spikes"])
def tile(request: pytest.FixtureRequest, coder: TileCoder) -> Tile:
    return make_tile(np.random.default_rng(4), request.param, (7, 9, coder.planes), 8)


@pytest.fixture(scope="module")
def words(coder: TileCoder, tile: Tile) -> bytes:
    return coder.encode(*tile)


def test_cut_words_are_refused_or_give_other_samples(coder: TileCoder, tile: Tile, words: bytes) -> None:
    """At every byte; only a last word of 0 may be missing, for words beyond the end are read as 0."""
    for length in range(len(words)):
        found = try_decode(coder, words[:length], tile)
        if length < len(words) - WORD or words[-WORD:] != bytes(WORD):
            assert found is None or not np.array_equal(found, tile.samples), length


def test_a_tile_that_needs_more_words_is_refused(coder: TileCoder) -> None:
    tile = make_tile(np.random.default_rng(4), "noise", (7, 9, coder.planes), 8)
    words = coder.encode(*tile)
    for length in range(0, len(words) // 2, WORD):
        assert try_decode(coder, words[:length], tile) is None


def test_words_that_follow_are_refused(coder: TileCoder, tile: Tile, words: bytes) -> None:
    """One is read already if the encoder put out only one at the end; it changes nothing."""
    for more in (bytes(WORD), b"\xff" * WORD):
        found = try_decode(coder, words + more, tile)
        assert found is None or np.array_equal(found, tile.samples)
        assert try_decode(coder, words + 2 * more, tile) is None
        assert try_decode(coder, words + 100 * more, tile) is None


def test_each_flipped_bit_is_refused_or_gives_other_samples(coder: TileCoder, tile: Tile, words: bytes) -> None:
    """What the last two words say beyond the interval's name means nothing."""
    for bit in range(8 * (len(words) - 2 * WORD)):
        damaged = bytearray(words)
        damaged[bit // 8] ^= 1 << bit % 8
        found = try_decode(coder, bytes(damaged), tile)
        assert found is None or not np.array_equal(found, tile.samples), bit
    for bit in range(8 * (len(words) - 2 * WORD), 8 * len(words)):
        damaged = bytearray(words)
        damaged[bit // 8] ^= 1 << bit % 8
        try_decode(coder, bytes(damaged), tile)


@settings(max_examples=150)
@given(
    seed=SEEDS,
    planes=st.sampled_from([1, 3]),
    length=st.integers(0, 400),
    bit_depth=st.integers(1, 16),
    fill=st.sampled_from([None, 0, 255]),
)
@example(seed=0, planes=3, length=0, bit_depth=16, fill=None)
def test_every_instruction_set_makes_the_same_of_random_words(
    seed: int, planes: int, length: int, bit_depth: int, fill: int | None
) -> None:
    """They escape into every length that there can be."""
    rng = np.random.default_rng(seed)
    shape = Shape(planes=planes, width=16, blocks=1, head=16, components=1 + seed % 8)
    weights, tile = fill_shape(shape, seed, 127), make_tile(rng, "ramp", (6, 8, planes), bit_depth)
    data = rng.bytes(WORD * length) if fill is None else bytes([fill]) * WORD * length
    found = [try_decode(make_network(weights, unit).coder, data, tile) for unit in unit_names()]
    assert len({None if samples is None else samples.tobytes() for samples in found}) == 1


def test_random_words_are_not_always_refused() -> None:
    """Else the tests above would say little: a tile of one pixel takes two words, and most pairs are one."""
    coder = make_network(load_by_name("rgb-medium")).coder
    tile = Tile(np.zeros((1, 1, 3), np.int32), 8)
    rng = np.random.default_rng(1)
    found = [try_decode(coder, rng.bytes(2 * WORD), tile) for _ in range(100)]
    assert sum(samples is not None for samples in found) > 50


def test_no_words_are_refused(coder: TileCoder, tile: Tile) -> None:
    assert try_decode(coder, b"", tile) is None


def test_a_cut_word_says_so() -> None:
    with pytest.raises(DamagedWordsError, match="multiple of 4"):
        make_network(random_weights(1, 1)).coder.decode(b"12345", 2, 2, 8)


def test_damaged_words_are_a_damaged_container(real_network: Network) -> None:
    tile = NetworkTile(TileMode.NETWORK, bytes(4000), (5, 5), Colours(0), 0)
    with pytest.raises(ContainerError, match="coded words are damaged"):
        decode_values(real_network, tile, 8)
