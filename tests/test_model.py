"""The network as data: its shape, its table of layers, its weights, and the index that finds them."""

import itertools
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from conftest import random_weights
from safetensors import safe_open

from hpac_cli.errors import ModelError
from hpac_cli.model.files import weights_folder
from hpac_cli.model.index import (
    INDEX,
    ROLES,
    SIZES,
    Entry,
    add_weights,
    latest_entry,
    load_by_digest,
    load_by_name,
    network_name,
    read_index,
)
from hpac_cli.model.layers import (
    ACTIVATION_Q,
    STREAM_Q,
    Activation,
    Role,
    count_multiply_adds,
    find_layer,
    layer_table,
)
from hpac_cli.model.pack import packed
from hpac_cli.model.shape import Shape
from hpac_cli.model.tables import LOGIT_Q, MEAN_Q, SPREAD_Q
from hpac_cli.model.weights import Weights, check_weights, read_weights, write_weights

INDEX_ENTRIES = read_index(weights_folder())
LARGE = Shape(planes=3, width=128, blocks=4, head=128, context=128, context_places=2)


@pytest.mark.parametrize(
    "size",
    [
        {"planes": 2},
        {"planes": 4},
        {"width": 0},
        {"width": 24},
        {"width": 528},
        {"blocks": 0},
        {"blocks": 17},
        {"expand": 0},
        {"expand": 5},
        {"rows": 0},
        {"rows": 4},
        {"head": 8},
        {"head": 528},
        {"components": 0},
        {"components": 9},
        {"context": 8},
        {"context": 528},
        {"context_places": -1},
        {"context_places": 7},
        {"width": 64.0},
        {"rows": True},
        {"head": "64"},
    ],
)
def test_sizes_out_of_range_are_refused(size: dict[str, object]) -> None:
    sizes = {"planes": 1, "context": 16} | size
    with pytest.raises(ModelError, match=f"{next(iter(size))} is "):
        Shape(**sizes)  # type: ignore[arg-type]


def test_places_of_a_context_need_a_context() -> None:
    with pytest.raises(ModelError, match="context_places"):
        Shape(planes=1, context=0, context_places=1)


@pytest.mark.parametrize("shape", [Shape(planes=1), LARGE, Shape(3, 512, 16, 4, 3, 512, 8, 512, 6)])
def test_a_shape_has_one_form_in_json(shape: Shape) -> None:
    sizes = json.loads(shape.to_json())
    assert Shape.from_json(sizes) == shape
    assert list(sizes) == sorted(asdict(shape))


@pytest.mark.parametrize("sizes", [None, [], {"planes": 1}, asdict(LARGE) | {"depth": 3}])
def test_json_that_is_no_shape_is_refused(sizes: object) -> None:
    with pytest.raises(ModelError, match="exactly the sizes"):
        Shape.from_json(sizes)


def test_a_large_network_has_as_many_multiply_adds_as_were_measured() -> None:
    assert round(count_multiply_adds(LARGE) / 1000) == 565


@pytest.mark.parametrize("name", INDEX_ENTRIES)
def test_the_table_lists_what_weights_files_hold(name: str) -> None:
    with safe_open(weights_folder() / INDEX_ENTRIES[name].file, framework="numpy") as file:
        found = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
        shape = Shape.from_json(json.loads(file.metadata()["hpac"])["shape"])
    expected = {}
    for layer in layer_table(shape):
        expected[f"{layer.name}.weight"] = (layer.outputs, layer.inputs)
        expected[f"{layer.name}.bias"] = expected[f"{layer.name}.shift"] = (layer.outputs,)
    assert found == expected


@pytest.mark.parametrize("shape", [Shape(planes=1, context=0), LARGE])
def test_every_layer_is_found_by_what_it_does(shape: Shape) -> None:
    table = layer_table(shape)
    assert len({layer.name for layer in table}) == len(table)
    assert all(find_layer(shape, layer.role, layer.index) is layer for layer in table)


@pytest.mark.parametrize(
    ("role", "index", "activation", "inputs", "outputs"),
    [
        (Role.INPUT, 0, Activation.RELU, ACTIVATION_Q, (ACTIVATION_Q,)),
        (Role.INPUT2, 0, Activation.STREAM, ACTIVATION_Q, (STREAM_Q,)),
        (Role.CONTEXT_FEATURES, 0, Activation.RELU, ACTIVATION_Q, (ACTIVATION_Q,)),
        (Role.CONTEXT_OUT, 0, Activation.STREAM, ACTIVATION_Q + 2, (STREAM_Q,)),
        (Role.GATE, 3, Activation.ACT, ACTIVATION_Q, (ACTIVATION_Q,)),
        (Role.VALUE, 3, Activation.ACT, ACTIVATION_Q, (ACTIVATION_Q,)),
        (Role.DEPTHWISE, 3, Activation.ACT, ACTIVATION_Q, (ACTIVATION_Q,)),
        (Role.OUT, 3, Activation.STREAM, ACTIVATION_Q, (STREAM_Q,)),
        (Role.UP, 3, Activation.RELU, ACTIVATION_Q, (ACTIVATION_Q,)),
        (Role.DOWN, 3, Activation.STREAM, ACTIVATION_Q, (STREAM_Q,)),
        (Role.HEAD_HIDDEN, 2, Activation.RELU, ACTIVATION_Q, (ACTIVATION_Q,)),
        (Role.HEAD_OUT, 2, Activation.RAW, ACTIVATION_Q, (LOGIT_Q, MEAN_Q, SPREAD_Q, MEAN_Q, MEAN_Q)),
    ],
)
def test_places_and_activations(
    role: Role, index: int, activation: Activation, inputs: int, outputs: tuple[int, ...]
) -> None:
    layer = find_layer(LARGE, role, index)
    assert (layer.activation, layer.input_places, layer.output_places) == (activation, inputs, outputs)


def test_places_of_outputs_are_given_group_by_group() -> None:
    places = find_layer(LARGE, Role.HEAD_OUT, 1).places_of_outputs()
    assert places.tolist() == [LOGIT_Q] * 5 + [MEAN_Q] * 5 + [SPREAD_Q] * 5 + [MEAN_Q] * 5


@pytest.mark.parametrize("name", INDEX_ENTRIES)
def test_the_index_is_true_to_the_files(name: str) -> None:
    entry = INDEX_ENTRIES[name]
    weights = read_weights(weights_folder() / entry.file)
    assert weights.name == name
    assert entry == Entry(f"{name}.safetensors", weights.digest().hex(), weights.shape.planes, entry.role, entry.size)
    assert name.startswith(network_name(entry.role, entry.size))
    assert ROLES[entry.role] == entry.planes


def test_every_role_has_a_network_of_each_size() -> None:
    assert {(entry.role, entry.size) for entry in INDEX_ENTRIES.values()} == set(itertools.product(ROLES, SIZES))


def test_every_file_of_weights_is_in_the_index() -> None:
    files = {path.name for path in weights_folder().glob("*.safetensors")}
    assert files == {entry.file for entry in INDEX_ENTRIES.values()} | {"tables.safetensors"}


@pytest.mark.parametrize("name", INDEX_ENTRIES)
def test_weights_are_found_by_digest(name: str) -> None:
    assert load_by_digest(bytes.fromhex(INDEX_ENTRIES[name].digest)).name == name


def test_unknown_weights_are_told() -> None:
    with pytest.raises(ModelError, match="lacks"):
        load_by_digest(bytes(8))
    with pytest.raises(ModelError, match="no network 'cmyk'; there are grey-large, grey-medium"):
        load_by_name("cmyk")


def test_weights_that_the_index_does_not_mean_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"rgb-medium": replace(INDEX_ENTRIES["rgb-medium"], file="ycc-medium.safetensors")}
    monkeypatch.setattr("hpac_cli.model.index.shipped_index", lambda: wrong)
    with pytest.raises(ModelError, match=r"ycc-medium\.safetensors are not those"):
        load_by_name("rgb-medium")


@pytest.mark.parametrize("text", ["", "[]", '{"rgb": 1}', '{"rgb": {"file": "rgb.safetensors"}}', "[" * 100_000])
def test_a_damaged_index_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(ModelError, match="list of networks"):
        read_index(tmp_path)


@pytest.fixture
def three_networks(tmp_path: Path) -> dict[str, Weights]:
    """Networks that were added to a folder one after another, by name."""
    names = ("ycc-small", "rgb-small", "ycc-small-2")
    (tmp_path / "weights").mkdir()
    for seed, name in enumerate(names):
        write_weights(random_weights(3, seed), tmp_path / "run.safetensors")
        add_weights(tmp_path / "run.safetensors", role=name[:3], size="small", folder=tmp_path / "weights")
    return {name: random_weights(3, seed) for seed, name in enumerate(names)}


def test_a_network_is_added_beside_those_that_are_there(three_networks: dict[str, Weights], tmp_path: Path) -> None:
    index = read_index(tmp_path / "weights")
    assert list(index) == list(three_networks)
    for name, weights in three_networks.items():
        entry, digest = index[name], weights.digest().hex()
        assert entry == Entry(f"{name}.safetensors", digest, 3, name[:3], "small")
        added = read_weights(tmp_path / "weights" / entry.file)
        assert (added.name, added.digest().hex()) == (name, digest)


def test_encoders_take_the_network_that_was_added_last(
    three_networks: dict[str, Weights], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = read_index(tmp_path / "weights")
    monkeypatch.setattr("hpac_cli.model.index.shipped_index", lambda: index)
    assert latest_entry("ycc", "small").digest == three_networks["ycc-small-2"].digest().hex()
    assert latest_entry("rgb", "small").digest == three_networks["rgb-small"].digest().hex()
    with pytest.raises(ModelError, match="no network for 'grey' of size 'small'"):
        latest_entry("grey", "small")


def test_a_network_is_not_added_twice(three_networks: dict[str, Weights], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="listed already"):
        add_weights(tmp_path / "run.safetensors", role="ycc", size="small", folder=tmp_path / "weights")
    assert len(read_index(tmp_path / "weights")) == len(three_networks)


@pytest.mark.parametrize("role", ["grey", "cmyk"])
def test_a_network_is_not_added_under_a_role_that_it_cannot_have(tmp_path: Path, role: str) -> None:
    write_weights(random_weights(3, 1), tmp_path / "run.safetensors")
    with pytest.raises(ModelError, match=f"role '{role}'"):
        add_weights(tmp_path / "run.safetensors", role=role, size="small", folder=tmp_path)


def test_a_network_is_not_added_in_a_size_that_there_is_not(tmp_path: Path) -> None:
    write_weights(random_weights(3, 1), tmp_path / "run.safetensors")
    with pytest.raises(ModelError, match="no size 'tiny'"):
        add_weights(tmp_path / "run.safetensors", role="rgb", size="tiny", folder=tmp_path)


def test_a_digest_counts_every_number_and_the_shape() -> None:
    weights = random_weights(1, 2)
    digests = {weights.digest(), replace(weights, shape=replace(weights.shape, context_places=3)).digest()}
    for name, layer in weights.layers.items():
        for part in ("weight", "bias", "shift"):
            array = getattr(layer, part).copy()
            array.flat[-1] ^= 1
            changed = weights.layers | {name: replace(layer, **{part: array})}
            digests.add(replace(weights, layers=changed).digest())
    assert len(digests) == 2 + 3 * len(weights.layers)


def test_a_name_changes_no_digest() -> None:
    assert replace(random_weights(1, 2), name="other").digest() == random_weights(1, 2).digest()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("planes", [1, 3])
def test_packed_arrays_hold_every_layer_in_order(planes: int, seed: int) -> None:
    weights = random_weights(planes, seed)
    found = packed(weights)
    assert [part.dtype for part in (found.shape, found.weights, found.biases, found.shifts)] == ["i4", "i1", "i4", "i4"]
    at = outputs = 0
    for row in layer_table(weights.shape):
        layer = weights.layers[row.name]
        size = row.outputs * row.inputs
        assert np.array_equal(found.weights[at : at + size].reshape(row.outputs, row.inputs), layer.weight)
        assert np.array_equal(found.biases[outputs : outputs + row.outputs], layer.bias)
        assert np.array_equal(found.shifts[outputs : outputs + row.outputs], layer.shift)
        at, outputs = at + size, outputs + row.outputs
    assert (len(found.weights), len(found.biases), len(found.shifts)) == (at, outputs, outputs)


def test_a_packed_shape_has_its_sizes_in_order() -> None:
    assert packed(load_by_name("rgb-medium")).shape.tolist() == [3, 64, 3, 2, 2, 64, 5, 64, 2, 0]


@pytest.mark.parametrize("text", [b"", b"not weights", b"\x80" + bytes(100)])
def test_files_that_are_no_weights_are_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(text)
    with pytest.raises(ModelError, match=r"bad\.safetensors"):
        read_weights(path)


def test_the_tables_are_no_weights() -> None:
    with pytest.raises(ModelError, match="not a file of hpac-weights"):
        read_weights(weights_folder() / "tables.safetensors")


def changed(weights: Weights, part: str, value: int) -> Weights:
    """Weights with another first number in a part of the first layer."""
    name = layer_table(weights.shape)[0].name
    array = getattr(weights.layers[name], part).copy()
    array.flat[0] = value
    return replace(weights, layers=weights.layers | {name: replace(weights.layers[name], **{part: array})})


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("bias", (1 << 24) - 1, "could overflow"),
        ("bias", -(1 << 31), "could overflow"),
        ("shift", 23, "out of range"),
        ("shift", -1, "out of range"),
        ("weight", -128, "out of range"),
    ],
)
def test_numbers_out_of_bounds_are_refused(tmp_path: Path, part: str, value: int, words: str) -> None:
    write_weights(changed(random_weights(1, 1), part, value), tmp_path / "wild.safetensors")
    with pytest.raises(ModelError, match=f"input.*{words}"):
        read_weights(tmp_path / "wild.safetensors")


def test_the_bound_on_sums_is_as_stated() -> None:
    """127 times the magnitudes, the bias and the rounding together stay below 2**24, and no less is asked."""
    weights = changed(random_weights(1, 1), "shift", 0)
    weight = weights.layers["input"].weight[0].astype(int)
    most = (1 << 24) - 1 - 1 - 127 * int(np.abs(weight).sum())
    check_weights(changed(weights, "bias", most))
    with pytest.raises(ModelError, match="could overflow"):
        check_weights(changed(weights, "bias", most + 1))


def test_missing_and_unknown_arrays_are_named(tmp_path: Path) -> None:
    weights = random_weights(1, 1)
    layers = dict(weights.layers)
    layers["blocks.7.gate"] = layers.pop("blocks.1.gate")
    with pytest.raises(ModelError, match=r"blocks\.1\.gate, blocks\.7\.gate"):
        check_weights(replace(weights, layers=layers))
    write_weights(replace(weights, layers=layers), tmp_path / "part.safetensors")
    with pytest.raises(ModelError, match=r"blocks\.1\.gate\.bias"):
        read_weights(tmp_path / "part.safetensors")


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.float16])
def test_weights_of_another_type_are_refused(tmp_path: Path, kind: type) -> None:
    weights = random_weights(1, 1)
    layer = replace(weights.layers["input"], weight=weights.layers["input"].weight.astype(kind))
    write_weights(replace(weights, layers=weights.layers | {"input": layer}), tmp_path / "wide.safetensors")
    with pytest.raises(ModelError, match=r"input\.weight is"):
        read_weights(tmp_path / "wide.safetensors")


@pytest.mark.parametrize("kind", ["BF16", "F8_E4M3"])
def test_types_that_numpy_lacks_are_refused(tmp_path: Path, kind: str) -> None:
    size = 2 if kind == "BF16" else 1
    header = json.dumps({"input.weight": {"dtype": kind, "shape": [1], "data_offsets": [0, size]}}).encode()
    (tmp_path / "odd.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(size))
    with pytest.raises(ModelError, match=r"input\.weight is not of I8 or I32"):
        read_weights(tmp_path / "odd.safetensors")


def test_the_model_needs_no_torch(without_torch: dict[str, str]) -> None:
    """It is loaded in every process that codes anything; torch takes seconds, and may not be there."""
    program = (
        "import sys; from hpac_cli.model import adapters, index, pack; weights = index.load_by_name('rgb-medium'); "
        "pack.packed(adapters.merge(weights, adapters.no_change(weights.shape))); pack.packed_tables(); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, **without_torch})
