"""What the network is told of a tile so far: means of features over all earlier wavefronts, in floats."""

import torch
from torch import Tensor


def wavefronts(height: int, width: int, device: torch.device) -> Tensor:
    """Wavefront of every position of a tile, (H W,) int64 in raster order."""
    y, x = torch.arange(height, device=device)[:, None], torch.arange(width, device=device)
    return (x + 2 * y).flatten()


def tile_means(features: Tensor) -> Tensor:
    """Means over all positions on earlier wavefronts: (B, H, W, E) to the same, float32."""
    batch, height, width, channels = features.shape
    at = wavefronts(height, width, features.device)
    sums = torch.zeros(batch, width + 2 * height - 1, channels, device=features.device)
    counts = torch.zeros_like(sums[0, :, :1])
    sums = sums.index_add(1, at + 1, features.float().flatten(1, 2)).cumsum(1)
    counts = counts.index_add(0, at + 1, torch.ones_like(at[:, None], dtype=counts.dtype)).cumsum(0).clamp(min=1)
    return (sums / counts)[:, at].view(batch, height, width, channels)
