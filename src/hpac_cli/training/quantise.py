"""Rounding in the loop: weights and activations on the grids of the integer network, with gradients."""

import torch
import torch.nn.functional as F
from torch import Tensor

from hpac_cli.model.layers import ACTIVATION_Q

WEIGHT_Q_MIN, WEIGHT_Q_MAX = 4, 12
"""Weights of an output channel count in 2**-4 to 2**-12."""

Quantise = float | Tensor
"""1 where values are rounded, 0 where they are not. A CUDA graph takes it as a tensor () and so serves both; as a
number, 0 leaves out the work."""


def _is_off(quantise: Quantise) -> bool:
    """Whether it is known here, without asking a device, that nothing is rounded."""
    return not isinstance(quantise, Tensor) and not quantise


def _round(inside: Tensor, scale: float | Tensor, quantise: Quantise) -> Tensor:
    """Round half up to multiples of 1/scale; gradients pass straight through.

    Values and multiples are at most half a step apart, so their difference is exact even in bfloat16, and
    adding it gives the multiple itself.
    """
    exact = inside.detach()
    rounded = (exact.float() * scale).add_(0.5).floor_().div_(scale).to(inside.dtype)
    return inside + rounded.sub_(exact).mul_(quantise)


def round_to(x: Tensor, places: int, quantise: Quantise) -> Tensor:
    """Round to an int16 number of 2**-places under quantisation."""
    if _is_off(quantise):
        return x
    scale = float(1 << places)
    return _round(F.hardtanh(x, -32767 / scale, 32767 / scale), scale, quantise)


def weight_exponents(weight: Tensor) -> Tensor:
    """Choose the power of two per output channel (dim 0) that fills int8: weights count in 2**-e."""
    largest = weight.detach().abs().flatten(1).amax(1).clamp(min=1e-9)
    return torch.floor(torch.log2(127 / largest)).clamp(WEIGHT_Q_MIN, WEIGHT_Q_MAX)


def round_weight(weight: Tensor, quantise: Quantise) -> Tensor:
    """Round weights (O, I) to their int8 grid under quantisation."""
    if _is_off(quantise):
        return weight
    scale = torch.exp2(weight_exponents(weight))[:, None]
    limit = 127 / scale
    return _round(torch.maximum(torch.minimum(weight, limit), -limit), scale, quantise)


def activate(x: Tensor, quantise: Quantise, low: int = -127, places: int = ACTIVATION_Q) -> Tensor:
    """Bring activations to int8's range (low = 0: ReLU), rounding only under quantisation; bfloat16."""
    scale = float(1 << places)
    if _is_off(quantise):  # the bounds are exact in bfloat16, so clamping may come last, where it costs half
        return F.hardtanh(x.to(torch.bfloat16), low / scale, 127 / scale)
    return _round(F.hardtanh(x, low / scale, 127 / scale), scale, quantise).to(torch.bfloat16)
