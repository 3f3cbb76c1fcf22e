"""The integer network in float32, exactly: whole numbers below 2**24 and powers of two only.

A layer's right shift is folded into its weights, so that one matrix product, a floor and a
clamp are the whole layer. Sums of multiples of 2**-shift that stay below 2**(24-shift) are
exact in any order of summation, on any device; check_weights() makes sure that they do.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from hpac_cli.model.weights import IntegerLayer

from .base import GATE_SHIFT, OUTPUT_LIMIT, STREAM_LIMIT, STREAM_SHIFT


class Scaled(NamedTuple):
    """A layer with its shift folded in."""

    weight: Tensor
    """(inputs, outputs) or (taps, channels), times 2**-shift."""
    bias: Tensor
    """(outputs,), times 2**-shift, plus the half that makes floor round."""


class Float32:
    """The portable fast backend."""

    name = "float32"
    gate_dtype = torch.float32

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def prepare(self, layer: IntegerLayer) -> Scaled:
        weight, bias, shift = (
            torch.from_numpy(a).to(self.device).double() for a in (layer.weight, layer.bias, layer.shift)
        )
        unit = torch.exp2(-shift)
        half = torch.where(shift > 0, 0.5, 0.0)
        return Scaled((weight * unit[:, None]).t().float().contiguous(), (bias * unit + half).float())

    prepare_depthwise = prepare

    def lift(self, features: Tensor) -> Tensor:
        return features.t().float()

    def _linear(self, layer: Scaled, x: Tensor) -> Tensor:
        return torch.addmm(layer.bias, x, layer.weight).floor_()

    def activations(self, layer: Scaled, x: Tensor, *, low: int) -> Tensor:
        return self._linear(layer, x).clamp_(low, 127)

    def add_to_stream(self, layer: Scaled, x: Tensor, stream: Tensor | None) -> Tensor:
        y = self._linear(layer, x)
        return (y if stream is None else stream.add_(y)).clamp_(-STREAM_LIMIT, STREAM_LIMIT)

    def outputs(self, layer: Scaled, x: Tensor) -> Tensor:
        return self._linear(layer, x).clamp_(-OUTPUT_LIMIT, OUTPUT_LIMIT).int()

    def depthwise(self, layer: Scaled, taps: list[Tensor]) -> Tensor:
        sums = torch.addcmul(layer.bias, taps[0], layer.weight[0])
        for tap, weight in zip(taps[1:], layer.weight[1:], strict=True):
            sums.addcmul_(tap, weight)
        return sums.floor_().clamp_(-127, 127)

    def gate(self, gate: Tensor, value: Tensor) -> Tensor:
        return gate.mul_(value).mul_(1 / (1 << GATE_SHIFT)).add_(0.5).floor_().clamp_(-127, 127)

    def narrow(self, stream: Tensor) -> Tensor:
        return (stream * (1 / (1 << STREAM_SHIFT))).add_(0.5).floor_().clamp_(-127, 127)
