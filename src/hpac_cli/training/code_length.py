"""What the float twin's mixtures say of samples: what these cost, and samples that are drawn from them."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hpac_cli.model.tables import LOGIT_Q, MEAN_Q, NUM_SPREADS, SPREAD_Q

from .quantise import Quantise, round_to

PROBABILITY_FLOOR = 2.0**-22
"""Keeps logarithms finite: no sample counts for more than 22 bits."""


class HeadOutput(NamedTuple):
    """What a head says of the samples of its plane, and what it says it relative to."""

    parameters: Tensor
    """(..., K (3 + p)) float32 of plane p: logits, means in units of the local scale, log2 of the logistic scale
    relative to half of it, and how the mean follows each of the p earlier planes."""
    components: int
    base: Tensor
    """(...) int32, as level."""
    level: Tensor
    earlier: list[Tensor]
    """(...) int32 residuals of the p earlier planes."""
    lowest: Tensor
    """(...) int32 sample that is possible."""
    depth: Tensor
    """int32 bits, broadcastable to (...)."""


class _Mixture(NamedTuple):
    """(..., K) float32 each."""

    logit: Tensor
    centre: Tensor
    """Of the component, less the base."""
    inverse: Tensor
    """Of its scale."""


def _mixture(head: HeadOutput, quantise: Quantise) -> _Mixture:
    parameters = head.parameters.unflatten(-1, (3 + len(head.earlier), head.components))
    logit, mean, spread, *follow = parameters.unbind(-2)
    logit, mean, spread = (round_to(x, q, quantise) for x, q in ((logit, LOGIT_Q), (mean, MEAN_Q), (spread, SPREAD_Q)))
    follow = [round_to(f, MEAN_Q, quantise) for f in follow]
    log_scale = head.level.float()[..., None] / 4 - 1
    scale = torch.exp2(log_scale)
    centre = mean * scale
    for residual, coefficient in zip(head.earlier, follow, strict=True):
        e = residual.float()[..., None]
        centre = centre + coefficient * torch.maximum(torch.minimum(e, 64 * scale), -64 * scale)
    return _Mixture(logit, centre, torch.exp2(-(log_scale - 1 + spread).clamp(-4, (NUM_SPREADS - 1) / 16 - 4)))


def code_length(head: HeadOutput, samples: Tensor, quantise: Quantise, shifts: Tensor | None = None) -> Tensor:
    """Bits that a mixture of discretised logistics spends on each sample of one plane.

    Args:
        samples: (...) int32, or more dimensions before these.
        shifts: (2**bit_depth + 1,) float32, how far the edges of values' cells are from v - 1/2; None without cells.

    Returns:
        float32 of the shape of the samples.
    """
    logit, centre, inverse = _mixture(head, quantise)
    distance = (samples - head.base).float()[..., None] - centre
    sign = torch.where(distance > 0, -1.0, 1.0)  # both edges on the side where the sigmoid is small
    at_low, at_high = samples <= head.lowest, samples >= head.lowest + (1 << head.depth) - 1
    below, above = distance - 0.5, distance + 0.5
    if shifts is not None:
        value = (samples - head.lowest).long()
        below, above = below + shifts[value][..., None], above + shifts[value + 1][..., None]
    low = torch.where(at_low[..., None], -99.0, below * inverse)
    high = torch.where(at_high[..., None], 99.0, above * inverse)
    mass = (torch.sigmoid(sign * high) - torch.sigmoid(sign * low)).abs()
    probability = (mass * F.softmax(logit, -1)).sum(-1)
    return -torch.log2(probability * (1 - 2.0**-20) + PROBABILITY_FLOOR)


def draw_samples(head: HeadOutput, uniform: Tensor) -> Tensor:
    """Draw samples of one plane from a mixture.

    Args:
        uniform: (2, N, ...) float32 of [0, 1), which choose a component and a place in it.

    Returns:
        (N, ...) int32.
    """
    logit, centre, inverse = _mixture(head, 0.0)
    ends = F.softmax(logit, -1).cumsum(-1)
    component = (uniform[0][..., None] >= ends).sum(-1, keepdim=True).clamp(max=head.components - 1)
    centre, inverse = (x.expand(*component.shape[:-1], -1).gather(-1, component)[..., 0] for x in (centre, inverse))
    away = (centre + torch.logit(uniform[1], eps=1e-6) / inverse).clamp(-(2.0**17), 2.0**17)
    drawn = torch.floor(away + 0.5).int() + head.base
    return torch.maximum(torch.minimum(drawn, head.lowest + (1 << head.depth) - 1), head.lowest)
