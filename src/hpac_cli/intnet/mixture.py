"""How do the network's outputs become integer distributions over a window?

This is the second half of Adaptive Focus Coding (AFC): a mixture of logistics in units of the
local focus, evaluated in integers at the edges of a few buckets around the prediction. The
bucket width follows the predicted scale; what falls outside the window escapes, and what lies
inside a bucket is refined. Source: docs/format.md, "Distributions".
"""

from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from hpac_cli.model.tables import (
    EXP_ENTRIES,
    INVERSE_BITS,
    MEAN_Q,
    NUM_SPREADS,
    POSITION_Q,
    SIGMOID_BITS,
    SIGMOID_LIMIT,
    SIGMOID_STEPS,
    WEIGHT_BITS,
)
from hpac_cli.training.lookup import look_up

BUCKETS = 22
"""Buckets of the focus window; one escape on each side."""
REFINE_BITS = 3
"""Bits that one refinement symbol resolves."""
MAX_EXPONENT = 17
"""Buckets are at most 2**17 samples wide."""
MASS_BITS = WEIGHT_BITS + SIGMOID_BITS
"""Masses are computed in units of 2**-30."""
TOTAL_BITS = 24
"""and coded in units of 2**-24."""

_SIGNIFICANT = 1 << (WEIGHT_BITS - 5)
"""Components with less than 1/32 of the weight do not widen the window."""
_REACH = 6
"""The window reaches so many logistic scales beyond every significant mean."""
_PLAIN_MARGIN = 7
"""Bits below 2**-3 of the smallest significant scale are coded plainly."""
_MEAN_LIMIT = 1 << 24
_FRACTION = 10
_START_LIMIT = 1 << 28


class Mixture(NamedTuple):
    """Mixtures of K logistics for N samples of one plane; positions relative to the base."""

    weight: Tensor
    """(K, N) int32; columns sum to 2**12."""
    mean: Tensor
    """(K, N) int64 in 1/64 sample."""
    spread: Tensor
    """(K, N) int32 indices of the logistic scale."""
    lowest: Tensor
    """(N,) int64 lowest possible sample, relative to the base."""
    highest: Tensor
    """(N,) int64 highest possible sample, relative to the base."""

    def select(self, index: Tensor) -> "Mixture":
        """Keep the samples that index picks."""
        return Mixture(*(part[..., index] for part in self))


class Window(NamedTuple):
    """Where the buckets of N samples lie."""

    start: Tensor
    """(N,) int64 lower edge of the first bucket, in samples relative to the base."""
    exponent: Tensor
    """(N,) int64; buckets are 2**exponent samples wide."""
    plain: Tensor
    """(N,) int64; the lowest `plain` bits are coded without the mixture."""


def make_mixture(
    outputs: Tensor,
    level: Tensor,
    base: Tensor,
    earlier: list[Tensor],
    lowest: Tensor,
    bit_depth: int,
    tables: dict[str, Tensor],
) -> Mixture:
    """Read a head's outputs.

    Args:
        outputs: (N, K (3 + p)) int32: logits, means, log scales, coefficients of earlier planes.
        level, base: (N,) int32 focus of the plane.
        earlier: residuals (sample - base) of the p earlier planes, (N,) int32 each.
        lowest: (N,) int32, lowest value the sample can take.
    """
    groups = 3 + len(earlier)
    logit, mean, spread, *follow = outputs.t().contiguous().unflatten(0, (groups, -1)).unbind(0)
    scale = look_up(tables["level_scale"], level)
    centre = mean.long() * scale
    for residual, coefficient in zip(earlier, follow, strict=True):
        limited = torch.maximum(torch.minimum(residual, scale), -scale)
        centre += coefficient.long() * (limited << POSITION_Q)
    half = 1 << (MEAN_Q - 1)
    centre = ((centre + half) >> MEAN_Q).clamp_(-_MEAN_LIMIT, _MEAN_LIMIT)
    index = (spread + (4 * level + 32)).clamp_(0, NUM_SPREADS - 1)
    low = (lowest - base).long()
    return Mixture(_weights(logit, tables), centre, index, low, low + ((1 << bit_depth) - 1))


def _weights(logit: Tensor, tables: dict[str, Tensor]) -> Tensor:
    """Softmax in integers: cumulative sums are divided, so that weights sum to 2**12 exactly."""
    largest = reduce(torch.maximum, logit.unbind(0))
    below = (largest - logit).clamp_(max=EXP_ENTRIES - 1)
    total = look_up(tables["exp"], below).cumsum(0, dtype=torch.int64)
    share = torch.div(total << WEIGHT_BITS, total[-1], rounding_mode="floor").int()
    return torch.diff(share, dim=0, prepend=torch.zeros_like(share[:1]))


def choose_window(mixture: Mixture, tables: dict[str, Tensor]) -> Window:
    """Place BUCKETS buckets so that they cover every significant component."""
    significant = mixture.weight >= _SIGNIFICANT
    centre = (mixture.mean * mixture.weight).sum(0) >> WEIGHT_BITS
    reach = (mixture.mean - centre).abs_().add_(look_up(tables["spread"], mixture.spread), alpha=_REACH)
    half = reduce(torch.maximum, reach.mul_(significant).unbind(0))
    exponent = torch.bucketize(half, tables["window_limit"])
    margin = (BUCKETS // 2) << exponent
    start = ((centre + (1 << (POSITION_Q - 1))) >> POSITION_Q) - margin
    start = torch.maximum(torch.minimum(start, mixture.highest + 1 - 2 * margin), mixture.lowest)
    narrowest = reduce(torch.minimum, torch.where(significant, mixture.spread, NUM_SPREADS).unbind(0))
    plain = ((narrowest >> 4) - _PLAIN_MARGIN).clamp_(min=0).long()
    return Window(start, exponent, plain)


def window_limits() -> Tensor:
    """Half widths of windows in 1/64 sample: exponent = number of limits below the need."""
    return (BUCKETS // 2 << POSITION_Q) << torch.arange(MAX_EXPONENT, dtype=torch.int64)


def cumulative(mixture: Mixture, start: Tensor, exponent: Tensor, steps: Tensor, tables: dict[str, Tensor]) -> Tensor:
    """Evaluate the mixture's distribution function at bucket edges.

    Args:
        start: (N,) int64 samples relative to the base; exponent: (N,) int64.
        steps: (E, 1) or (E, N) int32 edge numbers; edge k lies at start + k 2**exponent.

    Returns:
        (E, N) int32 in units of 2**-30: mass below each edge, 0 at or below the lowest possible
        sample and 2**30 above the highest.
    """
    # no component is narrower than 1/16 bucket: bounds the product below
    index = torch.maximum(mixture.spread, (exponent << 4).int())
    inverse = look_up(tables["spread_inverse"], index).long()
    edge = (start << POSITION_Q) - (1 << (POSITION_Q - 1))
    drop = INVERSE_BITS - _FRACTION
    limit = SIGMOID_LIMIT * SIGMOID_STEPS
    first = (((edge - mixture.mean) * inverse) >> drop).clamp_(-_START_LIMIT, _START_LIMIT)
    first = first.add_((1 << (_FRACTION - 1)) + (limit << _FRACTION)).int()
    step = ((inverse << (exponent + POSITION_Q)) >> drop).int()
    place = torch.addcmul(first[:, None], steps, step[:, None])
    place = place.bitwise_right_shift_(_FRACTION).clamp_(0, 2 * limit)
    parts = look_up(tables["sigmoid"], place).mul_(mixture.weight[:, None])
    mass = reduce(Tensor.add_, parts.unbind(0))
    offset = start + (steps << exponent)
    mass.masked_fill_(offset <= mixture.lowest, 0)
    return mass.masked_fill_(offset > mixture.highest, 1 << MASS_BITS)


def conditional(mass: Tensor, steps: Tensor, bits: Tensor) -> Tensor:
    """Turn masses at edges within a bucket into a distribution over its parts.

    Args:
        mass: (E, N) int32, the bucket's lower end first, its upper end last.
        steps: (E, N) int64, which part each edge begins; 0 first, 2**bits last.
        bits: (N,) int64; the bucket has 2**bits parts.

    Returns:
        (E, N) int32 in units of 2**-24; equal parts where the bucket holds no mass.
    """
    within = (mass - mass[0]).long()
    total = within[-1]
    share = torch.div(within << TOTAL_BITS, total.clamp(min=1), rounding_mode="floor")
    return torch.where(total > 0, share, steps << (TOTAL_BITS - bits)).int()
