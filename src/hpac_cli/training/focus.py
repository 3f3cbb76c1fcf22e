"""The local focus (base, scale) of samples, and their neighbours as the network sees them.

This is the first half of Adaptive Focus Coding (AFC): exact integers computed from samples
that are already coded, so that one set of weights serves every bit depth. The functions take
neighbours that somebody else gathered, for a whole tile or for one wavefront alike.
Source: docs/format.md, "Focus".
"""

from typing import NamedTuple

import torch
from torch import Tensor

from hpac_cli.model.tables import ASINH_LIMIT, ASINH_STEPS, NUM_LEVELS, PAIRS_LCM, RECIPROCAL_BITS
from hpac_cli.model.window import WINDOW

from .lookup import look_up

_AT = {offset: index for index, offset in enumerate(WINDOW)}
_W, _N, _NW, _NE = _AT[0, -1], _AT[-1, 0], _AT[-1, -1], _AT[-1, 1]
_WW, _NN = _AT[0, -2], _AT[-2, 0]
PRESENT = 16
"""What the network is told of a reference that is there."""
_PAIRS = ((_W, _NW), (_N, _NW), (_NE, _N), (_W, _WW), (_N, _NN))


class Focus(NamedTuple):
    """Local focus of N samples in each of P planes."""

    base: Tensor
    """(P, ...) int32, predicted sample value."""
    level: Tensor
    """(P, ...) int32, index of the local scale, 0 to 72."""


def find_focus(near: Tensor, valid: Tensor, fallback: Tensor, depth: Tensor, tables: dict[str, Tensor]) -> Focus:
    """Compute base and scale level from the causal neighbours.

    Args:
        near: (22, P, ...) int32 neighbours in the order of WINDOW, any value where not valid.
        valid: (22, 1, ...) bool, whether the neighbour lies in the tile.
        fallback: (P, ...) int32 base for the first sample of a tile.
        depth: (...) int32 bit depth, 1 to 16; sets the scale where no neighbours are known.
        tables: as int32 tensors.

    Source: base is the median edge detector of JPEG-LS (ITU-T T.87, A.4.1).
    """
    w, n, nw = near[_W], near[_N], near[_NW]
    low, high = torch.minimum(w, n), torch.maximum(w, n)
    median = torch.maximum(torch.minimum(high, w + n - nw), low)
    single = torch.where(valid[_W], w, torch.where(valid[_N], n, fallback))
    base = torch.where(valid[_NW], median, single)
    total = torch.full_like(base, 2)
    count = torch.zeros_like(valid[_W], dtype=torch.int32)
    for a, b in _PAIRS:
        both = (valid[a] & valid[b]).to(torch.int32)
        total += (near[a] - near[b]).abs() * both
        count += both
    multiplier = torch.div(PAIRS_LCM, count.clamp(min=1), rounding_mode="floor")
    level = torch.bucketize((total * multiplier).contiguous(), tables["level_threshold"], out_int32=True, right=True)
    unknown = (20 + 4 * (depth - 8).clamp(min=0)).clamp(max=NUM_LEVELS - 1)
    return Focus(base, torch.where(count > 0, level, unknown))


def normalise(distance: Tensor, level: Tensor, tables: dict[str, Tensor]) -> Tensor:
    """Bring distances to int8 range in units of the local scale: round(24 asinh(d/scale)).

    Args:
        distance: int32 samples; level: int32, broadcastable to it.

    Returns:
        int32 of distance's shape, -127 to 127.
    """
    index = torch.minimum(distance.abs(), look_up(tables["level_limit"], level))
    index = index.mul_(look_up(tables["level_reciprocal"], level)).add_(1 << (RECIPROCAL_BITS - 1))
    index = index.bitwise_right_shift_(RECIPROCAL_BITS).clamp_(max=ASINH_LIMIT * ASINH_STEPS)
    return look_up(tables["asinh"], index).mul_(distance.sign())


def features(
    near: Tensor,
    valid: Tensor,
    fallback: Tensor,
    focus: Focus,
    parity: Tensor,
    depth: Tensor,
    tables: dict[str, Tensor],
) -> Tensor:
    """Assemble the network's inputs.

    Args:
        near, valid, fallback, depth, tables: as for find_focus.
        parity: (3, ...) int32, +-16 for even or odd x, y, and their product.

    Returns:
        (F, ...) int32, -127 to 127; order: neighbours (offset major, plane minor), level of
        each plane, base of each plane, parity.
    """
    window = normalise(near - focus.base, focus.level, tables).mul_(valid)
    level = 2 * focus.level - 24
    base = ((focus.base - fallback) * 64) >> depth
    return torch.cat([window.flatten(0, 1), level, base, parity])


def reference_features(
    window: Tensor, present: Tensor, reference: Focus, focus: Focus, tables: dict[str, Tensor]
) -> Tensor:
    """Assemble the inputs that tell of one reference.

    Args:
        window: (n, ...) int32 samples of the reference around the same place.
        present: bool, broadcastable to (...).
        reference, focus: (...) of the reference's own samples and of the plane's.
        tables: as for find_focus.

    Returns:
        (n + 3, ...) int32, -127 to 127, 0 where it is absent: window, base and level as they differ, presence.
    """
    distance = torch.cat([window - reference.base, (reference.base - focus.base)[None]])
    level = (4 * (reference.level - focus.level)).clamp(-127, 127)
    there = torch.full_like(level, PRESENT)
    return torch.cat([normalise(distance, focus.level, tables), torch.stack([level, there])]) * present
