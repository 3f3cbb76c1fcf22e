"""The integer network on int8 matrix units; depth-wise and element-wise parts as in float32.

int8 x int8 -> int32 products use the processor's dot-product instructions where it has them.
Some older processors saturate inside such kernels, so choose_backend() tests this backend
against the reference before it trusts it.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from hpac_cli.intnet.weights import IntegerLayer

from .float32 import Float32

_ROWS = 16384
"""Taller products are cut: they fall out of the cache and collapse."""


class _Layer(NamedTuple):
    weight: Tensor
    """(inputs, outputs) int8, columns contiguous."""
    unit: Tensor
    """(outputs,) float32 2**-shift."""
    bias: Tensor
    """(outputs,) float32, times 2**-shift, plus the half that makes floor round."""


class Int8(Float32):
    """int8 matrix products; activations travel as float32 so that element-wise work is shared."""

    name = "int8"

    def prepare(self, layer: IntegerLayer) -> _Layer:  # type: ignore[override]
        scaled = super().prepare(layer)
        unit = torch.exp2(-torch.from_numpy(layer.shift).to(self.device).double()).float()
        return _Layer(torch.from_numpy(layer.weight).to(self.device).t(), unit, scaled.bias)

    def _linear(self, layer: _Layer, x: Tensor) -> Tensor:  # type: ignore[override]
        # a fresh array has plain strides; the kernel misreads those that a transposed single row has
        x = torch.empty(x.shape, dtype=torch.int8, device=x.device).copy_(x)
        sums = torch.cat([torch._int_mm(rows, layer.weight) for rows in x.split(_ROWS)])
        return torch.addcmul(layer.bias, sums.float(), layer.unit).floor_()
