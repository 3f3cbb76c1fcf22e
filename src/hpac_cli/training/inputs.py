"""What the network's inputs are made of, for whole tiles at once: neighbours, parity, the first base, references."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hpac_cli.model.window import RADIUS, REFERENCE_RADIUS, WINDOW, reference_window


class References(NamedTuple):
    """Planes that tiles of one plane refer to: whole, and brought to the tile's domain of values."""

    values: Tensor
    """(R, B, H, W) int32, 0 to 2**bit_depth - 1; any where it is absent."""
    present: Tensor
    """(R, B) bool."""


def all_present(values: Tensor) -> References | None:
    """References (R, B, H, W), all of which are there; None for none."""
    present = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device)
    return References(values, present) if len(values) else None


def gather_window(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Shift whole tiles: (P, B, H, W) to neighbours (22, P, B, H, W) and validity (22, 1, 1, H, W)."""
    height, width = planes.shape[-2:]
    margin = (RADIUS, RADIUS, RADIUS, 0)  # left, right, above; nothing below is causal
    padded = F.pad(planes, margin)
    inside = F.pad(torch.ones(1, 1, height, width, dtype=torch.bool, device=planes.device), margin)
    near, valid = (
        [source[..., RADIUS + dy :, RADIUS + dx :][..., :height, :width] for dy, dx in WINDOW]
        for source in (padded, inside)
    )
    return torch.stack(near), torch.stack(valid)


def tile_parity(height: int, width: int, device: torch.device) -> Tensor:
    """(3, H, W) int32: +-16 by parity of x, of y, and their product."""
    x = (torch.arange(width, device=device, dtype=torch.int32) % 2 * 32 - 16).expand(height, width)
    y = (torch.arange(height, device=device, dtype=torch.int32) % 2 * 32 - 16)[:, None].expand(height, width)
    return torch.stack([x, y, x * y // 16])


def plane_fallback(planes: int, depth: Tensor) -> Tensor:
    """Base of a tile's first sample: mid-grey, 0 for difference planes.

    Args:
        planes: P.
        depth: (B, 1, 1) int32 bit depths.

    Returns:
        (P, B, 1, 1) int32.
    """
    middle = (1 << (depth - 1))[None]
    return torch.cat([middle, torch.zeros_like(middle).expand(planes - 1, *depth.shape)])


def gather_reference(reference: int, values: Tensor) -> Tensor:
    """Shift reference number `reference` (0 or 1): (B, H, W) to what is seen of it, (n, B, H, W); edges repeat."""
    radius, (height, width) = REFERENCE_RADIUS[reference], values.shape[-2:]
    rows, columns = (
        torch.arange(-radius, length + radius, device=values.device).clamp(0, length - 1) for length in (height, width)
    )
    padded = values.index_select(-2, rows).index_select(-1, columns)
    return torch.stack(
        [padded[:, radius + dy :, radius + dx :][:, :height, :width] for dy, dx in reference_window(reference)]
    )
