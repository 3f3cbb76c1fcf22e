"""What does a backend have to compute? Seven operations on integers, each defined exactly.

Tensors hold whole numbers in whatever type the backend likes; rows are positions, columns
channels. ``>>`` rounds towards minus infinity. Source: docs/format.md, "Integer network".
"""

from typing import Any, Protocol

import torch
from torch import Tensor

from hpac_cli.model.weights import IntegerLayer

Matrix = Any
"""A layer prepared for one backend."""

STREAM_SHIFT = 4
"""From the residual stream (1/256) to activations (1/16)."""
GATE_SHIFT = 4
"""From products of activations (1/256) to activations (1/16)."""
STREAM_LIMIT = 32767
OUTPUT_LIMIT = 32767


class Arithmetic(Protocol):
    """One way to compute the network's layers."""

    name: str
    gate_dtype: torch.dtype
    """Of the activations that depthwise takes."""

    def prepare(self, layer: IntegerLayer) -> Matrix:
        """Bring a point-wise layer into the backend's own form."""

    def prepare_depthwise(self, layer: IntegerLayer) -> Matrix:
        """Bring a depth-wise layer into the backend's own form."""

    def lift(self, features: Tensor) -> Tensor:
        """(F, N) int32 within int8's range to (N, F) activations."""

    def activations(self, layer: Matrix, x: Tensor, *, low: int) -> Tensor:
        """clamp((x W + bias + half) >> shift, low, 127)."""

    def add_to_stream(self, layer: Matrix, x: Tensor, stream: Tensor | None) -> Tensor:
        """clamp(stream + ((x W + bias + half) >> shift), -32767, 32767); may write into stream."""

    def outputs(self, layer: Matrix, x: Tensor) -> Tensor:
        """clamp((x W + bias + half) >> shift, -32767, 32767) as int32."""

    def depthwise(self, layer: Matrix, taps: list[Tensor]) -> Tensor:
        """clamp((sum over taps of tap * weight + bias + half) >> shift, -127, 127).

        taps: for each tap (..., C) activations as gate_dtype; returns (..., C).
        """

    def gate(self, gate: Tensor, value: Tensor) -> Tensor:
        """clamp((gate * value + 8) >> 4, -127, 127), gate being what depthwise returned."""

    def narrow(self, stream: Tensor) -> Tensor:
        """clamp((stream + 8) >> 4, -127, 127): the stream as activations."""
