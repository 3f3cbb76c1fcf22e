"""What is a tile like so far? Exact means of features over all of its earlier wavefronts.

The network is told these means with every wavefront, so that it can see how well it predicts this
picture and adapt while it codes. Source: docs/format.md, "Context".
"""

import torch
from torch import Tensor

from hpac_cli.training.context import wavefronts

MEAN_MAX = 127


def round_mean(sums: Tensor, counts: Tensor, places: int) -> Tensor:
    """Divide, round half up; 0 where nothing was counted.

    Args:
        sums: int64, at least 0; counts: int64, broadcastable to it.
        places: binary places by which means are finer than what was summed.

    Returns:
        int32 of sums' shape, at most MEAN_MAX.
    """
    known = counts.clamp(min=1)
    means = torch.div((2 * sums << places) + known, 2 * known, rounding_mode="floor")
    return means.clamp(max=MEAN_MAX).int()


def tile_means(features: Tensor, height: int, width: int, places: int) -> Tensor:
    """Context of every wavefront of a whole tile (encoding).

    Args:
        features: (H W, E) whole numbers, 0 to 127, positions in raster order.
        places: as in round_mean.

    Returns:
        (E, T) int32, T = W + 2 (H - 1) wavefronts.
    """
    length = width + 2 * (height - 1)
    sums = torch.zeros(length + 1, features.shape[1], dtype=torch.int32, device=features.device)
    for y, row in enumerate(features.int().view(height, width, -1)):
        sums[1 + 2 * y : 1 + 2 * y + width] += row  # a row's positions lie on consecutive wavefronts
    counts = torch.bincount(wavefronts(height, width, features.device) + 1, minlength=length + 1)
    return round_mean(sums.cumsum(0)[:-1], counts.cumsum(0)[:-1, None], places).t()


class RunningMeans:
    """Context of a batch of B tiles, one wavefront after another (decoding); places as in round_mean."""

    def __init__(self, batch: int, features: int, places: int, device: torch.device) -> None:
        self._places = places
        self._sums = torch.zeros(batch, features, dtype=torch.int64, device=device)
        self._counts = torch.zeros(batch, 1, dtype=torch.int64, device=device)

    def add(self, features: Tensor, live: Tensor) -> None:
        """Take in a wavefront: (B, n, E) whole numbers, of which count those that are live, (B, n) bool."""
        self._sums += (features * live[..., None]).sum(1, dtype=torch.int64)
        self._counts += live.sum(1, keepdim=True)

    def get(self) -> Tensor:
        """(E, B) int32."""
        return round_mean(self._sums, self._counts, self._places).t()
