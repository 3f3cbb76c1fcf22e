"""A network's integers as the core takes them: a few contiguous arrays, layer after layer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .layers import layer_table
from .tables import TABLE_LENGTHS, load_tables
from .weights import Weights


@dataclass(frozen=True)
class Packed:
    """Contiguous arrays; layers follow one another in the order of the table of layers."""

    shape: NDArray[np.int32]
    """(10,): planes, width, blocks, expand, rows, head, components, context, context_places, references."""
    weights: NDArray[np.int8]
    """Of each layer outputs x inputs numbers, row-major."""
    biases: NDArray[np.int32]
    """Of each layer one number for each output."""
    shifts: NDArray[np.int32]
    """Of each layer one number for each output."""


def packed(weights: Weights) -> Packed:
    """Pack weights that were checked."""
    layers = [weights.layers[row.name] for row in layer_table(weights.shape)]
    return Packed(
        weights.shape.packed(),
        np.concatenate([layer.weight.ravel() for layer in layers]),
        np.concatenate([layer.bias for layer in layers]),
        np.concatenate([layer.shift for layer in layers]),
    )


def packed_tables() -> NDArray[np.int32]:
    """Every table, one after another in the order of tables.TABLE_LENGTHS.

    Raises:
        ModelError: they are missing or damaged.
    """
    tables = load_tables()
    return np.concatenate([tables[name] for name in TABLE_LENGTHS])
