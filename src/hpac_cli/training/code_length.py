"""What samples cost under the float twin's mixtures."""

import torch
import torch.nn.functional as F
from torch import Tensor

from hpac_cli.model.tables import LOGIT_Q, MEAN_Q, NUM_SPREADS, SPREAD_Q

from .planes import lowest_sample
from .quantise import Quantise, round_to

PROBABILITY_FLOOR = 2.0**-22
"""Keeps logarithms finite: no sample counts for more than 22 bits."""


def code_length(
    out: Tensor,
    planes: Tensor,
    depth: Tensor,
    residual: Tensor,
    level: Tensor,
    components: int,
    quantise: Quantise,
    shifts: Tensor | None = None,
) -> Tensor:
    """Bits that a mixture of discretised logistics spends on each sample of one plane.

    Args:
        out: (..., K (3 + p)) float32 head outputs of plane p: logits, means in units of the local
            scale, log2 of the logistic scale relative to half of it, and how the mean follows
            each of the p earlier planes.
        planes, residual: (P, ...) int32 samples, and samples less their base.
        depth: int32 bit depth, broadcastable to (...).
        level: (...) int32 of plane p.
        shifts: (P, 2**bit_depth + 1) float32, how far the edges of values' cells are from v - 1/2; None without cells.

    Returns:
        (...) float32.
    """
    index = out.shape[-1] // components - 3
    logit, mean, spread, *follow = out.unflatten(-1, (3 + index, components)).unbind(-2)
    logit, mean, spread = (round_to(x, q, quantise) for x, q in ((logit, LOGIT_Q), (mean, MEAN_Q), (spread, SPREAD_Q)))
    follow = [round_to(f, MEAN_Q, quantise) for f in follow]
    log_scale = level.float()[..., None] / 4 - 1
    scale = torch.exp2(log_scale)
    centre = mean * scale
    for earlier, coefficient in enumerate(follow):
        e = residual[earlier].float()[..., None]
        centre = centre + coefficient * torch.maximum(torch.minimum(e, 64 * scale), -64 * scale)
    inverse = torch.exp2(-(log_scale - 1 + spread).clamp(-4, (NUM_SPREADS - 1) / 16 - 4))
    distance = residual[index].float()[..., None] - centre
    sign = torch.where(distance > 0, -1.0, 1.0)  # both edges on the side where the sigmoid is small
    lowest = lowest_sample(planes[0], index)
    at_low, at_high = planes[index] <= lowest, planes[index] >= lowest + (1 << depth) - 1
    below, above = distance - 0.5, distance + 0.5
    if shifts is not None:
        value = (planes[index] - lowest).long()
        below, above = below + shifts[index, value][..., None], above + shifts[index, value + 1][..., None]
    low = torch.where(at_low[..., None], -99.0, below * inverse)
    high = torch.where(at_high[..., None], 99.0, above * inverse)
    mass = (torch.sigmoid(sign * high) - torch.sigmoid(sign * low)).abs()
    probability = (mass * F.softmax(logit, -1)).sum(-1)
    return -torch.log2(probability * (1 - 2.0**-20) + PROBABILITY_FLOOR)
