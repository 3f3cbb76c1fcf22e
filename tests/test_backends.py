"""Every backend computes the integer network to the last bit as the reference does."""

import numpy as np
import pytest
import torch
from conftest import make_network, random_weights
from hpac_cli.intnet.backends import BACKENDS, make_backend
from hpac_cli.intnet.backends.choose import is_exact
from hpac_cli.intnet.network import run_tile
from hypothesis import given
from hypothesis import strategies as st

from hpac_cli.errors import UsageError
from hpac_cli.model.weights import IntegerLayer
from hpac_cli.training.focus import Focus
from hpac_cli.training.planes import to_planes

CPU = torch.device("cpu")
FAST = [name for name in BACKENDS if name != "reference"]


def random_layer(rng: np.random.Generator, inputs: int, outputs: int) -> IntegerLayer:
    """A layer whose sums come near the limit of 2**24."""
    weight = rng.choice(np.array([-127, -64, 0, 1, 127], np.int8), (outputs, inputs))
    bias = rng.integers(-(1 << 20), 1 << 20, outputs).astype(np.int32)
    return IntegerLayer(weight, bias, rng.integers(0, 20, outputs).astype(np.int32))


@pytest.mark.parametrize("name", FAST)
@given(seed=st.integers(0, 2**32 - 1), inputs=st.integers(2, 200), rows=st.integers(1, 40))
def test_point_wise_layer_equals_reference(name: str, seed: int, inputs: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    layer = random_layer(rng, inputs, 16)
    features = torch.from_numpy(rng.integers(-127, 128, (inputs, rows)).astype(np.int32))
    results = [
        b.outputs(b.prepare(layer), b.lift(features)) for b in (make_backend(n, CPU) for n in (name, "reference"))
    ]
    assert torch.equal(*results)


@pytest.mark.parametrize("name", FAST)
@given(seed=st.integers(0, 2**32 - 1))
def test_depthwise_layer_equals_reference(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    layer = random_layer(rng, 12, 16)
    taps = torch.from_numpy(rng.integers(-127, 128, (12, 16, 30)).astype(np.int32))
    results = []
    for backend in (make_backend(name, CPU), make_backend("reference", CPU)):
        prepared = IntegerLayer(layer.weight, layer.bias, layer.shift)
        lifted = [backend.lift(tap).to(backend.gate_dtype) for tap in taps]
        results.append(backend.depthwise(backend.prepare_depthwise(prepared), lifted).long())
    assert torch.equal(*results)


@pytest.mark.parametrize("name", FAST)
def test_element_wise_parts_equal_reference_everywhere(name: str) -> None:
    fast, plain = make_backend(name, CPU), make_backend("reference", CPU)
    every = torch.arange(-127, 128, dtype=torch.int32)
    a, b = torch.cartesian_prod(every, every).unbind(1)
    products = [x.gate(x.lift(a[None]).to(x.gate_dtype), x.lift(b[None])).long() for x in (fast, plain)]
    assert torch.equal(*products)
    stream = torch.arange(-32767, 32768)[:, None]
    assert torch.equal(
        fast.narrow(stream.to(torch.int32 if name == "int8" else torch.float32)).long(), plain.narrow(stream)
    )


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("planes", [1, 3])
def test_whole_network_equals_reference(name: str, planes: int) -> None:
    weights = random_weights(planes, seed=5)
    samples = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (planes, 9, 14)).astype(np.int32))
    outputs = []
    for backend in (name, "reference"):
        network = make_network(weights, backend)
        result = run_tile(network, to_planes(samples), 8)
        focus = Focus(*result.focus)
        outputs += [network.head(p, result.trunk, focus, result.residuals[:p]) for p in range(planes)]
    for fast, plain in zip(outputs[:planes], outputs[planes:], strict=True):
        assert torch.equal(fast, plain)


def test_self_test_drops_a_backend_that_saturates() -> None:
    class Saturating(BACKENDS["int8"]):  # type: ignore[name-defined, misc]
        def outputs(self, layer: object, x: torch.Tensor) -> torch.Tensor:
            return super().outputs(layer, x).clamp(-1000, 1000)

    assert not is_exact(Saturating(CPU), CPU)


@pytest.mark.parametrize("name", BACKENDS)
def test_self_test_passes_here(name: str) -> None:
    assert is_exact(make_backend(name, CPU), CPU)


def test_unknown_backend_is_refused() -> None:
    with pytest.raises(UsageError, match="no backend 'float16'"):
        make_backend("float16", CPU)
