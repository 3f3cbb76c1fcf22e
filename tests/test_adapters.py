"""Adapters: written and read back exactly, merged in integers, refused where they are damaged."""

import contextlib
import io

import numpy as np
import pytest
import torch
from conftest import random_weights
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hpac_cli.adapt.trainable import TrainableAdapter
from hpac_cli.codec.adapters import pack_adapter, unpack_adapter
from hpac_cli.codec.networks import Networks
from hpac_cli.container.build import Writer
from hpac_cli.container.fields import Adapted, Frame, Header, Kind, Part
from hpac_cli.container.parse import Reader
from hpac_cli.entropy.numbers import LARGEST, NumberReader, NumberWriter
from hpac_cli.errors import ContainerError, LimitExceededError, ModelError
from hpac_cli.limits import DEFAULT_LIMITS
from hpac_cli.model.adapters import MAX_RANK, Adapter, LayerAdapter, adaptable_layers, merge, no_change
from hpac_cli.model.index import load_by_name
from hpac_cli.model.layers import Role, find_layer
from hpac_cli.model.shape import Shape
from hpac_cli.training.integers import from_integers, to_integers

SMALL = Shape(planes=3, width=16, blocks=1, head=16, components=2, context=16)
NUMBERS = st.integers(-200, 200) | st.integers(-3, 3) | st.just(0)


@given(st.lists(arrays(np.int64, st.integers(1, 70), elements=NUMBERS), min_size=1, max_size=6))
def test_vectors_of_numbers_come_back(vectors: list[np.ndarray]) -> None:
    writer = NumberWriter()
    for vector in vectors:
        writer.put_vector(vector)
    reader = NumberReader(writer.finish())
    for vector in vectors:
        np.testing.assert_array_equal(reader.get_vector(len(vector)), vector)
    reader.end()


@pytest.mark.parametrize("value", [LARGEST, LARGEST + 1, -LARGEST - 1, LARGEST + 65535, -LARGEST - 65535])
def test_the_largest_numbers_come_back(value: int) -> None:
    writer = NumberWriter()
    writer.put_vector(np.array([value, 0, -1]))
    assert NumberReader(writer.finish()).get_vector(3).tolist() == [value, 0, -1]


def make_adapter(shape: Shape, seed: int, rank: int = 2, size: int = 9) -> Adapter:
    rng = np.random.default_rng(seed)
    return {
        layer.name: LayerAdapter(
            rng.integers(-size, size + 1, layer.outputs),
            rng.integers(-size, size + 1, layer.outputs),
            rng.integers(-4, 5, (layer.outputs, rank)),
            rng.integers(-4, 5, (rank, layer.inputs)),
        )
        for layer in adaptable_layers(shape)
    }


@pytest.mark.parametrize("step", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("rank", [0, 1, MAX_RANK])
def test_an_adapter_comes_back(rank: int, step: int) -> None:
    adapter = {
        name: layer._replace(gain=step * layer.gain, bias=step * layer.bias)
        for name, layer in make_adapter(SMALL, rank, rank).items()
    }
    again = unpack_adapter(pack_adapter(adapter), SMALL)
    for name, layer in adapter.items():
        for ours, theirs in zip(layer, again[name], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_no_change_changes_nothing() -> None:
    weights = load_by_name("rgb-medium")
    assert merge(weights, no_change(weights.shape)).digest() == weights.digest()


def test_the_twin_trains_on_what_merging_gives() -> None:
    """Of random numbers, so that rounding, clamping and every kind of step are met."""
    weights = load_by_name("grey-medium")
    adapter = TrainableAdapter(weights, 2, torch.device("cpu"), 1, biases=True)
    numbers = 6 * torch.randn(adapter.start.shape, generator=torch.Generator().manual_seed(3))
    merged = merge(weights, adapter.to_adapter(numbers))
    expected, _ = from_integers(merged)
    for name, tensor in adapter.merged(numbers).items():
        torch.testing.assert_close(tensor.detach(), expected[name], rtol=0, atol=0)


def test_biases_that_are_not_trained_stay() -> None:
    adapter = TrainableAdapter(load_by_name("rgb-small"), 1, torch.device("cpu"), 1, biases=False)
    assert {name.rpartition(".")[2] for name in adapter.merged(adapter.start)} == {"weight"}


@pytest.mark.parametrize(("role", "exponent"), [(Role.GATE, -2), (Role.DOWN, 2), (Role.HEAD_OUT, 0)])
def test_biases_change_in_steps_that_depend_on_the_role(role: Role, exponent: int) -> None:
    weights = random_weights(1, 1)
    layer, adapter = find_layer(weights.shape, role), no_change(weights.shape)
    adapter[layer.name].bias[3] = 5
    changed = merge(weights, adapter).layers[layer.name].bias - weights.layers[layer.name].bias
    assert changed[3] == 5 << (int(weights.layers[layer.name].shift[3]) + exponent)
    assert np.count_nonzero(changed) == 1


def test_the_layers_of_the_context_have_no_adapter() -> None:
    context = {find_layer(SMALL, role).name for role in (Role.CONTEXT_FEATURES, Role.CONTEXT_OUT)}
    assert context.isdisjoint(no_change(SMALL))


def test_integers_become_the_twin_and_come_back() -> None:
    weights = load_by_name("ycc-medium")
    state, _ = from_integers(weights)
    assert to_integers("ycc", weights.shape, state).digest() == weights.digest()


@settings(max_examples=30)
@given(st.integers(0, 40), st.binary(min_size=1, max_size=3))
def test_a_damaged_adapter_is_an_error_or_another_adapter(at: int, noise: bytes) -> None:
    data = bytearray(pack_adapter(make_adapter(SMALL, 1)))
    data[at : at + len(noise)] = noise
    with contextlib.suppress(ContainerError):
        unpack_adapter(bytes(data), SMALL)


def test_an_adapter_that_could_overflow_is_refused() -> None:
    weights = random_weights(1, 1)
    adapter = no_change(weights.shape)
    adapter[find_layer(weights.shape, Role.INPUT2).name].bias[:] = 1 << 16
    with pytest.raises(ModelError, match="overflow"):
        merge(weights, adapter)


def test_an_adapter_of_unknown_weights_is_refused() -> None:
    with pytest.raises(ModelError, match="lacks"):
        Networks().adapted([Adapted(bytes(8), b"")])


def build(adapters: tuple[Adapted, ...]) -> bytes:
    stream = io.BytesIO()
    frame = Frame(8, 8, "u1", 8, (Part(1, 8, bytes(8)),))
    Writer(stream, Header(Kind.ARRAY_2D, False, (frame,), adapters), b"")
    return stream.getvalue()


def test_a_container_keeps_its_adapters() -> None:
    adapters = (Adapted(b"12345678", b"one"), Adapted(b"abcdefgh", b""))
    data = build(adapters)
    reader = Reader(io.BytesIO(data + b"E\0" + bytes(4)), DEFAULT_LIMITS)
    assert reader.header.adapters == adapters


def test_a_container_with_too_many_adapters_is_refused() -> None:
    with pytest.raises(LimitExceededError):
        Reader(io.BytesIO(build((Adapted(bytes(8), b""),) * 17)), DEFAULT_LIMITS)
