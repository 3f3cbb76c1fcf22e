"""Far repetition: tiles come back, what repeats gets smaller, words that are damaged are refused, and it is looked for where it pays."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import fill_shape, make_network
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.decoder import decode as decode_plainly
from strategies import networks, tiles

import hpac_cli
from hpac_cli.codec import plan
from hpac_cli.codec.colours import to_rgb
from hpac_cli.codec.duration import Rates
from hpac_cli.codec.efforts import Effort, effort_of
from hpac_cli.codec.network_tiles import NetworkTile, decode_values, encode_values, measure_values
from hpac_cli.codec.networks import Networks
from hpac_cli.codec.repetition_search import choose_repeats
from hpac_cli.codec.trial import Trials
from hpac_cli.container.fields import Colours, Frame, Part, TileMode, build_frame, parse_frame
from hpac_cli.core import DamagedWordsError, TileCoder
from hpac_cli.errors import ContainerError
from hpac_cli.limits import Limits
from hpac_cli.model.files import weights_folder
from hpac_cli.model.index import load_by_name
from hpac_cli.model.shape import Shape
from hpac_cli.model.weights import Weights


def bricks(side: int, planes: int = 3) -> np.ndarray:
    """A piece of noise that nobody foresees, over and over, (side, side, planes)."""
    rng = np.random.default_rng(3)
    piece = rng.integers(0, 256, (24, 31, planes))
    whole = np.tile(piece, (side // 24 + 1, side // 31 + 1, 1))[:side, :side]
    return np.clip(whole + rng.integers(-1, 2, whole.shape), 0, 255).astype(np.int32)


@pytest.fixture(scope="module")
def coder() -> TileCoder:
    return make_network(load_by_name("rgb-small")).coder


@settings(max_examples=60)
@given(weights=networks(), data=st.data())
def test_tiles_come_back(weights: Weights, data: st.DataObject) -> None:
    coder, tile = make_network(weights).coder, data.draw(tiles(weights.shape.planes))
    height, width, _ = tile.samples.shape
    words = coder.encode(*tile, repeats=True)
    assert np.array_equal(coder.decode(words, height, width, tile.bit_depth, repeats=True), tile.samples)


def test_a_long_tile_comes_back() -> None:
    """Places of rows and columns up to 1023."""
    coder = make_network(fill_shape(Shape(planes=1, width=16, blocks=1, head=16, components=1), 1, 12)).coder
    for size in ((5, 1024), (1024, 8)):
        samples = np.resize(bricks(48, 1), (*size, 1)).astype(np.int32)
        words = coder.encode(samples, 8, repeats=True)
        assert np.array_equal(coder.decode(words, *size, 8, repeats=True), samples)


def test_what_repeats_gets_smaller(coder: TileCoder) -> None:
    samples = bricks(96)
    assert len(coder.encode(samples, 8, repeats=True)) < 0.6 * len(coder.encode(samples, 8))


def test_measured_lengths_are_those_of_the_words(coder: TileCoder) -> None:
    samples = bricks(64)
    words = coder.encode(samples, 8, repeats=True)
    assert abs(coder.measure(samples, 8, repeats=True).sum() - 8 * len(words)) < 64


def test_damaged_words_are_refused_or_give_other_samples(coder: TileCoder) -> None:
    samples = bricks(20)
    words = coder.encode(samples, 8, repeats=True)
    for at in range(0, len(words) - 8, 5):
        damaged = bytearray(words)
        damaged[at] ^= 1 << at % 8
        try:
            found = coder.decode(bytes(damaged), 20, 20, 8, repeats=True)
        except DamagedWordsError:
            continue
        assert 0 <= found.min() <= found.max() < 256
        assert not np.array_equal(found, samples)


@pytest.mark.parametrize("colours", [Colours.NONE, Colours.JPEG])
def test_parts_that_repeat_come_back_turned(colours: Colours) -> None:
    networks = Networks()
    part = Part(
        3, 8, networks.digest("ycc-small" if colours else "rgb-small"), colours=colours, orientation=5, repeats=True
    )
    network, samples = networks.by_digest(part.weights_digest), bricks(60)[:40]
    if colours:
        samples = to_rgb(samples, colours)
    coded = encode_values(network, samples, part)
    assert coded.mode is (TileMode.LUMA_CHROMA if colours else TileMode.NETWORK)
    tile = NetworkTile(coded.mode, coded.payload, (40, 60), colours, 5, repeats=True)
    assert np.array_equal(decode_values(network, tile, 8), samples)
    assert abs(measure_values(network, samples, part).sum() - 8 * len(coded.payload)) < 0.02 * 8 * len(coded.payload)


def test_a_frame_says_whether_it_repeats() -> None:
    part = Part(1, 8, bytes(8))
    for repeats in (False, True):
        frame = Frame(9, 9, "u1", 8, (replace(part, repeats=repeats),))
        assert parse_frame(build_frame(frame), Limits()) == frame


def test_another_kind_of_repeats_is_refused() -> None:
    payload = bytearray(build_frame(Frame(9, 9, "u1", 8, (Part(1, 8, bytes(8), repeats=True),))))
    assert payload[-2:] == b"\x01\x00"  # repeats, and no references
    payload[-2] = 2
    with pytest.raises(ContainerError, match="repeats of kind 2"):
        parse_frame(bytes(payload), Limits())


@pytest.mark.parametrize(("level", "side", "expected"), [(3, 128, True), (2, 128, False), (3, 80, False)])
def test_it_is_looked_for_where_it_pays(level: int, side: int, expected: bool) -> None:
    assert does_repeat(bricks(side), level) is expected


def test_it_is_not_looked_for_where_nothing_repeats() -> None:
    assert not does_repeat(np.random.default_rng(5).integers(0, 256, (128, 128, 3)), 3)


def does_repeat(samples: np.ndarray, level: int) -> bool:
    effort = effort_of(level)
    trials = Trials(samples.astype(np.uint8), Networks(), effort.size)
    frame = Frame(*samples.shape[1::-1], "u1", 128, (Part(3, 8, trials.digest("rgb")),))
    return choose_repeats(frame, trials, effort).parts[0].repeats


def test_estimates_of_time_count_it() -> None:
    networks = Networks()
    part = Part(3, 8, networks.digest("rgb-small"))
    frames = [Frame(999, 999, "u1", 128, (replace(part, repeats=repeats),)) for repeats in (False, True)]
    without, repeating = (min(Rates(networks).decoding([frame]) for _ in range(9)) for frame in frames)
    assert repeating > 1.05 * without


@pytest.mark.parametrize("channels", [1, 3])
def test_the_second_decoder_reads_files_that_repeat(
    channels: int, photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiles of a frame that is too small for it to be looked for."""
    monkeypatch.setattr(plan, "choose_repeats", make_repeating)
    array = np.ascontiguousarray(photograph[100:120, 200:232, :channels])
    data = hpac_cli.encode(array, effort=3)
    (decoded,) = decode_plainly(data, weights_folder())
    assert np.array_equal(decoded, array)
    assert np.array_equal(hpac_cli.decode(data), array)


def make_repeating(frame: Frame, _trials: Trials, _effort: Effort) -> Frame:
    parts = tuple(replace(part, repeats=True) for part in frame.parts)
    assert all(part.weights_digest for part in parts)
    return replace(frame, parts=parts)
