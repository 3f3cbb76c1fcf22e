"""The context of a wavefront is the mean over all earlier ones, rounded half up, whichever way it is computed."""

import math
from fractions import Fraction

import numpy as np
import torch
from hpac_cli.intnet.context import RunningMeans, tile_means
from hypothesis import given
from hypothesis import strategies as st

from hpac_cli.training.context import tile_means as float_means
from hpac_cli.training.context import wavefronts

SIDES = st.integers(1, 9)
PLACES = st.integers(0, 3)


def make_features(seed: int, height: int, width: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 128, (height * width, 3)))


@given(seed=st.integers(0, 99), height=SIDES, width=SIDES, places=PLACES)
def test_whole_tiles_have_the_exact_means(seed: int, height: int, width: int, places: int) -> None:
    features = make_features(seed, height, width)
    at = wavefronts(height, width, features.device)
    for t, found in enumerate(tile_means(features, height, width, places).t().tolist()):
        known = features[at < t].tolist()
        exact = [Fraction(sum(column), len(known)) for column in zip(*known, strict=True)] or [0] * 3
        assert found == [min(math.floor((mean * 2**places) + Fraction(1, 2)), 127) for mean in exact]


@given(seed=st.integers(0, 99), height=SIDES, width=SIDES, places=PLACES)
def test_one_wavefront_after_another_gives_the_same(seed: int, height: int, width: int, places: int) -> None:
    features = make_features(seed, height, width)
    at = wavefronts(height, width, features.device)
    running = RunningMeans(1, 3, places, features.device)
    for t, expected in enumerate(tile_means(features, height, width, places).t()):
        assert torch.equal(running.get()[:, 0], expected)
        now = features[at == t][None]
        running.add(now, torch.ones(now.shape[:2], dtype=torch.bool))


@given(seed=st.integers(0, 99), height=SIDES, width=SIDES, places=PLACES)
def test_the_float_twin_means_the_same(seed: int, height: int, width: int, places: int) -> None:
    features = make_features(seed, height, width)
    at = wavefronts(height, width, features.device)
    means = float_means(features.view(1, height, width, 3).float())
    expected = tile_means(features, height, width, places).t()[at].view(1, height, width, 3)
    assert torch.equal((means.double() * 2**places + 0.5).floor().clamp(max=127).int(), expected)
