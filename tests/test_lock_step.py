"""Core, second decoder and constriction go in lock step: the same layers, the same symbols, the same words.

The hashes of tests/golden/layers.json hold every layer of the shipped networks; `python tests/make_golden.py`
adds those of new ones.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import constriction
import numpy as np
import pytest
from conftest import CONTENTS, fill_shape, make_network
from hypothesis import given, settings
from hypothesis import strategies as st
from make_golden import GOLDEN, layer_hashes
from reference.decoder import RangeDecoder, Record, read_tables
from reference.decoder import Tile as PlainTile
from reference.decoder import Weights as PlainWeights
from strategies import SEEDS, Tile, make_references, make_tile, networks, tiles

from hpac_cli.core import DamagedWordsError, Edges, Reference, unit_names
from hpac_cli.entropy.coder import encode_intervals
from hpac_cli.model.files import weights_folder
from hpac_cli.model.index import load_by_name, shipped_index
from hpac_cli.model.shape import Shape
from hpac_cli.model.weights import Weights

NAMES = list(shipped_index())
TABLES = read_tables(weights_folder())
COLUMNS = {24: "focus", 8: "refinement", 16: "plain bits", 2: "escape"}


class ConstrictionDecoder:
    """Symbols through constriction, in the terms that docs/format.md gives for it."""

    def __init__(self, data: bytes) -> None:
        self.decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(data, "<u4").astype(np.uint32))
        self.model = constriction.stream.model.Categorical(perfect=False)
        self.kinds: Counter[str] = Counter()

    def decode(self, cumulative: list[int]) -> int:
        columns = len(cumulative) + 1
        reduced = [c - (c * columns >> 24) for c in cumulative]
        row = np.array([[0, *np.diff(reduced), 0]], np.float32)
        self.kinds[COLUMNS[columns - 2]] += 1
        return int(self.decoder.decode(self.model, row)[0]) - 1

    def end(self) -> None:
        assert self.decoder.maybe_exhausted()


def plain_tile(
    weights: Weights,
    tile: Tile,
    words: bytes,
    record: Record | None = None,
    edges: Edges | None = None,
    references: Sequence[Reference] = (),
    *,
    repeats: bool = False,
) -> PlainTile:
    """A tile of the second decoder."""
    arrays = {
        f"{n}.{part}": getattr(a, part) for n, a in weights.layers.items() for part in ("weight", "bias", "shift")
    }
    height, width, _ = tile.samples.shape
    plain = PlainWeights(asdict(weights.shape), arrays, TABLES)
    of_cells = None if edges is None else edges.tolist()
    return PlainTile(plain, height, width, tile.bit_depth, words, record, of_cells, references, repeats=repeats)


def assert_lock_step(
    weights: Weights,
    tile: Tile,
    edges: Edges | None = None,
    references: Sequence[Reference] = (),
    *,
    repeats: bool = False,
) -> None:
    """The second decoder reads the core's words, computes the same layers, and constriction writes the same words."""
    coder, record = make_network(weights).coder, Record(asdict(weights.shape))
    words = coder.encode(*tile, edges, references, repeats=repeats)
    plain = plain_tile(weights, tile, words, record, edges, references, repeats=repeats)
    decoded = plain.decode()
    found = dict(zip(record.hashes, coder.trace(*tile, references), strict=True))
    assert next((name for name in found if found[name] != record.hashes[name]), None) is None
    assert np.array_equal(decoded.transpose(1, 2, 0), tile.samples)
    assert isinstance(plain.coder, RangeDecoder)
    left, width = np.array(plain.coder.intervals, np.int32).T
    assert encode_intervals(left, width) == words


@settings(max_examples=40)
@given(weights=networks(most=48), data=st.data())
def test_random_networks(weights: Weights, data: st.DataObject) -> None:
    tile = data.draw(tiles(weights.shape.planes, side=9))
    count = data.draw(st.integers(0, weights.shape.references))
    rng = np.random.default_rng(data.draw(SEEDS))
    assert_lock_step(weights, tile, references=make_references(rng, tile, count))


@settings(max_examples=25)
@given(weights=networks(most=32), data=st.data())
def test_repeats_by_random_networks(weights: Weights, data: st.DataObject) -> None:
    """A few rows come again and again, each time a little other."""
    rng, bit_depth = np.random.default_rng(data.draw(SEEDS)), data.draw(st.integers(1, 16))
    height, width = (data.draw(st.integers(4, 14)) for _ in range(2))
    tile = repeated(rng, (height, width + 5, weights.shape.planes), bit_depth)
    count = data.draw(st.integers(0, weights.shape.references))
    edges = make_edges(rng, weights.shape.planes, bit_depth) if bit_depth <= 8 and data.draw(st.booleans()) else None
    assert_lock_step(weights, tile, edges, make_references(rng, tile, count), repeats=True)


@pytest.mark.parametrize("name", NAMES)
def test_repeats_by_shipped_networks(name: str) -> None:
    """All that is learned in a tile, by networks that expect something."""
    weights = load_by_name(name)
    assert_lock_step(weights, repeated(np.random.default_rng(7), (16, 30, weights.shape.planes), 8), repeats=True)


def repeated(rng: np.random.Generator, size: tuple[int, int, int], bit_depth: int) -> Tile:
    highest = (1 << bit_depth) - 1
    again = np.resize(rng.integers(0, highest + 1, (5, 7, size[2])), size)
    return Tile(np.minimum(again + (rng.random(size) < 0.1), highest).astype(np.int32), bit_depth)


def make_edges(rng: np.random.Generator, planes: int, bit_depth: int) -> Edges:
    count = (1 << bit_depth) + 1
    shifts = rng.integers(-256, 257, (planes, count))
    return np.maximum.accumulate(64 * np.arange(count) - 32 + shifts, axis=1).astype(np.int32)


@pytest.mark.parametrize("content", sorted(CONTENTS))
@pytest.mark.parametrize("name", NAMES)
def test_shipped_networks(name: str, content: str) -> None:
    weights = load_by_name(name)
    assert_lock_step(weights, make_tile(np.random.default_rng(2), content, (9, 7, weights.shape.planes), 8))


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("grey")])
def test_shipped_networks_with_references(name: str, count: int) -> None:
    rng = np.random.default_rng(4)
    tile = make_tile(rng, "ramp", (9, 7, 1), 12)
    assert_lock_step(load_by_name(name), tile, references=make_references(rng, tile, count))


@pytest.mark.parametrize("bit_depth", [1, 11, 16])
def test_deep_tiles_of_the_shipped_network(bit_depth: int) -> None:
    """Smooth, but for jumps that escape."""
    rng = np.random.default_rng(bit_depth)
    smooth = rng.normal(0, 0.02, (10, 10, 1)).cumsum(1) + rng.choice([0.3, 0.5], (10, 10, 1), p=[0.1, 0.9])
    samples = (smooth.clip(0, 1) * ((1 << bit_depth) - 1)).astype(np.int32)
    assert_lock_step(load_by_name("grey-medium"), Tile(samples, bit_depth))


@pytest.mark.parametrize("size", [(70, 2), (2, 140), (1, 30), (30, 1)])
def test_tiles_longer_than_what_goes_through_the_network_at_once(size: tuple[int, int]) -> None:
    """The core takes 64 pixels of a wavefront at a time."""
    shape = Shape(planes=1, width=16, blocks=1, rows=3, head=16, components=2, context=16, context_places=1)
    assert_lock_step(fill_shape(shape, 5, 12), make_tile(np.random.default_rng(3), "ramp", (*size, 1), 8))


def test_wavefronts_longer_than_what_goes_through_the_network_at_once() -> None:
    shape = Shape(planes=1, width=16, blocks=1, rows=3, head=16, components=2, context=16, context_places=1)
    tile = make_tile(np.random.default_rng(3), "ramp", (70, 140, 1), 8)
    assert_lock_step(fill_shape(shape, 5, 12), tile)


def test_constriction_reads_the_words_of_every_kind_of_symbol() -> None:
    """Wild networks and samples, so that refinements, plain bits and escapes all occur, on every plane."""
    kinds: Counter[str] = Counter()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        shape = Shape(planes=(1, 3)[seed % 2], width=16, blocks=1, head=16, components=1 + seed % 8)
        weights = fill_shape(shape, seed, (4, 12, 127)[seed % 3])
        tile = make_tile(rng, sorted(CONTENTS)[seed % 5], (6, 7, shape.planes), (8, 12, 16, 1)[seed % 4])
        plain = plain_tile(weights, tile, make_network(weights).coder.encode(*tile))
        plain.coder = ConstrictionDecoder(make_network(weights).coder.encode(*tile))
        assert np.array_equal(plain.decode().transpose(1, 2, 0), tile.samples)
        kinds += plain.coder.kinds
    assert all(kinds[kind] > 100 for kind in COLUMNS.values()), kinds


@pytest.mark.parametrize("dummy", [0, 2])
@pytest.mark.parametrize("bit_depth", [8, 16])
def test_symbols_that_never_occur_are_refused(bit_depth: int, dummy: int) -> None:
    """The first column or the last of every table, in place of each symbol of a tile, refinements and bits included."""
    total, weights = 1 << 24, load_by_name("grey-medium")
    tile = make_tile(np.random.default_rng(1), "noise", (1, 2, 1), bit_depth)
    coder = make_network(weights).coder
    plain = plain_tile(weights, tile, coder.encode(*tile))
    plain.decode()
    left, width = np.array(plain.coder.intervals).T
    rows = np.stack([left - 1, width - 1, total - 1 - left - width], 1).astype(np.float32)
    model = constriction.stream.model.Categorical(perfect=False)
    for number in range(len(rows)):
        encoder = constriction.stream.queue.RangeEncoder()
        encoder.encode(np.ones(number, np.int32), model, rows[:number])
        encoder.encode(np.array([dummy], np.int32), model, np.array([[0, total - 3, 0]], np.float32))
        with pytest.raises(DamagedWordsError):
            coder.decode(encoder.get_compressed().astype("<u4").tobytes(), 1, 2, bit_depth)


@pytest.mark.parametrize("unit", unit_names())
@pytest.mark.parametrize("name", NAMES)
def test_the_layers_of_shipped_networks_never_change(name: str, unit: str) -> None:
    expected = json.loads((GOLDEN / "layers.json").read_text())[name]
    found = layer_hashes(name, unit)
    assert list(found) == list(expected)
    assert next((layer for layer in expected if found[layer] != expected[layer]), None) is None
