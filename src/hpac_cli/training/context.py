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
    length = width + 2 * (height - 1)
    with torch.autocast(features.device.type, enabled=False):
        sums = torch.zeros(batch, length + 1, channels, device=features.device)
        sums = sums.index_add(1, at + 1, features.float().flatten(1, 2)).cumsum(1)
        counts = torch.bincount(at + 1, minlength=length + 1).cumsum(0).clamp(min=1)
        return (sums / counts[:, None])[:, at].view(batch, height, width, channels)
