"""The integer network's arithmetic as plain as can be: int64, no fast path."""

from typing import NamedTuple

import torch
from torch import Tensor

from hpac_cli.model.weights import IntegerLayer

from .base import GATE_SHIFT, OUTPUT_LIMIT, STREAM_LIMIT, STREAM_SHIFT


class _Layer(NamedTuple):
    weight: Tensor
    """(inputs, outputs) or (taps, channels)."""
    bias: Tensor
    shift: Tensor


class Reference:
    """int64 everywhere; what every other backend is tested against."""

    name = "reference"
    gate_dtype = torch.int64

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def prepare(self, layer: IntegerLayer) -> _Layer:
        weight, bias, shift = (
            torch.from_numpy(a).to(self.device).long() for a in (layer.weight, layer.bias, layer.shift)
        )
        return _Layer(weight.t(), bias, shift)

    prepare_depthwise = prepare

    def lift(self, features: Tensor) -> Tensor:
        return features.t().long()

    def _linear(self, layer: _Layer, x: Tensor) -> Tensor:
        sums = (x[:, :, None] * layer.weight).sum(1)
        return _shift(sums + layer.bias, layer.shift)

    def activations(self, layer: _Layer, x: Tensor, *, low: int) -> Tensor:
        return self._linear(layer, x).clamp(low, 127)

    def add_to_stream(self, layer: _Layer, x: Tensor, stream: Tensor | None) -> Tensor:
        y = self._linear(layer, x)
        return (y if stream is None else stream + y).clamp(-STREAM_LIMIT, STREAM_LIMIT)

    def outputs(self, layer: _Layer, x: Tensor) -> Tensor:
        return self._linear(layer, x).clamp(-OUTPUT_LIMIT, OUTPUT_LIMIT).int()

    def depthwise(self, layer: _Layer, taps: list[Tensor]) -> Tensor:
        sums = sum(tap * weight for tap, weight in zip(taps, layer.weight, strict=True))
        return _shift(sums + layer.bias, layer.shift).clamp(-127, 127)

    def gate(self, gate: Tensor, value: Tensor) -> Tensor:
        return _shift(gate * value, GATE_SHIFT).clamp(-127, 127)

    def narrow(self, stream: Tensor) -> Tensor:
        return _shift(stream, STREAM_SHIFT).clamp(-127, 127)


def _shift(x: Tensor, shift: Tensor | int) -> Tensor:
    """Divide by 2**shift, rounding to nearest, ties up."""
    half = (1 << shift) >> 1 if isinstance(shift, int) else (torch.ones_like(shift) << shift) >> 1
    return (x + half) >> shift
