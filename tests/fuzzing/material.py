"""What the fuzzer of the core runs on: the tables, the shipped networks and random ones of many shapes, in one file."""

from pathlib import Path

import numpy as np

from hpac_cli.model.index import load_by_name
from hpac_cli.model.layers import layer_table
from hpac_cli.model.pack import Packed, packed, packed_tables
from hpac_cli.model.shape import Shape
from hpac_cli.model.weights import IntegerLayer, Weights

SHIPPED = ("grey-medium", "rgb-small", "ycc-large")
SHAPES = (
    Shape(1, 16, 1, 1, 1, 16, 1),
    Shape(3, 16, 1, 1, 1, 16, 1, 16, 0),
    Shape(1, 16, 2, 2, 2, 16, 3, 16, 6),
    Shape(3, 16, 1, 1, 3, 16, 8),
    Shape(1, 32, 1, 4, 3, 48, 5, 32, 2),
    Shape(3, 32, 2, 1, 2, 32, 2),
    Shape(3, 16, 16, 1, 1, 16, 4, 16, 1),
    Shape(1, 112, 1, 1, 2, 80, 7, 16, 2),
    Shape(3, 80, 1, 2, 1, 112, 3, 48, 3),
    Shape(1, 16, 1, 1, 2, 16, 2, references=1),
    Shape(1, 48, 1, 1, 2, 32, 3, 16, 1, 2),
)
WEIGHTS_OF = ("small", "wild", "extreme")
"""Small weights leave most activations within their limits, extreme ones drive most of them there."""


def random_weights(shape: Shape, kind: str, seed: int) -> Weights:
    """Integers that no training made; the sums of extreme ones come near their limit."""
    rng = np.random.default_rng(seed)
    layers = {}
    for row in layer_table(shape):
        size = (row.outputs, row.inputs)
        if kind == "extreme":
            weight, bias, shift = rng.choice([-127, 0, 127], size), rng.integers(-(1 << 23), 1 << 23, row.outputs), 12
        elif kind == "wild":
            weight, bias, shift = rng.integers(-127, 128, size), rng.integers(-3000, 3001, row.outputs), 8
        else:
            weight, bias, shift = rng.integers(-24, 25, size), rng.integers(-200, 201, row.outputs), 6
        shifts = rng.integers(shift - 3, shift + 4, row.outputs)
        layers[row.name] = IntegerLayer(weight.astype(np.int8), bias.astype(np.int32), shifts.astype(np.int32))
    return Weights(kind, shape, layers)


def networks() -> list[Packed]:
    """The networks, in the order in which the fuzzer's inputs number them: the shipped ones are the last."""
    made = [random_weights(shape, kind, seed) for seed, shape in enumerate(SHAPES) for kind in WEIGHTS_OF]
    return [packed(weights) for weights in (*made, *map(load_by_name, SHIPPED))]


def write_material(path: Path) -> None:
    """Write all of it in the byte order of this machine, counts and numbers as fuzz_tile.c reads them."""
    tables, all_networks = packed_tables(), networks()
    with path.open("wb") as file:
        file.write(np.int32(tables.size).tobytes() + tables.tobytes())
        file.write(np.int32(len(all_networks)).tobytes())
        for n in all_networks:
            file.write(n.shape.tobytes() + np.array([n.weights.size, n.shifts.size], np.int32).tobytes())
            file.write(n.weights.tobytes() + n.biases.tobytes() + n.shifts.tobytes())
