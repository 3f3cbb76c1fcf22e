"""Which effort fits into the time that there is? Told by timing each size of network on a crop of the image."""

import time
from collections.abc import Sequence

import numpy as np

from hpac_cli.image import Samples
from hpac_cli.model.index import SIZES, network_name

from .efforts import Effort
from .networks import Networks

_CROP = 64
_TRIAL_CROPS = 7
"""Crops that are coded for each of an effort's: four orientations, and some of them again."""
_PASSES_TO_ADAPT = 2
"""How often an image is coded while weights are adapted to it, beside the training."""
_LEAST_TRAINING = 5.0
"""Seconds below which adapting is not begun."""


def fit_effort(
    efforts: Sequence[Effort],
    frames: Sequence[Samples],
    *,
    networks: Networks,
    seconds: float,
    passes: int,
    threads: int,
) -> tuple[Effort, float]:
    """Choose the first effort that is done in about so many seconds; the last where none is, so it is no promise.

    Args:
        efforts: the best first.
        frames: (H, W, C) samples.
        passes: how often the image is coded: 2 if it is decoded again for proof.
        threads: that its tiles are spread over.

    Returns:
        The effort, and the seconds that are left for adapting.
    """
    pixels = sum(frame.shape[0] * frame.shape[1] for frame in frames)
    rates = {size: _time_pixel(frames[0], networks, size) for size in SIZES}
    for effort in efforts:
        trial = _TRIAL_CROPS * effort.crops * _CROP**2 * len(frames) * rates[effort.tried_by]
        once = pixels * rates[effort.size]
        coding = (passes * once + min(trial, once)) / threads
        if effort.adapt == "off":
            if coding <= seconds:
                return effort, 0.0
        elif (left := seconds - coding - _PASSES_TO_ADAPT * once / threads) >= _LEAST_TRAINING:
            return effort, left
    return efforts[-1], 0.0


def _time_pixel(samples: Samples, networks: Networks, size: str) -> float:
    """Seconds in which one core codes a pixel of all channels; noise, which takes longest, stands for the image."""
    channels = samples.shape[2]
    rng, seconds = np.random.default_rng(0), 0.0
    for role, planes, groups in (("rgb", 3, channels // 3), ("grey", 1, channels % 3)):
        if groups:
            coder = networks.by_digest(networks.digest(network_name(role, size))).coder
            crop = rng.integers(0, 256, (_CROP, _CROP, planes)).astype(np.int32)
            began = time.perf_counter()
            coder.encode(crop, 8)
            seconds += groups * (time.perf_counter() - began)
    return seconds / _CROP**2
