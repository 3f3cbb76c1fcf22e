"""Each history does to a tile what its name says."""

from dataclasses import fields

import numpy as np
import pytest

from hpac_cli.training import camera, tones
from hpac_cli.training.augment import Histories, age, augment, depth_of
from hpac_cli.training.histories import resize

PHASES = [(0, 0), (0, 1), (1, 0), (1, 1)]
COLOUR = [field.name for field in fields(Histories) if field.name != "scanned"]


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def unused(tile: np.ndarray) -> int:
    """Values that do not occur between those that do."""
    present = np.unique(tile)
    return int(present[-1]) - int(present[0]) + 1 - len(present)


@pytest.fixture(scope="module")
def tile(photograph: np.ndarray) -> np.ndarray:
    return photograph[100:228, 200:328]


@pytest.mark.parametrize("name", COLOUR)
def test_every_history_changes_tiles(name: str, tile: np.ndarray) -> None:
    aged = age(tile, Histories(**{name: 1.0}), 96, rng())
    assert (aged.dtype, aged.ndim) == (np.uint8, 3)
    assert aged.shape == tile.shape or name == "resized"
    assert not np.array_equal(aged, tile[: len(aged), : aged.shape[1]])


def test_without_histories_tiles_stay(tile: np.ndarray) -> None:
    assert np.array_equal(augment(tile, 3, Histories(), 96, rng()), tile)


def test_histories_come_as_often_as_they_should(tile: np.ndarray) -> None:
    random = rng()
    aged = [age(tile[:16, :16], Histories(noise=0.3, jpeg=0.5), 16, random) for _ in range(400)]
    assert np.mean([np.array_equal(a, tile[:16, :16]) for a in aged]) == pytest.approx(0.7 * 0.5, abs=0.07)


def test_one_history_follows_another(tile: np.ndarray) -> None:
    """Noise alone leaves many values; posterised afterwards, few."""
    assert len(np.unique(age(tile, Histories(noise=1.0, posterised=1.0), 96, rng(3)))) <= 128


def test_grey_tiles_are_edited_only(tile: np.ndarray) -> None:
    grey = tile[..., 1]
    assert np.array_equal(age(grey, Histories(camera=1.0, jpeg=1.0, resized=1.0), 96, rng()), grey)
    assert not np.array_equal(age(grey, Histories(retouched=1.0), 96, rng()), grey)


def test_what_is_scanned_is_deep(tile: np.ndarray) -> None:
    for seed in range(20):
        assert 8 < depth_of(augment(tile, 1, Histories(scanned=1.0), 96, rng(seed))) <= 14


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.33])
def test_resized_tiles_keep_even_sides_and_are_never_larger(factor: float, tile: np.ndarray) -> None:
    for side in resize(tile, factor, rng()).shape[:2]:
        assert side % 2 == 0
        assert side == pytest.approx(min(128, 128 / factor), abs=2)


# camera


@pytest.mark.parametrize("phase", PHASES)
def test_a_mosaic_has_one_colour_a_pixel(phase: tuple[int, int]) -> None:
    light = np.broadcast_to(np.array([1, 2, 3], np.float32), (6, 8, 3))
    raw = camera.mosaic(light, phase)
    y, x = phase
    assert (raw[y::2, x::2] == 1).all()
    assert (raw[1 - y :: 2, 1 - x :: 2] == 3).all()
    assert np.bincount(raw.astype(int).ravel()).tolist() == [0, 12, 24, 12]


@pytest.mark.parametrize("demosaic", [camera.demosaic_bilinear, camera.demosaic_by_gradients])
@pytest.mark.parametrize("phase", PHASES)
def test_demosaicing_fills_in_what_is_linear_exactly_and_keeps_samples(demosaic, phase: tuple[int, int]) -> None:  # type: ignore[no-untyped-def]
    y, x = np.mgrid[:16, :16].astype(np.float32) / 32
    light = np.stack([y + x + 0.2, y + x, y + x - 0.1], -1)  # of one gradient, as the second way supposes
    raw = camera.mosaic(light, phase)
    seen = demosaic(raw, phase)
    assert np.allclose(seen[3:-3, 3:-3], light[3:-3, 3:-3], atol=1e-5 if demosaic is camera.demosaic_bilinear else 0.03)
    own = camera.mosaic(np.broadcast_to(np.arange(3, dtype=np.float32), light.shape), phase).astype(int)
    assert np.allclose(np.take_along_axis(seen, own[..., None], 2)[..., 0], raw, atol=1e-6)


def test_noise_grows_with_the_light() -> None:
    dark, bright = (np.full((200, 200), value, np.float32) for value in (0.0, 0.64))
    assert camera.expose(dark, 1e-2, 1e-3, rng()).std() == pytest.approx(1e-3, rel=0.05)
    assert camera.expose(bright, 1e-2, 1e-3, rng()).std() == pytest.approx(0.08, rel=0.05)


def test_sharpening_steepens_edges_and_leaves_what_is_flat() -> None:
    edge = np.full((16, 16, 3), 50, np.float32)
    edge[:, 8:] = 150
    sharp = camera.sharpen(edge, 1.0, 0.8)
    assert np.allclose(sharp[:, :4], 50, atol=1e-3)
    assert sharp.max() > 160
    assert sharp.min() < 40


def test_smoothed_colour_keeps_green() -> None:
    seen = rng().random((16, 16, 3)).astype(np.float32)
    smooth = camera.smooth_colour(seen)
    assert np.array_equal(smooth[..., 1], seen[..., 1])
    assert (smooth[..., 0] - smooth[..., 1]).std() < 0.6 * (seen[..., 0] - seen[..., 1]).std()


def test_neighbours_in_a_photograph_share_their_noise(tile: np.ndarray) -> None:
    """Two of three samples are made of their neighbours, so errors are alike, as those of plain noise are not."""
    flat = np.full_like(tile, 128)
    found = []
    for seed in range(12):
        noise = camera.photograph(flat, rng(seed))[..., 0].astype(float)
        noise -= noise.mean()
        found.append((noise[:, 1:] * noise[:, :-1]).mean() / (noise**2).mean())
    assert np.mean(found) > 0.1


# tones


@pytest.mark.parametrize("make", [tones.retouch, tones.posterise])
def test_editing_leaves_values_unused_unless_dithered(make, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    ramp = np.arange(256, dtype=np.uint8).repeat(64).reshape(128, 128)
    combs = [unused(make(ramp, rng(seed))) for seed in range(24)]
    assert sum(comb > 0 for comb in combs) > 12
    if make is tones.retouch:
        assert sum(comb == 0 for comb in combs) > 4


def test_dither_keeps_means() -> None:
    assert tones.to_bytes(np.full((200, 200), 10.3), rng()).mean() == pytest.approx(10.3, abs=0.02)
    assert (tones.to_bytes(np.full((4, 4), 10.3)) == 10).all()


def test_posterised_tiles_have_few_even_steps() -> None:
    ramp = np.arange(256, dtype=np.uint8).repeat(64).reshape(128, 128)
    for seed in range(8):
        found = np.unique(tones.posterise(ramp, rng(seed)))
        assert 12 <= len(found) <= 128
        assert np.ptp(np.diff(found)) <= 1


def test_white_balance_moves_channels_apart() -> None:
    grey = np.full((8, 8, 3), 100, np.uint8)
    apart = [len(np.unique(tones.retouch(grey, rng(seed)).mean((0, 1)).round())) for seed in range(40)]
    assert 5 < sum(number > 1 for number in apart) < 35


@pytest.mark.parametrize("name", ["601", "709"])
@pytest.mark.parametrize("full", [True, False])
def test_luma_and_chroma_and_back_is_near_and_leaves_colours_unused(name: str, full: bool, tile: np.ndarray) -> None:
    back = tones.through_luma(tile, name, name, full=full)
    assert np.abs(back.astype(int) - tile).max() <= 3
    every = np.stack(np.meshgrid(*[np.arange(100, 132, dtype=np.uint8)] * 3), -1).reshape(-1, 32, 3)
    colours = len(np.unique(tones.through_luma(every, name, name, full=full).reshape(-1, 3), axis=0))
    assert colours < 0.5 * every.size / 3


def test_another_matrix_changes_hues(tile: np.ndarray) -> None:
    assert np.abs(tones.through_luma(tile, "601", "709", full=True).astype(int) - tile).max() > 8


def test_primaries_keep_grey_and_come_back(tile: np.ndarray) -> None:
    grey = np.arange(256, dtype=np.uint8)[:, None].repeat(3, 1)[None]
    assert np.abs(tones.between_primaries(grey, "sRGB", "P3").astype(int) - grey).max() <= 1
    middle = tile // 2 + 64
    other = tones.between_primaries(middle, "sRGB", "Adobe")
    assert np.abs(other.astype(int) - middle).max() > 3
    assert np.abs(tones.between_primaries(other, "Adobe", "sRGB").astype(int) - middle).max() <= 3
