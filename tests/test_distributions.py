"""AFC: whatever the network says, every value of every depth can be written and read."""

import numpy as np
import pytest
import torch
from hpac_cli.codec.symbols import TileReaders, decode_plane, encode_plane
from hpac_cli.intnet.mixture import BUCKETS, MASS_BITS, Mixture, choose_window, cumulative, make_mixture, window_limits
from hypothesis import given
from hypothesis import strategies as st

from hpac_cli.entropy.coder import encode_intervals
from hpac_cli.model.tables import load_tables

TABLES = {name: torch.tensor(table) for name, table in load_tables().items()} | {"window_limit": window_limits()}


def random_mixture(rng: np.random.Generator, count: int, bit_depth: int, extreme: bool) -> tuple[Mixture, torch.Tensor]:
    """Mixtures from wild head outputs, and values anywhere in range, relative to the base."""
    reach = np.array([400, 32767 if extreme else 2000, 32767 if extreme else 60, 500])
    outputs = np.repeat(reach, 5)[None] * rng.uniform(-1, 1, (count, 20))
    top = (1 << bit_depth) - 1
    base, value = (torch.from_numpy(rng.integers(0, top + 1, count).astype(np.int32)) for _ in range(2))
    level = torch.from_numpy(rng.integers(0, 73, count).astype(np.int32))
    residual = torch.from_numpy(rng.integers(-top, top + 1, count).astype(np.int32))
    lowest = torch.zeros(count, dtype=torch.int32)
    mixture = make_mixture(
        torch.from_numpy(outputs.astype(np.int32)), level, base, [residual], lowest, bit_depth, TABLES
    )
    return mixture, (value - base).long()


def write(mixture: Mixture, value: torch.Tensor) -> bytes:
    parts = encode_plane(mixture, value, TABLES)
    keys = np.concatenate([(p.stage * len(value) + p.which) * 64 + p.step for p in parts])
    order = np.argsort(keys, kind="stable")
    return encode_intervals(
        np.concatenate([p.left for p in parts])[order], np.concatenate([p.width for p in parts])[order]
    )


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 60), bit_depth=st.integers(1, 16), extreme=st.booleans())
def test_every_value_comes_back(seed: int, count: int, bit_depth: int, extreme: bool) -> None:
    mixture, value = random_mixture(np.random.default_rng(seed), count, bit_depth, extreme)
    readers = TileReaders([write(mixture, value)])
    assert torch.equal(decode_plane(mixture, readers, np.zeros(count, np.int64), TABLES), value)
    assert readers.readers[0].is_exhausted()


@given(seed=st.integers(0, 2**32 - 1), bit_depth=st.integers(1, 16), extreme=st.booleans())
def test_mass_never_falls_and_ends_exactly(seed: int, bit_depth: int, extreme: bool) -> None:
    mixture, _ = random_mixture(np.random.default_rng(seed), 20, bit_depth, extreme)
    window = choose_window(mixture, TABLES)
    mass = cumulative(
        mixture, window.start, window.exponent, torch.arange(BUCKETS + 1, dtype=torch.int32)[:, None], TABLES
    )
    assert (mass.diff(dim=0) >= 0).all()
    edges = window.start + (torch.arange(BUCKETS + 1)[:, None] << window.exponent)
    assert (mass[edges <= mixture.lowest] == 0).all()
    assert (mass[edges > mixture.highest] == 1 << MASS_BITS).all()


@given(seed=st.integers(0, 2**32 - 1))
def test_weights_sum_exactly(seed: int) -> None:
    mixture, _ = random_mixture(np.random.default_rng(seed), 20, 8, True)
    assert (mixture.weight >= 0).all()
    assert (mixture.weight.sum(0) == 1 << 12).all()


@pytest.mark.parametrize("bit_depth", [8, 12, 16])
def test_cost_follows_the_scale_not_the_alphabet(bit_depth: int) -> None:
    """A logistic of scale s costs about log2(s) + 2.89 bits at every depth."""
    rng = np.random.default_rng(3)
    count, level = 4000, 4 * (bit_depth - 5)
    scale = 2.0 ** (level / 4 - 2)
    noise = rng.logistic(0, scale, count).round().clip(-(1 << bit_depth - 1), (1 << bit_depth - 1) - 1)
    outputs = torch.zeros(count, 15, dtype=torch.int32)
    base = torch.full((count,), 1 << (bit_depth - 1), dtype=torch.int32)
    mixture = make_mixture(
        outputs, torch.full((count,), level, dtype=torch.int32), base, [], torch.zeros_like(base), bit_depth, TABLES
    )
    bits = 8 * len(write(mixture, torch.from_numpy(noise).long())) / count
    assert bits == pytest.approx(np.log2(scale) + 2.885, abs=0.05)
