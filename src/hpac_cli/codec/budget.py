"""The effort that fits into the time that there is, by the rates of each size of network."""

from collections.abc import Sequence

from hpac_cli.image import Image

from .duration import Rates
from .efforts import Effort

_LEAST_TRAINING = 5.0
"""Seconds below which adapting is not begun."""


def fit_effort(
    efforts: Sequence[Effort], image: Image, *, rates: Rates, seconds: float, verify: bool, threads: int
) -> tuple[Effort, float]:
    """Choose the first effort that is done in about so many seconds; the last where none is, so it is no promise.

    Args:
        efforts: the best first.
        verify: whether the image is decoded again for proof.
        threads: that its tiles are spread over.

    Returns:
        The effort, and the seconds that are left for adapting.
    """
    for effort in efforts:
        left = seconds - rates.encoding(image, effort, verify=verify) / threads
        if effort.adapt == "off":
            if left >= 0:
                return effort, 0.0
        elif left >= _LEAST_TRAINING:
            return effort, left
    return efforts[-1], 0.0
