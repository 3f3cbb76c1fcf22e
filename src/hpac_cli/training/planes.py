"""The planes that the network codes: grey as it is; RGB as green, red - green, blue - green."""

import torch
from torch import Tensor


def to_planes(samples: Tensor) -> Tensor:
    """Turn samples (1 or 3, ...) int32 into coded planes of the same shape; reversible."""
    if samples.shape[0] == 1:
        return samples
    red, green, blue = samples
    return torch.stack([green, red - green, blue - green])


def lowest_sample(green: Tensor, plane: int) -> Tensor:
    """Lowest value that plane number `plane` can take, int32; the highest is 2**bit_depth - 1 more.

    Args:
        green: (...) int32, the pixel's sample in plane 0.
    """
    return -green if plane else torch.zeros_like(green)
