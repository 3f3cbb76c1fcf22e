"""The causal depth-wise convolution, in the way that is fastest on each device."""

import torch.nn.functional as F
from torch import Tensor

from hpac_cli.model.window import causal_offsets


def convolve_causally(x: Tensor, weight: Tensor, bias: Tensor, rows: int) -> Tensor:
    """Weigh the causal neighbours of each position, and itself.

    Args:
        x: (B, H, W, C) float32.
        weight: (C, taps) in the order of causal_offsets, with the position itself.
        bias: (C,).
        rows: that it reaches up; beyond the border lies 0.

    Returns:
        As x.
    """
    padded = F.pad(x, (0, 0, rows, rows, rows, 0))
    return (convolve if x.is_cpu else sum_taps)(padded, weight, bias, rows)


def convolve(padded: Tensor, weight: Tensor, bias: Tensor, rows: int) -> Tensor:
    """By the library's convolution, with 0 where nothing is causal: (B, H + r, W + 2 r, C) to (B, H, W, C)."""
    places = [(dy + rows) * (2 * rows + 1) + dx + rows for dy, dx in causal_offsets(rows, rows, centre=True)]
    kernel = weight.new_zeros(len(weight), (rows + 1) * (2 * rows + 1))
    kernel[:, places] = weight
    kernel = kernel.view(len(weight), 1, rows + 1, 2 * rows + 1)
    return F.conv2d(padded.permute(0, 3, 1, 2), kernel, bias, groups=len(weight)).permute(0, 2, 3, 1)


def sum_taps(padded: Tensor, weight: Tensor, bias: Tensor, rows: int) -> Tensor:
    """Tap by tap, which a compiler makes one kernel of; as convolve."""
    batch, height, width, channels = padded.shape
    height, width = height - rows, width - 2 * rows
    y = bias.expand(batch, height, width, channels)
    for tap, (dy, dx) in enumerate(causal_offsets(rows, rows, centre=True)):
        y = y + padded[:, rows + dy : rows + dy + height, rows + dx : rows + dx + width] * weight[:, tap]
    return y
