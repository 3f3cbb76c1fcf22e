"""The pool cuts what its draws say, and what it holds depends on nothing but the number of the update."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hpac_cli.training.config import Config
from hpac_cli.training.data import Source, cut, split
from hpac_cli.training.planes import to_planes
from hpac_cli.training.pool import BLOCK, Pool

CPU = torch.device("cpu")
PLAIN = Config("plain", 3, 10, [], crop=16, batch=6)


def make_tiles(*shapes: tuple[int, ...], dtype: type = np.uint8) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype) for shape in shapes]


def make_pool(tiles: list[np.ndarray], config: Config, shares: list[float] | None = None, **options: int) -> Pool:
    return Pool([Source(tiles, shares or [1.0] * len(tiles))], config, CPU, **options)


def find(crop: np.ndarray, tile: np.ndarray) -> bool:
    """Whether a crop is a part of a tile, turned in any of the eight ways."""
    side = len(crop)
    for whole in (tile, tile.swapaxes(0, 1)):
        windows = np.lib.stride_tricks.sliding_window_view(whole, (side, side), (0, 1))
        for flipped in (crop, crop[::-1], crop[:, ::-1], crop[::-1, ::-1]):
            if (windows == np.moveaxis(flipped, -1, 0)).all((2, 3, 4)).any():
                return True
    return False


def test_batches_are_crops_of_the_tiles() -> None:
    tiles = make_tiles((32, 40, 3), (16, 24, 3))  # the second leaves its slot's rest empty
    pool = make_pool(tiles, PLAIN)
    seen = set()
    for update in range(4):
        pool.seek(update)
        planes, depth, _ = pool.batch()
        assert (planes.shape, depth.tolist()) == ((3, 6, 16, 16), [8] * 6)
        green, red, blue = planes.numpy()
        for crop in np.stack([red + green, green, blue + green], -1):
            (at,) = (i for i, tile in enumerate(tiles) if find(crop, tile))
            seen.add(at)
    assert seen == {0, 1}


def test_deep_and_shallow_tiles_share_a_batch() -> None:
    deep, shallow = make_tiles((16, 16), dtype=np.uint16), make_tiles((16, 16))
    pool = make_pool(deep + shallow, replace(PLAIN, planes=1, batch=20))
    pool.seek(0)
    planes, depth, _ = pool.batch()
    assert set(depth.tolist()) == {8, int(planes.max()).bit_length()}
    assert planes.min() >= 0
    assert planes[0, depth == 8].max() < 256 <= planes.max()


def test_tiles_are_drawn_by_their_shares() -> None:
    tiles = [np.full((16, 16, 3), value, np.uint8) for value in (10, 20)]
    pool = make_pool(tiles, replace(PLAIN, batch=400), [3.0, 1.0])
    pool.seek(0)
    green = pool.batch()[0][0, :, 0, 0]
    assert (green == 10).float().mean().item() == pytest.approx(0.75, abs=0.07)


@pytest.mark.parametrize("threads", [0, 2])
def test_an_update_sees_the_same_whatever_came_before(threads: int) -> None:
    tiles = make_tiles(*[(32, 32, 3)] * 20)
    config = replace(PLAIN, histories={"noise": 1.0})
    straight, jumping = make_pool(tiles, config, threads=threads), make_pool(tiles, config)
    for update in range(0, 10 * BLOCK, BLOCK):
        straight.seek(update)
    for update in (9 * BLOCK + 3, 9 * BLOCK):
        straight.seek(update)
        jumping.seek(update)
        assert torch.equal(straight.batch()[0], jumping.batch()[0])


def test_tiles_get_another_history_after_some_blocks() -> None:
    (tile,) = make_tiles((16, 16, 3))
    pool = make_pool([tile], replace(PLAIN, histories={"noise": 1.0}, batch=1))
    made = set()
    for block in range(17):
        pool.seek(block * BLOCK)
        made.add(pool._slots.numpy().tobytes())
    assert len(made) == 3


def test_planes_are_those_of_the_codec() -> None:
    (tile,) = make_tiles((16, 16, 3))
    pool = make_pool([tile], replace(PLAIN, batch=64))
    pool.seek(0)
    upright = to_planes(torch.from_numpy(tile.astype(np.int32)).permute(2, 0, 1))
    assert any(torch.equal(planes, upright) for planes in pool.batch()[0].movedim(1, 0))


def test_pictures_are_covered_by_tiles_with_even_sides() -> None:
    picture = np.arange(21 * 47).reshape(21, 47)
    tiles = cut(picture, 16)
    assert {tile.shape for tile in tiles} == {(16, 16)}
    assert len(tiles) == 2 * 3
    assert set(np.concatenate([tile.ravel() for tile in tiles])) == set(picture[:20, :46].ravel())


def test_held_out_pictures_are_not_trained_on() -> None:
    train, held = split([np.full(1, i) for i in range(30)])
    assert [int(x[0]) for x in held] == [0, 12, 24]
    assert sorted(int(x[0]) for x in train + held) == list(range(30))
