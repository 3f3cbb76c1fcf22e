"""What the network's inputs are made of, for whole tiles at once: neighbours, parity, the first base."""

import torch
import torch.nn.functional as F
from torch import Tensor

from hpac_cli.model.window import RADIUS, WINDOW


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
