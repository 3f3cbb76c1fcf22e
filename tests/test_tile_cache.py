"""Decoded tiles are kept: what was decoded once is not decoded again while it is there, and no more is kept than may be."""

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from test_references import BACK, TILE, encode, refer, told

import hpac_cli
from hpac_cli.codec import decode
from hpac_cli.codec.tile_cache import Pending, TileCache
from hpac_cli.container.fields import Frame, Reference

COUNT, SIDE = 6, 2 * TILE
TILES = 4
"""Of each frame."""


@pytest.fixture(scope="module")
def stack(photograph: np.ndarray) -> np.ndarray:
    return np.stack([photograph[100 + n : 100 + n + SIDE, 200 : 200 + SIDE, 1:2] for n in range(COUNT)])


@pytest.fixture(scope="module")
def chain(stack: np.ndarray) -> bytes:
    """Every frame refers to the one before."""
    return encode(tuple(stack), refer(BACK))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Counts the tiles that were decoded since it was asked last."""
    tiles: list[object] = []
    decode_values = decode.decode_values

    def counted(*args: object) -> np.ndarray:
        tiles.append(None)
        return decode_values(*args)  # type: ignore[arg-type]

    def ask() -> int:
        count = len(tiles)
        tiles.clear()
        return count

    monkeypatch.setattr(decode, "decode_values", counted)
    return ask


def test_frame_after_frame_each_tile_is_decoded_once(
    chain: bytes, stack: np.ndarray, decoded: Callable[[], int]
) -> None:
    picture = hpac_cli.open(io.BytesIO(chain))
    for number in range(COUNT):
        assert np.array_equal(picture.read(frame=number), stack[number])
    assert decoded() == COUNT * TILES


def test_a_lazy_array_decodes_each_tile_once(chain: bytes, stack: np.ndarray, decoded: Callable[[], int]) -> None:
    lazy = hpac_cli.open(io.BytesIO(chain)).to_dask()
    assert np.array_equal(lazy.compute(scheduler="synchronous"), stack)
    assert decoded() == COUNT * TILES


def test_a_region_of_every_frame_takes_its_own_tiles_alone(
    chain: bytes, stack: np.ndarray, decoded: Callable[[], int]
) -> None:
    picture = hpac_cli.open(io.BytesIO(chain))
    for number in range(COUNT):
        part = picture.read(region=(TILE + 2, 3, 9, 5), frame=number)
        assert np.array_equal(part, stack[number, 3:8, TILE + 2 : TILE + 11])
    assert decoded() == COUNT


def test_the_last_frame_alone_takes_all_that_it_refers_to(
    chain: bytes, stack: np.ndarray, decoded: Callable[[], int]
) -> None:
    picture = hpac_cli.open(io.BytesIO(chain))
    assert np.array_equal(picture.read(frame=COUNT - 1), stack[-1])
    assert decoded() == COUNT * TILES
    assert np.array_equal(picture.read(frame=2), stack[2])
    assert decoded() == 0


def test_a_cache_of_one_frame_is_enough_for_a_chain(
    chain: bytes, stack: np.ndarray, decoded: Callable[[], int]
) -> None:
    picture = hpac_cli.open(io.BytesIO(chain), cache_bytes=stack[0].nbytes)
    for number in range(COUNT):
        assert np.array_equal(picture.read(frame=number), stack[number])
    assert decoded() == COUNT * TILES
    picture.read(frame=0)
    assert decoded() == TILES


def test_without_a_cache_chains_are_decoded_again(chain: bytes, stack: np.ndarray, decoded: Callable[[], int]) -> None:
    picture = hpac_cli.open(io.BytesIO(chain), cache_bytes=0)
    for number in range(COUNT):
        assert np.array_equal(picture.read(frame=number), stack[number])
    assert decoded() == TILES * COUNT * (COUNT + 1) // 2


def test_two_references_come_from_the_cache(stack: np.ndarray, decoded: Callable[[], int]) -> None:
    def change(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
        first, second, *others = refer(BACK)(frames)
        return first, second, *(replace(each, parts=(told(BACK, Reference(2, 0)),)) for each in others)

    picture = hpac_cli.open(io.BytesIO(encode(tuple(stack), change)))
    for number in range(COUNT):
        assert np.array_equal(picture.read(frame=number), stack[number])
    assert decoded() == COUNT * TILES


def test_what_is_done_with_samples_does_not_reach_the_cache(chain: bytes, stack: np.ndarray) -> None:
    picture = hpac_cli.open(io.BytesIO(chain))
    picture.read(frame=0)[...] = 0
    assert np.array_equal(picture.read(frame=1), stack[1])
    assert np.array_equal(picture.read(frame=0), stack[0])


def test_threads_share_the_cache(chain: bytes, stack: np.ndarray) -> None:
    picture = hpac_cli.open(io.BytesIO(chain), cache_bytes=stack[0].nbytes)
    numbers = [number for number in range(COUNT) for _ in range(3)]
    with ThreadPoolExecutor(4) as pool:
        read = pool.map(lambda number: picture.read(frame=number), numbers)
        assert all(np.array_equal(samples, stack[number]) for number, samples in zip(numbers, read, strict=True))


def test_threads_wait_for_what_others_decode(chain: bytes, stack: np.ndarray, decoded: Callable[[], int]) -> None:
    """All want the last frame at once, and one decodes it."""
    picture, barrier = hpac_cli.open(io.BytesIO(chain)), threading.Barrier(4)

    def read(_: int) -> np.ndarray:
        barrier.wait(30)
        return picture.read(frame=COUNT - 1)

    with ThreadPoolExecutor(4) as pool:
        assert all(np.array_equal(samples, stack[-1]) for samples in pool.map(read, range(4)))
    assert decoded() == COUNT * TILES


def test_whoever_waits_for_one_who_fails_decodes_for_itself(
    chain: bytes, stack: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first reader claims the first frame and fails when the second waits for it."""
    picture = hpac_cli.open(io.BytesIO(chain))
    claimed, waiting, decode_values = threading.Event(), threading.Event(), decode.decode_values
    first: list[int] = []

    def failing(*args: object) -> np.ndarray:
        if not first:
            first.append(threading.get_ident())
        if first[0] == threading.get_ident():
            claimed.set()
            assert waiting.wait(30)
            raise hpac_cli.ContainerError("the first reader fails")
        return decode_values(*args)  # type: ignore[arg-type]

    def waited(pending: Pending) -> np.ndarray:
        waiting.set()
        return wait(pending)

    wait = Pending.wait
    monkeypatch.setattr(decode, "decode_values", failing)
    monkeypatch.setattr(Pending, "wait", waited)
    with ThreadPoolExecutor(2) as pool:
        fails = pool.submit(picture.read, frame=0)
        assert claimed.wait(30)
        goes_on = pool.submit(picture.read, frame=1)
        assert np.array_equal(goes_on.result(60), stack[1])
        with pytest.raises(hpac_cli.ContainerError, match="first reader"):
            fails.result(60)


def plane(number: int) -> np.ndarray:
    return np.full((4, 5, 1), number, np.uint16)


def test_no_more_bytes_are_kept_than_may_be() -> None:
    cache = TileCache(3 * plane(0).nbytes)
    for number in (*range(10), 9):
        cache.put(number, plane(number))
    assert [number for number in range(10) if cache.get(number) is not None] == [7, 8, 9]
    cache.put(11, np.zeros((100, 100, 1), np.uint16))
    assert cache.get(11) is None
    assert cache.get(7) is not None


def test_what_was_asked_for_lately_stays() -> None:
    cache = TileCache(2 * plane(0).nbytes)
    for number in (0, 1):
        cache.put(number, plane(number))
    cache.get(0)
    cache.put(2, plane(2))
    assert [number for number in range(3) if cache.get(number) is not None] == [0, 2]
