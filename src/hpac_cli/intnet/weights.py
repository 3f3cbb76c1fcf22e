"""Which integers make a network, where do they lie, and by what name does a file call them?"""

import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpac_cli.errors import ModelError

from .tables import TABLE_LENGTHS
from .window import causal_offsets, num_features

FORMAT = "hpac-weights-1"
DIGEST_BYTES = 8
MAX_FILE_BYTES = 64 << 20
_ACCUMULATOR_LIMIT = 1 << 24

IntArray = NDArray[np.int8] | NDArray[np.int32]


@dataclass(frozen=True)
class Shape:
    """Sizes of one network; written into the weights file."""

    planes: int
    width: int = 64
    blocks: int = 3
    expand: int = 2
    rows: int = 2
    head: int = 64
    components: int = 5
    context: int = 0
    """Features whose means over the tile so far the network is told; 0 for a network without."""
    context_places: int = 0
    """Binary places by which these means are finer than other activations."""

    def to_json(self) -> dict[str, int]:
        """What stands in weights files and counts for digests; numbers younger than the first networks only if not 0."""
        return {name: number for name, number in asdict(self).items() if number or not name.startswith("context")}


@dataclass(frozen=True)
class IntegerLayer:
    """y = (x W + bias + 2**(shift-1)) >> shift, per output channel."""

    weight: NDArray[np.int8]
    """(outputs, inputs), or (channels, taps) of a depth-wise layer."""
    bias: NDArray[np.int32]
    shift: NDArray[np.int32]


@dataclass(frozen=True)
class Weights:
    """One integer network."""

    name: str
    shape: Shape
    arrays: dict[str, IntArray]

    def layer(self, name: str) -> IntegerLayer:
        """Look up one layer."""
        weight, bias, shift = (self.arrays[f"{name}.{part}"] for part in ("weight", "bias", "shift"))
        return IntegerLayer(weight.astype(np.int8), bias.astype(np.int32), shift.astype(np.int32))

    def tables(self) -> dict[str, NDArray[np.int32]]:
        """Look up the tables by their names in tables.make_tables."""
        return {
            name.removeprefix("table."): array.astype(np.int32)
            for name, array in self.arrays.items()
            if name.startswith("table.")
        }

    def digest(self) -> bytes:
        """Identify the integers: the first 8 bytes of a SHA-256 over shape and arrays by name.

        Source: docs/format.md, "Weights".
        """
        sha = hashlib.sha256(json.dumps(self.shape.to_json(), sort_keys=True).encode())
        for name in sorted(self.arrays):
            array = self.arrays[name].astype("<i4")
            sha.update(name.encode() + b"\0" + struct.pack(f"<{array.ndim + 1}I", array.ndim, *array.shape))
            sha.update(array.tobytes())
        return sha.digest()[:DIGEST_BYTES]


def layer_shapes(shape: Shape) -> Iterator[tuple[str, tuple[int, int]]]:
    """List every layer's name and weight shape, in the order in which a pixel meets them."""
    c, taps = shape.width, len(causal_offsets(shape.rows, shape.rows, centre=True))
    yield "input", (c, num_features(shape.planes))
    yield "input2", (c, c)
    if shape.context:
        yield "context.features", (shape.context, c + shape.planes)
        yield "context.out", ((shape.blocks + 1) * c, shape.context)
    for block in range(shape.blocks):
        prefix = f"blocks.{block}"
        yield f"{prefix}.gate", (c, c)
        yield f"{prefix}.value", (c, c)
        yield f"{prefix}.depthwise", (c, taps)
        yield f"{prefix}.out", (c, c)
        yield f"{prefix}.up", (shape.expand * c, c)
        yield f"{prefix}.down", (c, shape.expand * c)
    for plane in range(shape.planes):
        yield f"heads.{plane}.hidden", (shape.head, c + 2 * plane)
        yield f"heads.{plane}.out", (shape.components * (3 + plane), shape.head)


def count_multiply_adds(shape: Shape) -> int:
    """Multiply-adds per pixel of all layers but context.out, which runs once for a whole wavefront."""
    return sum(rows * columns for name, (rows, columns) in layer_shapes(shape) if name != "context.out")


def check_weights(weights: Weights) -> None:
    """Make sure that every array is there, has its shape, and can overflow nowhere.

    Sums stay below 2**24 so that float32 arithmetic is exact as well.

    Raises:
        ModelError: naming the array that is wrong.
    """
    expected: dict[str, tuple[int, ...]] = {f"table.{n}": (k,) for n, k in TABLE_LENGTHS.items()}
    for name, (outputs, inputs) in layer_shapes(weights.shape):
        expected |= {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,), f"{name}.shift": (outputs,)}
    if set(expected) != set(weights.arrays):
        odd = sorted(set(expected) ^ set(weights.arrays))
        raise ModelError(f"weights {weights.name}: arrays missing or unknown: {', '.join(odd[:4])}")
    for name, size in expected.items():
        if weights.arrays[name].shape != size:
            raise ModelError(f"weights {weights.name}: {name} has shape {weights.arrays[name].shape}, not {size}")
    for name, _ in layer_shapes(weights.shape):
        layer = weights.layer(name)
        if layer.shift.min() < 0 or layer.shift.max() > 22 or layer.weight.min() < -127:
            raise ModelError(f"weights {weights.name}: {name} has shifts or weights out of range")
        largest = (
            127 * np.abs(layer.weight.astype(np.int64)).sum(1)
            + np.abs(layer.bias.astype(np.int64))
            + (1 << layer.shift.astype(np.int64))
        )
        if largest.max() >= _ACCUMULATOR_LIMIT:
            raise ModelError(f"weights {weights.name}: {name} could overflow 24 bits")


def read_weights(path: Path) -> Weights:
    """Read a safetensors file of integers and check it.

    Raises:
        ModelError: missing, damaged, or not of this format.
    """
    from safetensors import SafetensorError, safe_open

    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelError(f"{path}: larger than {MAX_FILE_BYTES} bytes, so no weights of hpac")
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get("hpac", "{}"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise ModelError(f"{path}: cannot read weights ({error})") from error
    if header.get("format") != FORMAT or any(a.dtype.kind != "i" for a in arrays.values()):
        raise ModelError(f"{path}: not weights of hpac ({FORMAT})")
    try:
        weights = Weights(str(header["name"]), Shape(**{k: int(v) for k, v in header["shape"].items()}), arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: the header of the weights is damaged") from error
    check_weights(weights)
    return weights


def write_weights(weights: Weights, path: Path) -> None:
    """Write weights as safetensors: int8 for layer weights, int32 for the rest."""
    from safetensors.numpy import save_file

    header = {"format": FORMAT, "name": weights.name, "shape": weights.shape.to_json()}
    save_file(dict(weights.arrays), path, metadata={"hpac": json.dumps(header)})
    path.chmod(0o644)  # weights are shared; the library makes them private


def weights_folder() -> Path:
    """Find the shipped weights: inside the installed package, else in the checkout."""
    installed = Path(__file__).parents[1] / "weights"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "weights"


def load_by_name(name: str) -> Weights:
    """Load the newest shipped weights of a name ("rgb", "grey"), from NAME-VERSION.safetensors.

    Raises:
        ModelError: there are none of that name.
    """
    paths = sorted(weights_folder().glob(f"{name}-*.safetensors"), key=lambda path: int(path.stem.rpartition("-")[2]))
    if not paths:
        raise ModelError(
            f"weights {name!r} are missing from this installation ({weights_folder()}); install hpac again"
        )
    return read_weights(paths[-1])


def load_by_digest(digest: bytes) -> Weights:
    """Load the shipped weights that a file names.

    Raises:
        ModelError: no shipped weights have this digest.
    """
    for path in sorted(weights_folder().glob("*.safetensors")):
        weights = read_weights(path)
        if weights.digest() == digest:
            return weights
    raise ModelError(
        f"the file needs weights {digest.hex()}, which this installation lacks; install the hpac version that wrote it"
    )
