"""Changes of the weights that travel in a file: gains, low-rank factors and biases, merged in integers.

An adapter is trained on one image (SARP-FT). Merging it into the shipped integers gives integers
again, on every machine the same, so adapted files are as exact as others and decode as fast.
Source: docs/format.md, "Adapters".
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .layers import Layer, layer_table
from .shape import Shape
from .weights import IntegerLayer, Weights, check_weights

Numbers = NDArray[np.int64]

GAIN_BITS = 6
"""Gains count in 1/64 of a weight."""
FACTOR_BITS = 4
"""Products of low-rank factors count in 1/16 of a weight's unit."""
MAX_RANK = 7
_BIAS_LIMIT = 1 << 24


class LayerAdapter(NamedTuple):
    """What changes in one layer; rank R may be 0."""

    gain: Numbers
    """(outputs,) in 1/64: every weight of the output grows by so many of its 64ths."""
    bias: Numbers
    """(outputs,) in steps of 2**max(0, shift + the layer's bias_exponent)."""
    up: Numbers
    """(outputs, R) left factor of the low-rank change."""
    down: Numbers
    """(R, inputs) right factor."""


Adapter = dict[str, LayerAdapter]
"""By name, all layers that adapt, in the order of the table."""


def adaptable_layers(shape: Shape) -> tuple[Layer, ...]:
    """The layers that adapters change, in the order of the table."""
    return tuple(layer for layer in layer_table(shape) if layer.adapts)


def zero_adapter(layer: Layer, rank: int) -> LayerAdapter:
    """The change of one layer that changes nothing, with room for factors of some rank."""
    sizes = (layer.outputs, layer.outputs, (layer.outputs, rank), (rank, layer.inputs))
    return LayerAdapter(*(np.zeros(size, np.int64) for size in sizes))


def no_change(shape: Shape) -> Adapter:
    """The adapter that changes nothing."""
    return {layer.name: zero_adapter(layer, 0) for layer in adaptable_layers(shape)}


def vectors(change: LayerAdapter) -> Iterator[Numbers]:
    """The vectors of a layer's adapter in the order in which they are written; all are views."""
    yield change.gain
    yield change.bias
    for rank in range(change.up.shape[1]):
        yield change.up[:, rank]
        yield change.down[rank]


def merge(weights: Weights, adapter: Adapter) -> Weights:
    """Change weights as an adapter says.

    Raises:
        ModelError: a layer could overflow then.
    """
    merged = dict(weights.layers)
    for layer in adaptable_layers(weights.shape):
        merged[layer.name] = _merge_layer(merged[layer.name], adapter[layer.name], layer.bias_exponent)
    changed = Weights(weights.name, weights.shape, merged)
    check_weights(changed)
    return changed


def _merge_layer(layer: IntegerLayer, change: LayerAdapter, bias_exponent: int) -> IntegerLayer:
    old = layer.weight.astype(np.int64)
    product = (change.up @ change.down) << (GAIN_BITS - FACTOR_BITS)
    wide = (old << GAIN_BITS) + old * change.gain[:, None] + product
    half = 1 << (GAIN_BITS - 1)
    weight = ((wide + half) >> GAIN_BITS).clip(-127, 127).astype(np.int8)
    step = np.maximum(layer.shift.astype(np.int64) + bias_exponent, 0)
    bias = (layer.bias + (change.bias << step)).clip(-_BIAS_LIMIT, _BIAS_LIMIT).astype(np.int32)
    return IntegerLayer(weight, bias, layer.shift)
