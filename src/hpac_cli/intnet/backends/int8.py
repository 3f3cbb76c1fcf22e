"""The integer network on int8 matrix units: int8 activations, int32 sums and stream.

int8 x int8 -> int32 products use the processor's dot-product instructions where it has them.
Some older processors saturate inside such kernels, so choose_backend() tests this backend
against the reference before it trusts it. Depth-wise sums are float32, exact as there.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from hpac_cli.model.weights import IntegerLayer

from .base import GATE_SHIFT, OUTPUT_LIMIT, STREAM_LIMIT, STREAM_SHIFT
from .float32 import Float32, Scaled

_ROWS = 16384
"""Taller products are cut: they fall out of the cache and collapse."""


class _Layer(NamedTuple):
    weight: Tensor
    """(inputs, outputs) int8, columns contiguous."""
    bias: Tensor
    """(outputs,) int32, the half that makes the shift round included."""
    shift: Tensor
    """(outputs,) int32."""


class Int8:
    """int8 matrix products."""

    name = "int8"
    gate_dtype = torch.float32

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._float = Float32(device)

    def prepare(self, layer: IntegerLayer) -> _Layer:
        weight, bias, shift = (torch.from_numpy(a).to(self.device) for a in (layer.weight, layer.bias, layer.shift))
        half = (torch.ones_like(shift) << shift) >> 1
        return _Layer(weight.t(), bias + half, shift)

    def prepare_depthwise(self, layer: IntegerLayer) -> Scaled:
        return self._float.prepare(layer)

    def lift(self, features: Tensor) -> Tensor:
        # a fresh array has plain strides; the kernel misreads those that a transposed single row has
        rows = torch.empty(features.shape[1], features.shape[0], dtype=torch.int8, device=self.device)
        return rows.copy_(features.t())

    def _linear(self, layer: _Layer, x: Tensor) -> Tensor:
        if len(x) <= _ROWS:
            sums = torch._int_mm(x, layer.weight)
        else:
            sums = torch.cat([torch._int_mm(rows, layer.weight) for rows in x.split(_ROWS)])
        return sums.add_(layer.bias).bitwise_right_shift_(layer.shift)

    def activations(self, layer: _Layer, x: Tensor, *, low: int) -> Tensor:
        return self._linear(layer, x).clamp_(low, 127).to(torch.int8)

    def add_to_stream(self, layer: _Layer, x: Tensor, stream: Tensor | None) -> Tensor:
        y = self._linear(layer, x)
        return (y if stream is None else stream.add_(y)).clamp_(-STREAM_LIMIT, STREAM_LIMIT)

    def outputs(self, layer: _Layer, x: Tensor) -> Tensor:
        return self._linear(layer, x).clamp_(-OUTPUT_LIMIT, OUTPUT_LIMIT)

    def depthwise(self, layer: Scaled, taps: list[Tensor]) -> Tensor:
        return self._float.depthwise(layer, taps)

    def gate(self, gate: Tensor, value: Tensor) -> Tensor:
        return gate.mul_(value.float()).mul_(1 / (1 << GATE_SHIFT)).add_(0.5).floor_().clamp_(-127, 127).to(torch.int8)

    def narrow(self, stream: Tensor) -> Tensor:
        half = 1 << (STREAM_SHIFT - 1)
        return (stream + half).bitwise_right_shift_(STREAM_SHIFT).clamp_(-127, 127).to(torch.int8)
