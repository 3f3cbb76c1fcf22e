"""Decoded tiles are kept: what was decoded once is not decoded again while it is there, and no more is kept than may be."""

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from conftest import save_png
from test_references import BACK, TILE, encode, refer, told

import hpac_cli
from hpac_cli.codec import decode
from hpac_cli.codec.tile_cache import TileCache
from hpac_cli.container.fields import Frame, Reference
from hpac_cli.container.parse import Reader
from hpac_cli.limits import DEFAULT_LIMITS

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


class Held:
    """Whoever decodes the first tile, or the tile after so many, is held there until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, behind: int = 0) -> None:
        self.is_held, self.is_free, self._left = threading.Event(), threading.Event(), behind
        decode_values = decode.decode_values

        def held(*args: object) -> np.ndarray:
            self._left -= 1
            if self._left == -1:
                self.is_held.set()
                assert self.is_free.wait(60)
            return decode_values(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(decode, "decode_values", held)


def test_nobody_waits_for_another_reader(chain: bytes, stack: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is held in the middle of a frame; others read that frame, a region of it, and a frame that refers to it."""
    picture, held = hpac_cli.open(io.BytesIO(chain)), Held(monkeypatch, behind=1)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(picture.read, frame=0)
        assert held.is_held.wait(60)
        try:
            region, again, after = (
                pool.submit(picture.read, region=(TILE, 0, 9, 5), frame=0),
                pool.submit(picture.read, frame=0),
                pool.submit(picture.read, frame=2),
            )
            assert np.array_equal(region.result(60), stack[0, :5, TILE : TILE + 9])
            assert np.array_equal(again.result(60), stack[0])
            assert np.array_equal(after.result(60), stack[2])
            assert not first.done()
        finally:
            held.is_free.set()
        assert np.array_equal(first.result(60), stack[0])


@pytest.mark.parametrize("member", [None, "a.png"])
def test_whoever_decodes_the_whole_file_holds_up_nobody(
    member: str | None, photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = photograph[:64, :64]
    source = save_png(samples)
    data = hpac_cli.encode_series({"a.png": source}, effort=1) if member else hpac_cli.encode(samples, effort=1)
    picture, held = hpac_cli.open(io.BytesIO(data), member=member), Held(monkeypatch)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(picture.read_file)
        assert held.is_held.wait(60)
        try:
            assert np.array_equal(pool.submit(picture.read).result(60), samples)
        finally:
            held.is_free.set()
        assert len(first.result(60)) > 0


def test_what_another_reader_decoded_meanwhile_is_not_decoded_again(
    chain: bytes, stack: np.ndarray, decoded: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the tile at which the one is held."""
    picture, held = hpac_cli.open(io.BytesIO(chain)), Held(monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(picture.read, frame=0)
        assert held.is_held.wait(60)
        try:
            picture.read(frame=0)
        finally:
            held.is_free.set()
        assert np.array_equal(first.result(60), stack[0])
    assert decoded() == TILES + 1


def test_what_was_decoded_before_a_failure_is_kept(chain: bytes, stack: np.ndarray, decoded: Callable[[], int]) -> None:
    tiles = list(Reader(io.BytesIO(chain), DEFAULT_LIMITS).tiles_of(range(TILES)))
    harmed = bytearray(chain)
    harmed[chain.index(tiles[-1].payload)] ^= 1
    picture = hpac_cli.open(io.BytesIO(bytes(harmed)))
    with pytest.raises(hpac_cli.ContainerError, match="checksum"):
        picture.read(frame=0)
    assert decoded() == TILES - 1
    assert np.array_equal(picture.read(region=(0, 0, 9, 5), frame=0), stack[0, :5, :9])
    assert decoded() == 0


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
