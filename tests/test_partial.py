"""Regions and frames are the same pixels that a whole decoding gives, and cost only their tiles."""

import io
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpac_cli import api
from hpac_cli.codec.partial import decode_region
from hpac_cli.codec.tiles import Box
from hpac_cli.errors import ContainerError, UsageError
from hpac_cli.image import Image

HEIGHT, WIDTH = 37, 45


@pytest.fixture(scope="module")
def frames(photograph: np.ndarray) -> tuple[np.ndarray, ...]:
    """An RGBA frame with constant alpha, a deep grey one, a graphic."""
    part = photograph[200 : 200 + HEIGHT, 300 : 300 + WIDTH]
    deep = part[..., :1].astype(np.uint16) * 200
    return np.dstack([part, np.full(part.shape[:2], 9, np.uint8)]), deep, np.zeros((8, 9, 1), np.uint8)


@pytest.fixture(scope="module")
def session() -> api.Session:
    return api.Session(api.Options(tile=16))


@pytest.fixture(scope="module")
def data(frames: tuple[np.ndarray, ...], session: api.Session) -> bytes:
    stream = io.BytesIO()
    session.encode(Image(frames, "tiff", file_hash=bytes(32)), stream)
    return stream.getvalue()


def region_of(data: bytes, session: api.Session, frame: int, box: Box | None, **options: int) -> np.ndarray:
    return decode_region(session.open(io.BytesIO(data)), frame, box, networks=session.networks, **options)


@settings(max_examples=12)
@given(frame=st.integers(0, 1), y=st.integers(0, HEIGHT - 1), x=st.integers(0, WIDTH - 1), size=st.data())
def test_any_region_is_what_it_is_in_the_whole(
    data: bytes,
    session: api.Session,
    frames: tuple[np.ndarray, ...],
    frame: int,
    y: int,
    x: int,
    size: st.DataObject,
) -> None:
    box = Box(y, x, size.draw(st.integers(1, HEIGHT - y)), size.draw(st.integers(1, WIDTH - x)))
    expected = frames[frame][y : y + box.height, x : x + box.width]
    assert np.array_equal(region_of(data, session, frame, box), expected)


@pytest.mark.parametrize("frame", [0, 1, 2])
def test_a_frame_alone_is_what_it_is_in_the_whole(
    data: bytes, session: api.Session, frames: tuple[np.ndarray, ...], frame: int
) -> None:
    assert np.array_equal(region_of(data, session, frame, None, threads=2), frames[frame])


def test_only_the_tiles_of_the_region_are_looked_at(data: bytes, session: api.Session) -> None:
    """Damage everywhere else does not matter, nor does what follows the last tile."""
    reader = session.open(io.BytesIO(data))
    sizes = [tile.size for tile in reader.tiles()]
    start = len(data) - reader.sizes["end"] - sum(sizes)
    ends = list(itertools.accumulate(sizes, initial=start))
    damaged = bytearray(data[: ends[5]])
    for number in (0, 1, 2, 3):
        damaged[ends[number + 1] - 6] ^= 255
    whole = region_of(data, session, 0, Box(18, 18, 8, 8))
    with pytest.raises(ContainerError):
        region_of(bytes(damaged), session, 0, Box(0, 0, 8, 8))
    assert np.array_equal(region_of(bytes(damaged), session, 0, Box(18, 18, 8, 8)), whole)


class _Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise OSError("a pipe")


def test_regions_come_through_a_pipe_too(data: bytes, session: api.Session, frames: tuple[np.ndarray, ...]) -> None:
    samples = decode_region(session.open(_Pipe(data)), 0, Box(30, 40, 5, 5), networks=session.networks)
    assert np.array_equal(samples, frames[0][30:35, 40:45])


@pytest.mark.parametrize("box", [Box(0, 0, 0, 5), Box(0, 0, HEIGHT + 1, 5), Box(-1, 0, 5, 5), Box(0, WIDTH, 1, 1)])
def test_regions_outside_are_refused(data: bytes, session: api.Session, box: Box) -> None:
    with pytest.raises(UsageError, match="not inside"):
        region_of(data, session, 0, box)


@pytest.mark.parametrize("frame", [-1, 3])
def test_frames_that_are_not_there_are_refused(data: bytes, session: api.Session, frame: int) -> None:
    with pytest.raises(UsageError, match="counted from 0"):
        region_of(data, session, frame, None)


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_a_truncated_file_is_noticed(data: bytes, session: api.Session, cut: int) -> None:
    with pytest.raises(ContainerError):
        region_of(data[: len(data) // 2 + cut], session, 1, None)
