"""The table of layers: everything that is known of a layer before its weights are.

What builds, checks, packs, exports, merges or trains layers takes names, sizes and places from this
table; nothing else knows what a name means. Source: docs/format.md, "Weights" and "Integer network".
"""

from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .shape import Shape
from .tables import LOGIT_Q, MEAN_Q, SPREAD_Q
from .window import causal_offsets, num_features

ACTIVATION_Q = 4
"""int8 activations count in 1/16: they reach +-7.9."""
STREAM_Q = 8
"""The int16 residual stream counts in 1/256."""


class Role(Enum):
    """What a layer does in the network, in the order in which a pixel meets them."""

    INPUT = auto()
    INPUT2 = auto()
    CONTEXT_FEATURES = auto()
    CONTEXT_OUT = auto()
    GATE = auto()
    VALUE = auto()
    DEPTHWISE = auto()
    OUT = auto()
    UP = auto()
    DOWN = auto()
    HEAD_HIDDEN = auto()
    HEAD_OUT = auto()


class Activation(Enum):
    """What becomes of a layer's outputs."""

    RELU = auto()
    """Clamped to 0..127: int8 activations."""
    ACT = auto()
    """Clamped to -127..127: int8 activations."""
    STREAM = auto()
    """Clamped to -32767..32767, alone or added to the residual stream."""
    RAW = auto()
    """Clamped to -32767..32767: parameters of a mixture."""


_BIAS_EXPONENT = {Activation.RELU: -2, Activation.ACT: -2, Activation.STREAM: 2, Activation.RAW: 0}
"""An adapter's bias steps are about 1/64 of an activation, or one step of a head's output."""


@dataclass(frozen=True)
class Layer:
    """One row of the table."""

    name: str
    """Under which files keep its arrays; unique, and means nothing else."""
    role: Role
    index: int
    """Of its block or plane; 0 for layers that are there once."""
    outputs: int
    inputs: int
    """Of each output: for a depth-wise layer the taps of its window."""
    activation: Activation
    input_places: int
    """Binary places of its inputs: they count in 2**-places."""
    output_places: tuple[int, ...]
    """Binary places of its outputs, which fall into as many groups of equal size."""
    adapts: bool
    """Whether adapters change it: gains, biases and low-rank factors, or nothing of it."""

    @property
    def bias_exponent(self) -> int:
        """An adapter changes biases in steps of 2**max(0, shift + this)."""
        return _BIAS_EXPONENT[self.activation]

    def places_of_outputs(self) -> NDArray[np.int64]:
        """(outputs,) binary places of each output."""
        return np.repeat(self.output_places, self.outputs // len(self.output_places))


CONTEXT_ROLES = (Role.CONTEXT_FEATURES, Role.CONTEXT_OUT)
_PLACES = {
    Activation.RELU: (ACTIVATION_Q,),
    Activation.ACT: (ACTIVATION_Q,),
    Activation.STREAM: (STREAM_Q,),
}


@lru_cache(maxsize=64)
def layer_table(shape: Shape) -> tuple[Layer, ...]:
    """List every layer of a network in the order in which a pixel meets them."""
    c, head, context = shape.width, shape.head, shape.context
    taps = len(causal_offsets(shape.rows, shape.rows, centre=True))
    relu, act, stream = Activation.RELU, Activation.ACT, Activation.STREAM
    table = [
        _row("input", Role.INPUT, 0, c, num_features(shape.planes, shape.references), relu),
        _row("input2", Role.INPUT2, 0, c, c, stream),
    ]
    if context:
        # what the context tells is what adapting would teach, so adapters leave it as it is
        out, fine = (shape.blocks + 1) * c, ACTIVATION_Q + shape.context_places
        table += [
            _row("context.features", Role.CONTEXT_FEATURES, 0, context, c + shape.planes, relu, adapts=False),
            _row("context.out", Role.CONTEXT_OUT, 0, out, context, stream, input_places=fine, adapts=False),
        ]
    for b in range(shape.blocks):
        table += [
            _row(f"blocks.{b}.gate", Role.GATE, b, c, c, act),
            _row(f"blocks.{b}.value", Role.VALUE, b, c, c, act),
            _row(f"blocks.{b}.depthwise", Role.DEPTHWISE, b, c, taps, act),
            _row(f"blocks.{b}.out", Role.OUT, b, c, c, stream),
            _row(f"blocks.{b}.up", Role.UP, b, shape.expand * c, c, relu),
            _row(f"blocks.{b}.down", Role.DOWN, b, c, shape.expand * c, stream),
        ]
    for p in range(shape.planes):
        groups = (LOGIT_Q, MEAN_Q, SPREAD_Q, *[MEAN_Q] * p)  # a coefficient for each earlier plane
        outputs = shape.components * len(groups)
        table += [
            _row(f"heads.{p}.hidden", Role.HEAD_HIDDEN, p, head, c + 2 * p, relu),
            _row(f"heads.{p}.out", Role.HEAD_OUT, p, outputs, head, Activation.RAW, output_places=groups),
        ]
    return tuple(table)


def _row(
    name: str,
    role: Role,
    index: int,
    outputs: int,
    inputs: int,
    activation: Activation,
    *,
    input_places: int = ACTIVATION_Q,
    output_places: tuple[int, ...] = (),
    adapts: bool = True,
) -> Layer:
    places = output_places or _PLACES[activation]
    return Layer(name, role, index, outputs, inputs, activation, input_places, places, adapts)


def find_layer(shape: Shape, role: Role, index: int = 0) -> Layer:
    """Look up a layer by what it does.

    Args:
        index: of its block or plane.
    """
    return _by_role(shape)[role, index]


@lru_cache(maxsize=64)
def _by_role(shape: Shape) -> dict[tuple[Role, int], Layer]:
    return {(layer.role, layer.index): layer for layer in layer_table(shape)}


def count_multiply_adds(shape: Shape) -> int:
    """Multiply-adds per pixel of all layers but the context's last, which runs once for a whole wavefront."""
    return sum(layer.outputs * layer.inputs for layer in layer_table(shape) if layer.role is not Role.CONTEXT_OUT)
