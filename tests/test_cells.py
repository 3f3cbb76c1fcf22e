"""Cells of values: tables to bytes and back, the core with cells, and pictures that need them."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import CONTENTS, make_network, make_other_photograph, random_weights
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from reference.decoder import decode as decode_plainly
from reference.decoder import read_edges
from strategies import SEEDS, Tile, make_tile, networks, tiles
from test_lock_step import assert_lock_step

import hpac_cli
from hpac_cli.codec.cell_search import find_cells
from hpac_cli.codec.cells import HIGHEST, LOWEST, STEPS, find_edges, pack_cells, plain_edges, unpack_cells
from hpac_cli.codec.efforts import effort_of
from hpac_cli.codec.encode import encode_image
from hpac_cli.codec.networks import Network, Networks
from hpac_cli.codec.partial import decode_region
from hpac_cli.codec.salvaged import decode_salvaged
from hpac_cli.codec.tiles import Box
from hpac_cli.container.build import Writer
from hpac_cli.container.fields import Frame, Part, TileMode
from hpac_cli.container.parse import Reader
from hpac_cli.container.salvage import find_undamaged
from hpac_cli.core import MAX_SHIFTED, Edges, unit_names
from hpac_cli.entropy.adaptive import BitReader, BitWriter
from hpac_cli.errors import ContainerError
from hpac_cli.images.npy import from_array
from hpac_cli.limits import DEFAULT_LIMITS
from hpac_cli.model.files import weights_folder
from hpac_cli.model.index import load_by_name
from hpac_cli.model.weights import Weights


def draw_levels(rng: np.random.Generator, planes: int, bit_depth: int, step: int) -> NDArray[np.int64]:
    """Mostly zeros, with neighbours and planes that are alike."""
    levels = rng.integers(-(-LOWEST // step), HIGHEST // step + 1, (planes, 1 << bit_depth))
    levels[rng.random(levels.shape) < 0.6] = 0
    levels[-1] = np.where(rng.random(levels.shape[1]) < 0.8, levels[0], levels[-1])
    return levels


def draw_edges(rng: np.random.Generator, planes: int, bit_depth: int) -> Edges:
    """Edges as wild as the core takes them, many cells empty; the last of several planes may have none."""
    shifts = rng.integers(-MAX_SHIFTED, MAX_SHIFTED + 1, (planes, (1 << bit_depth) + 1))
    if planes > 1 and rng.random() < 0.5:
        shifts[-1] = 0
    return np.maximum.accumulate(plain_edges(1, bit_depth) + shifts, axis=1).astype(np.int32)


def stretch(samples: NDArray[np.uint8], gain: float = 1.6) -> NDArray[np.uint8]:
    """Samples of 8 bits with more contrast: three in eight values never come again, but for noise in some places."""
    return np.clip(np.rint((samples.astype(float) - 128) * gain + 128), 0, 255).astype(np.uint8)


def smooth_noise() -> NDArray[np.uint8]:
    """A gradient with noise, (128, 128, 1), of which every value comes as often as its neighbours."""
    smooth = np.random.default_rng(1).normal(0, 6, (128, 128, 1)) + np.linspace(40, 200, 128)[:, None, None]
    return smooth.round().clip(0, 255).astype(np.uint8)


def read(data: bytes) -> Reader:
    return Reader(io.BytesIO(data), DEFAULT_LIMITS)


def cells_of(data: bytes) -> list[bytes]:
    return [part.cells for frame in read(data).header.frames for part in frame.parts]


def encode_with(array: NDArray[Any], cells: bytes, networks: Networks, **changes: Any) -> bytes:
    """An array in tiles of 16, each part with these cells."""

    def change(frames: tuple[Frame, ...]) -> tuple[tuple[Frame, ...], tuple[()]]:
        parts = (replace(part, cells=cells, **changes) for part in frames[0].parts)
        return (replace(frames[0], parts=tuple(parts)),), ()

    out = io.BytesIO()
    encode_image(from_array(array), out, networks=networks, effort=effort_of(1), tile=16, adapt=change)
    return out.getvalue()


# tables


@settings(max_examples=60)
@given(seed=SEEDS, planes=st.sampled_from([1, 3]), bit_depth=st.integers(1, 9), step=st.sampled_from(STEPS))
def test_tables_come_back_and_the_second_decoder_reads_them(seed: int, planes: int, bit_depth: int, step: int) -> None:
    levels = draw_levels(np.random.default_rng(seed), planes, bit_depth, step)
    packed = pack_cells(levels, step)
    edges = unpack_cells(packed, planes, bit_depth)
    assert np.array_equal(edges, find_edges(step * levels))
    assert edges.tolist() == read_edges(packed, planes, 1 << bit_depth)


@settings(max_examples=60)
@given(seed=SEEDS, bit_depth=st.integers(1, 12))
def test_edges_are_what_the_core_takes(seed: int, bit_depth: int) -> None:
    edges = find_edges(draw_levels(np.random.default_rng(seed), 1, bit_depth, 1))
    assert (np.diff(edges) >= 0).all()
    assert np.abs(edges - plain_edges(1, bit_depth)).max() <= MAX_SHIFTED


def test_values_that_are_all_alike_have_plain_edges() -> None:
    """A wider scale is drift, and taken out."""
    assert np.array_equal(find_edges(np.zeros((2, 64), np.int64)), plain_edges(2, 6))
    assert np.array_equal(find_edges(np.full((1, 64), 16))[:, 16:48], plain_edges(1, 6)[:, 16:48])


def test_a_wide_value_takes_from_its_neighbours() -> None:
    widths = np.zeros((1, 64), np.int64)
    widths[0, 30] = 32  # four times as wide
    grown = np.diff(find_edges(widths)[0]) - 64
    assert grown[30] > 100
    assert (grown[22:30] <= 0).all()
    assert (grown[31:38] <= 0).all()
    assert grown.sum() == 0


@settings(max_examples=100)
@given(seed=SEEDS, step=st.sampled_from(STEPS))
def test_damaged_tables_are_refused_or_give_other_edges(seed: int, step: int) -> None:
    """Cut, longer, or with a bit flipped: what the core takes, or a damaged container."""
    rng = np.random.default_rng(seed)
    packed = pack_cells(draw_levels(rng, 3, 5, step), step)
    flipped = bytearray(packed)
    flipped[rng.integers(len(packed))] ^= 1 << rng.integers(8)
    for data in (packed[: rng.integers(1, len(packed))], packed + rng.bytes(5), bytes(flipped), rng.bytes(40)):
        try:
            edges = unpack_cells(data, 3, 5)
        except ContainerError:
            continue
        assert np.abs(edges - plain_edges(3, 5)).max() <= MAX_SHIFTED


@pytest.mark.parametrize("data", [b"\x04", b"\xff\xff\xff", b"\0" + bytes(9), b"\0" + b"\xff" * 4000])
def test_tables_that_no_encoder_writes_are_refused(data: bytes) -> None:
    with pytest.raises(ContainerError, match=r"damaged|followed by something|end early"):
        unpack_cells(data, 3, 8)


def test_a_short_table_cannot_claim_many_levels() -> None:
    with pytest.raises(ContainerError, match="end early"):
        unpack_cells(b"\0", 3, 12)


@given(bits=st.lists(st.tuples(st.integers(0, 2), st.booleans())))
def test_bits_come_back(bits: list[tuple[int, bool]]) -> None:
    writer = BitWriter()
    for context, bit in bits:
        writer.put(context, bit)
    reader = BitReader(writer.finish())
    assert [(context, bool(reader.get(context))) for context, _ in bits] == bits
    reader.end()


def test_bits_that_are_all_alike_take_hardly_anything() -> None:
    writer = BitWriter()
    for _ in range(4000):
        writer.put(0, 0)
    assert len(writer.finish()) < 8


# the core


@settings(max_examples=60)
@given(weights=networks(), data=st.data())
def test_every_instruction_set_computes_the_same_with_cells(weights: Weights, data: st.DataObject) -> None:
    tile = data.draw(tiles(weights.shape.planes, side=20))
    edges = draw_edges(np.random.default_rng(data.draw(SEEDS)), weights.shape.planes, tile.bit_depth)
    found = set()
    for unit in unit_names():
        coder = make_network(weights, unit).coder
        words = coder.encode(*tile, edges)
        assert np.array_equal(coder.decode(words, *tile.samples.shape[:2], tile.bit_depth, edges), tile.samples)
        found.add((words, coder.measure(*tile, edges).tobytes()))
    assert len(found) == 1


@settings(max_examples=20)
@given(weights=networks(most=32), data=st.data())
def test_random_networks_go_in_lock_step_with_cells(weights: Weights, data: st.DataObject) -> None:
    tile = data.draw(tiles(weights.shape.planes, side=8))
    assert_lock_step(weights, tile, draw_edges(np.random.default_rng(1), weights.shape.planes, tile.bit_depth))


@pytest.mark.parametrize("content", sorted(CONTENTS))
def test_shipped_networks_go_in_lock_step_with_cells(real_network: Network, content: str) -> None:
    rng, weights = np.random.default_rng(2), real_network.weights
    tile = make_tile(rng, content, (9, 7, weights.shape.planes), 8)
    assert_lock_step(weights, tile, draw_edges(rng, weights.shape.planes, 8))


@pytest.mark.parametrize("bit_depth", [1, 11, 16])
def test_refinements_and_escapes_go_in_lock_step_with_cells(bit_depth: int) -> None:
    rng = np.random.default_rng(bit_depth)
    smooth = rng.normal(0, 0.02, (10, 10, 1)).cumsum(1) + rng.choice([0.3, 0.5], (10, 10, 1), p=[0.1, 0.9])
    tile = Tile((smooth.clip(0, 1) * ((1 << bit_depth) - 1)).astype(np.int32), bit_depth)
    assert_lock_step(load_by_name("grey-small"), tile, draw_edges(rng, 1, bit_depth))


def test_plain_edges_are_none(real_network: Network) -> None:
    planes = real_network.weights.shape.planes
    tile = make_tile(np.random.default_rng(1), "noise", (9, 14, planes), 8)
    coder = real_network.coder
    assert coder.encode(*tile, plain_edges(planes, 8)) == coder.encode(*tile)


def bad_edges(name: str) -> Edges:
    edges = plain_edges(3, 8)
    if name == "descending":
        edges[1, 100] = edges[1, 99] - 1
    elif name == "too high":
        edges[2, 10] += MAX_SHIFTED + 1
        edges[2, 11:] = np.maximum(edges[2, 11:], edges[2, 10])
    elif name == "too low":
        edges[0, 256] -= MAX_SHIFTED + 1
        edges[0, :256] = np.minimum(edges[0, :256], edges[0, 256])
    elif name == "2^31":
        edges[0, 256] = 2**31 - 1
    return edges


@pytest.mark.parametrize("name", ["descending", "too high", "too low", "2^31"])
def test_edges_out_of_bounds_are_refused(name: str) -> None:
    coder, samples = make_network(random_weights(3, 1)).coder, np.zeros((4, 4, 3), np.int32)
    edges = bad_edges(name)
    for action in (lambda: coder.encode(samples, 8, edges), lambda: coder.measure(samples, 8, edges)):
        with pytest.raises(ValueError, match="refuses a tile"):
            action()
    with pytest.raises(ValueError, match="refuses a tile"):
        coder.decode(bytes(8), 4, 4, 8, edges)


@pytest.mark.parametrize("shape", [(257,), (1, 257), (3, 256), (3, 258), (4, 257)])
def test_too_few_or_too_many_edges_are_refused(shape: tuple[int, ...]) -> None:
    coder = make_network(random_weights(3, 1)).coder
    with pytest.raises(ValueError, match="edges of"):
        coder.encode(np.zeros((4, 4, 3), np.int32), 8, np.zeros(shape, np.int32))


def test_values_are_expected_about_as_often_as_they_come(photograph: NDArray[np.uint8]) -> None:
    coder = make_network(load_by_name("grey-small")).coder
    samples = photograph[:128, 200:328, 1:2].astype(np.int32)
    (mixtures,), values = coder.collect(samples, 8), np.ascontiguousarray(samples.reshape(-1))
    met, expected = coder.expect(mixtures, values, 8)
    assert met.sum() == pytest.approx(expected.sum(), rel=0.02)
    assert met.sum() <= values.size
    assert np.abs(met.cumsum() - expected.cumsum()).max() < 0.02 * values.size


def test_lengths_of_mixtures_are_those_of_words(photograph: NDArray[np.uint8]) -> None:
    coder = make_network(load_by_name("grey-medium")).coder
    samples = photograph[:96, 200:296, 1:2].astype(np.int32)
    (mixtures,), values = coder.collect(samples, 8), np.ascontiguousarray(samples.reshape(-1))
    for edges in (plain_edges(1, 8), find_edges(8 * draw_levels(np.random.default_rng(1), 1, 8, 8))):
        length = coder.length(mixtures, values, 8, edges[0])
        assert length == pytest.approx(coder.measure(samples, 8, edges).sum(), rel=0.005)


# pictures


@pytest.fixture(scope="module")
def stretched(photograph: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A photograph that was stretched in 8 bits, but for one corner."""
    picture = stretch(photograph[320:448, 100:228])
    picture[:8, :8] = photograph[320:328, 100:108]
    return picture


def test_a_stretched_picture_is_smaller_with_cells(stretched: NDArray[np.uint8], networks: Networks) -> None:
    data = hpac_cli.encode(stretched)
    assert cells_of(data) != [b""]
    assert len(data) < 0.9 * len(encode_with(stretched, b"", networks))
    assert np.array_equal(hpac_cli.decode(data), stretched)


def test_a_stretched_picture_of_one_channel_is_smaller_with_cells(stretched: NDArray[np.uint8]) -> None:
    data = hpac_cli.encode(stretched[..., 1])
    assert cells_of(data) != [b""]
    assert np.array_equal(hpac_cli.decode(data), stretched[..., 1])


def test_each_frame_has_its_own_cells(stretched: NDArray[np.uint8]) -> None:
    frames = np.stack([stretched[..., 1], smooth_noise()[..., 0], 255 - stretched[..., 1]])[..., None]
    data = hpac_cli.encode(frames)
    one, plain, other = cells_of(data)
    assert b"" not in (one, other)
    assert one != other
    assert not plain
    assert np.array_equal(hpac_cli.decode(data), frames)


def test_a_picture_that_nothing_was_done_to_has_no_cells(networks: Networks) -> None:
    digest = networks.digest("grey-small")
    assert find_cells(smooth_noise(), networks.by_digest(digest), Part(1, 8, digest), one_in=1) == b""


def test_the_same_cells_for_any_number_of_threads(stretched: NDArray[np.uint8], networks: Networks) -> None:
    part = Part(3, 8, networks.digest("rgb-small"))
    found = {
        find_cells(stretched, networks.by_digest(part.weights_digest), part, one_in=1, threads=threads)
        for threads in (1, 3)
    }
    assert len(found) == 1


@pytest.fixture(scope="module")
def cells() -> bytes:
    """Cells that make no picture much larger."""
    return pack_cells(np.random.default_rng(3).integers(-6, 7, (3, 256)), 1)


@pytest.mark.parametrize("orientation", [0, 5])
def test_the_second_decoder_reads_files_with_cells(
    cells: bytes, photograph: NDArray[np.uint8], networks: Networks, orientation: int
) -> None:
    array = stretch(photograph[100:118, 200:221])
    data = encode_with(array, cells, networks, orientation=orientation)
    (decoded,) = decode_plainly(data, weights_folder())
    assert np.array_equal(decoded, array)
    assert np.array_equal(hpac_cli.decode(data), array)


def test_luma_and_chroma_have_cells_and_rgb_beside_them_has_none(
    cells: bytes, photograph: NDArray[np.uint8], networks: Networks
) -> None:
    """Of a PhotoCD picture, a tile that it cannot have made."""
    array = photograph[128:192, 384:448].copy()
    array[:16, :16] = make_other_photograph(array[:16, :16])
    data = encode_with(array, cells, networks)
    assert {tile.mode for tile in read(data).tiles()} == {TileMode.NETWORK, TileMode.LUMA_CHROMA}
    (decoded,) = decode_plainly(data, weights_folder())
    assert np.array_equal(decoded, array)
    assert np.array_equal(hpac_cli.decode(data), array)


def test_a_region_of_a_picture_with_cells(cells: bytes, photograph: NDArray[np.uint8], networks: Networks) -> None:
    array = stretch(photograph[100:140, 200:260])
    reader = read(encode_with(array, cells, networks))
    region = decode_region(reader, 0, Box(10, 20, 9, 25), networks=networks)
    assert np.array_equal(region, array[10:19, 20:45])


def test_a_damaged_picture_with_cells_is_salvaged(
    cells: bytes, photograph: NDArray[np.uint8], networks: Networks
) -> None:
    array = stretch(photograph[100:132, 200:232])
    data = bytearray(encode_with(array, cells, networks))
    data[-60] ^= 1  # in the last tile
    (found,), lost = decode_salvaged(find_undamaged(bytes(data), DEFAULT_LIMITS), 0, networks=networks)
    assert np.array_equal(found[:16], array[:16])
    assert len(lost) == 1


def test_cells_that_are_damaged_are_a_damaged_container(photograph: NDArray[np.uint8], networks: Networks) -> None:
    array = stretch(photograph[320:352, 100:132])
    sound = encode_with(array, b"", networks)
    reader = read(sound)
    frame = reader.header.frames[0]
    out = io.BytesIO()
    parts = tuple(replace(part, cells=b"\x09\x01") for part in frame.parts)
    writer = Writer(out, replace(reader.header, frames=(replace(frame, parts=parts),)), reader.metadata)
    for tile in reader.tiles():
        writer.tile(tile)  # type: ignore[arg-type]
    writer.end(reader.samples_hash, reader.file_hash)
    with pytest.raises(ContainerError, match="cells of values are damaged"):
        hpac_cli.decode(out.getvalue())
