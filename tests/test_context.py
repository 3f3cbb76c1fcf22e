"""The float twin's means of the context are the exact ones, over all earlier wavefronts."""

import math
from fractions import Fraction

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from hpac_cli.training.context import tile_means, wavefronts


@given(seed=st.integers(0, 99), height=st.integers(1, 9), width=st.integers(1, 9), places=st.integers(0, 3))
def test_rounded_means_are_exact(seed: int, height: int, width: int, places: int) -> None:
    features = torch.from_numpy(np.random.default_rng(seed).integers(0, 128, (height * width, 3)))
    at = wavefronts(height, width, features.device)
    means = tile_means(features.view(1, height, width, 3).float()).view(-1, 3)
    found = (means.double() * 2**places + 0.5).floor().clamp(max=127).int()
    for number, t in zip(found.tolist(), at.tolist(), strict=True):
        known = features[at < t].tolist()
        exact = [Fraction(sum(column), len(known)) for column in zip(*known, strict=True)] or [0] * 3
        assert number == [min(math.floor(mean * 2**places + Fraction(1, 2)), 127) for mean in exact]
