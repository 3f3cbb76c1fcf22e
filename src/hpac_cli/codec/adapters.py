"""Adapters to bytes and back: numbers of one layer after another, entropy-coded."""

import numpy as np

from hpac_cli.entropy.numbers import NumberReader, NumberWriter
from hpac_cli.errors import ContainerError
from hpac_cli.intnet.adapters import MAX_RANK, Adapter, LayerAdapter, vectors
from hpac_cli.intnet.weights import Shape, layer_shapes


def pack_adapter(adapter: Adapter) -> bytes:
    """Write an adapter: for each layer its rank, then its vectors."""
    writer = NumberWriter()
    for layer in adapter.values():
        writer.put(layer.up.shape[1])
        for vector in vectors(layer):
            writer.put_vector(vector)
    return writer.finish()


def unpack_adapter(data: bytes, shape: Shape) -> Adapter:
    """Undo pack_adapter for a network of this shape.

    Raises:
        ContainerError: damaged.
    """
    reader, adapter = NumberReader(data), {}
    for name, (outputs, inputs) in layer_shapes(shape):
        rank = reader.get()
        if rank > MAX_RANK:
            raise ContainerError(f"an adapter of rank {rank} does not exist")
        sizes = (outputs, outputs, (outputs, rank), (rank, inputs))
        layer = LayerAdapter(*(np.zeros(size, np.int64) for size in sizes))
        for vector in vectors(layer):
            vector[:] = reader.get_vector(len(vector))
        adapter[name] = layer
    reader.end()
    return adapter
