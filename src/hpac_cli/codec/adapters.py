"""Adapters to bytes and back: numbers of one layer after another, entropy-coded.

Where all gains and biases of a layer are multiples of a small step, what is coded is divided by it.
Source: docs/format.md, "Adapters".
"""

import numpy as np

from hpac_cli.entropy.numbers import NumberReader, NumberWriter
from hpac_cli.model.adapters import MAX_RANK, Adapter, LayerAdapter, adaptable_layers, vectors, zero_adapter
from hpac_cli.model.shape import Shape

_MAX_STEP = 4
_RANKS = MAX_RANK + 1


def pack_adapter(adapter: Adapter) -> bytes:
    """Write an adapter: for each layer its rank and step, then its vectors."""
    writer = NumberWriter()
    for layer in adapter.values():
        step = _common_step(layer)
        writer.put(layer.up.shape[1] + _RANKS * (step - 1))
        for vector in vectors(layer._replace(gain=layer.gain // step, bias=layer.bias // step)):
            writer.put_vector(vector)
    return writer.finish()


def _common_step(layer: LayerAdapter) -> int:
    divisor = int(np.gcd.reduce(np.concatenate([layer.gain, layer.bias])))
    return max(step for step in range(1, _MAX_STEP + 1) if step == 1 or (divisor and divisor % step == 0))


def unpack_adapter(data: bytes, shape: Shape) -> Adapter:
    """Undo pack_adapter for a network of this shape.

    Raises:
        ContainerError: damaged.
    """
    reader, adapter = NumberReader(data), {}
    for layer in adaptable_layers(shape):
        step, rank = divmod(reader.get() + _RANKS, _RANKS)  # steps are coded from 0, but begin with 1
        change = zero_adapter(layer, rank)
        for vector in vectors(change):
            vector[:] = reader.get_vector(len(vector))
        adapter[layer.name] = change._replace(gain=change.gain * step, bias=change.bias * step)
    reader.end()
    return adapter
