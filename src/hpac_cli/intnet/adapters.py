"""How does a file change the weights that code it? By gains, low-rank factors and biases, merged in integers.

An adapter is trained on one image (SARP-FT) and travels in its file. Merging it into the shipped
integers gives integers again, on every machine the same, so adapted files are as exact as others and
decode as fast. Source: docs/format.md, "Adapters".
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .weights import IntArray, Shape, Weights, check_weights, layer_shapes

Numbers = NDArray[np.int64]

GAIN_BITS = 6
"""Gains count in 1/64 of a weight."""
FACTOR_BITS = 4
"""Products of low-rank factors count in 1/16 of a weight's unit."""
MAX_RANK = 7


class LayerAdapter(NamedTuple):
    """What changes in one layer; rank R may be 0."""

    gain: Numbers
    """(outputs,) in 1/64: every weight of the output grows by so many of its 64ths."""
    bias: Numbers
    """(outputs,) in steps of bias_exponent."""
    up: Numbers
    """(outputs, R) left factor of the low-rank change."""
    down: Numbers
    """(R, inputs) right factor."""


Adapter = dict[str, LayerAdapter]
"""By layer, all of them."""


def no_change(shape: Shape) -> Adapter:
    """The adapter that changes nothing."""
    return {
        name: LayerAdapter(*(np.zeros(size, np.int64) for size in (outputs, outputs, (outputs, 0), (0, inputs))))
        for name, (outputs, inputs) in layer_shapes(shape)
    }


def vectors(layer: LayerAdapter) -> Iterator[Numbers]:
    """The vectors of a layer's adapter in the order in which they are written; all are views."""
    yield layer.gain
    yield layer.bias
    for rank in range(layer.up.shape[1]):
        yield layer.up[:, rank]
        yield layer.down[rank]


def bias_exponent(layer: str) -> int:
    """Biases of a layer change in steps of 2**(shift + this): about 1/64 of an activation, or one step of a head's output."""
    kind = layer.rpartition(".")[2]
    if layer.startswith("heads") and kind == "out":
        return 0
    return 2 if layer == "input2" or kind in ("out", "down") else -2


def merge(weights: Weights, adapter: Adapter) -> Weights:
    """Change weights as an adapter says.

    Raises:
        ModelError: a layer could overflow then.
    """
    arrays: dict[str, IntArray] = dict(weights.arrays)
    for name, change in adapter.items():
        layer = weights.layer(name)
        old = layer.weight.astype(np.int64)
        product = (change.up @ change.down) << (GAIN_BITS - FACTOR_BITS)
        wide = (old << GAIN_BITS) + old * change.gain[:, None] + product
        half = 1 << (GAIN_BITS - 1)
        arrays[f"{name}.weight"] = ((wide + half) >> GAIN_BITS).clip(-127, 127).astype(np.int8)
        step = np.maximum(layer.shift.astype(np.int64) + bias_exponent(name), 0)
        biases = layer.bias + (change.bias << step)
        arrays[f"{name}.bias"] = biases.clip(-(1 << 24), 1 << 24).astype(np.int32)
    merged = Weights(weights.name, weights.shape, arrays)
    check_weights(merged)
    return merged
