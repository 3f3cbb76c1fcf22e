"""Rounding in the loop: weights and activations on the grids of the integer network, with gradients."""

import torch
import torch.nn.functional as F
from torch import Tensor

from hpac_cli.model.layers import ACTIVATION_Q

WEIGHT_Q_MIN, WEIGHT_Q_MAX = 4, 12
"""Weights of an output channel count in 2**-4 to 2**-12."""


class _Quantise(torch.autograd.Function):
    """Round half up to multiples of 1/scale and clamp; the gradient passes where not clamped."""

    @staticmethod
    def forward(ctx, x: Tensor, scale: float, low: int, high: int) -> Tensor:  # type: ignore[no-untyped-def]
        y = (x.float() * scale + 0.5).floor_()
        ctx.save_for_backward((y >= low) & (y <= high))
        return y.clamp_(low, high).mul_(1 / scale).to(x.dtype)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[no-untyped-def]
        (inside,) = ctx.saved_tensors
        return grad * inside, None, None, None


def round_to(x: Tensor, places: int, low: int, high: int) -> Tensor:
    """Round to multiples of 2**-places, at least low and at most high of them, straight-through."""
    rounded: Tensor = _Quantise.apply(x, float(1 << places), low, high)  # type: ignore[no-untyped-call]
    return rounded


def weight_exponents(weight: Tensor) -> Tensor:
    """Choose the power of two per output channel (dim 0) that fills int8: weights count in 2**-e."""
    largest = weight.detach().abs().flatten(1).amax(1).clamp(min=1e-9)
    return torch.floor(torch.log2(127 / largest)).clamp(WEIGHT_Q_MIN, WEIGHT_Q_MAX)


def round_weight(weight: Tensor) -> Tensor:
    """Round weights to their int8 grid, straight-through."""
    exponent = weight_exponents(weight).view(-1, *[1] * (weight.dim() - 1))
    limit = 127 * torch.exp2(-exponent)
    inside = torch.maximum(torch.minimum(weight, limit), -limit)
    rounded = torch.floor(inside.detach() * torch.exp2(exponent) + 0.5) * torch.exp2(-exponent)
    return inside + (rounded - inside.detach())


def activate(x: Tensor, quantise: bool, low: int = -127, places: int = ACTIVATION_Q) -> Tensor:
    """Bring activations to int8's range (low = 0: ReLU), rounding only under quantisation."""
    if quantise:
        return round_to(x, places, low, 127)
    return F.hardtanh(x, low / (1 << places), 127 / (1 << places))
