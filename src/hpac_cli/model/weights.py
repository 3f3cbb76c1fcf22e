"""The integers of one network: checked, identified, read and written."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpac_cli.errors import ModelError

from .files import read_arrays, write_arrays
from .layers import layer_table
from .shape import Shape

FORMAT = "hpac-weights-1"
DIGEST_BYTES = 8
_MAX_SHIFT = 22
_ACCUMULATOR_LIMIT = 1 << 24


@dataclass(frozen=True)
class IntegerLayer:
    """y = (x W + bias + 2**(shift-1)) >> shift, per output channel."""

    weight: NDArray[np.int8]
    """(outputs, inputs), or (channels, taps) of a depth-wise layer."""
    bias: NDArray[np.int32]
    """(outputs,)."""
    shift: NDArray[np.int32]
    """(outputs,)."""


_DTYPES = {"weight": np.dtype(np.int8), "bias": np.dtype(np.int32), "shift": np.dtype(np.int32)}


@dataclass(frozen=True)
class Weights:
    """One integer network."""

    name: str
    shape: Shape
    layers: dict[str, IntegerLayer]
    """By name, in the order of the table of layers."""

    def digest(self) -> bytes:
        """Identify the integers: the first 8 bytes of a SHA-256 over the shape and all layers.

        Source: docs/format.md, "Weights".
        """
        sha = hashlib.sha256(self.shape.to_json().encode())
        for row in layer_table(self.shape):
            layer = self.layers[row.name]
            sha.update(layer.weight.astype("<i1").tobytes())
            sha.update(layer.bias.astype("<i4").tobytes())
            sha.update(layer.shift.astype("<i4").tobytes())
        return sha.digest()[:DIGEST_BYTES]


def check_weights(weights: Weights) -> None:
    """Make sure that every layer is there, has its sizes, and can overflow nowhere.

    Inputs are -127 to 127, so every sum, in whatever order and with bias and rounding, stays below 2**24: it
    fits 32-bit integers, and float32 exactly.

    Raises:
        ModelError: naming the array that is wrong.
    """
    table = layer_table(weights.shape)
    if odd := {row.name for row in table} ^ set(weights.layers):
        raise ModelError(f"weights {weights.name}: layers missing or unknown: {', '.join(sorted(odd)[:4])}")
    for row in table:
        layer = weights.layers[row.name]
        sizes = {"weight": (row.outputs, row.inputs), "bias": (row.outputs,), "shift": (row.outputs,)}
        for part, size in sizes.items():
            array = getattr(layer, part)
            if array.shape != size or array.dtype != _DTYPES[part]:
                found = f"{array.dtype} {array.shape}"
                raise ModelError(f"weights {weights.name}: {row.name}.{part} is {found}, not {_DTYPES[part]} {size}")
        if layer.shift.min() < 0 or layer.shift.max() > _MAX_SHIFT or layer.weight.min() < -127:
            raise ModelError(f"weights {weights.name}: {row.name} has shifts or weights out of range")
        # int16 holds the magnitude of every int8, int64 that of every int32
        weight_sum = np.abs(layer.weight, dtype=np.int16).sum(1, dtype=np.int64)
        largest = 127 * weight_sum + np.abs(layer.bias.astype(np.int64)) + (1 << layer.shift.astype(np.int64))
        if largest.max() >= _ACCUMULATOR_LIMIT:
            raise ModelError(f"weights {weights.name}: {row.name} could overflow 24 bits")


def read_weights(path: Path) -> Weights:
    """Read a safetensors file of integers and check it.

    Raises:
        ModelError: missing, damaged, or not of this format.
    """
    header, arrays = read_arrays(path, FORMAT)
    shape = Shape.from_json(header.get("shape"))
    names = {row.name: [f"{row.name}.{part}" for part in _DTYPES] for row in layer_table(shape)}
    if odd := {name for parts in names.values() for name in parts} ^ set(arrays):
        raise ModelError(f"{path}: arrays missing or unknown: {', '.join(sorted(odd)[:4])}")
    layers = {layer: IntegerLayer(*(arrays[part] for part in parts)) for layer, parts in names.items()}
    weights = Weights(str(header.get("name", path.stem)), shape, layers)
    check_weights(weights)
    return weights


def write_weights(weights: Weights, path: Path) -> None:
    """Write weights as safetensors: int8 for layer weights, int32 for biases and shifts."""
    arrays = {f"{name}.{part}": getattr(layer, part) for name, layer in weights.layers.items() for part in _DTYPES}
    write_arrays(path, {"format": FORMAT, "name": weights.name, "shape": asdict(weights.shape)}, arrays)
