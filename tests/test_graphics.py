"""Whatever the network is bad at costs no more than other coders take for it."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image as PillowImage

import hpac_cli
from hpac_cli import api, images
from hpac_cli.codec import payloads, webp
from hpac_cli.container.fields import TileMode
from hpac_cli.errors import ContainerError

SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4))


def modes_of(data: bytes) -> set[TileMode]:
    return {tile.mode for tile in api.Session().open(io.BytesIO(data)).tiles()}


def drawing(height: int = 200, width: int = 300) -> np.ndarray:
    """Boxes, lines and a pattern that repeats, in few colours."""
    rows, columns = np.indices((height, width))
    picture = np.full((height, width, 3), 250, np.uint8)
    picture[(rows % 40 < 20) & (columns % 60 < 30)] = (30, 90, 160)
    picture[(rows // 3 + columns) % 37 == 0] = (200, 10, 10)
    picture[50:90, 100:180] = np.where(((rows * 7) ^ (columns * 5)) % 11 < 4, 0, 255)[50:90, 100:180, None]
    return picture


def in_webp(picture: np.ndarray) -> int:
    file = io.BytesIO()
    PillowImage.fromarray(picture).save(file, "WEBP", lossless=True, quality=100, method=6, exact=True)
    return len(file.getvalue())


@given(coded=arrays.arrays(np.uint8, SHAPES, elements=st.sampled_from([0, 1, 7, 128, 255])))
def test_values_come_back_from_webp(coded: np.ndarray) -> None:
    assert np.array_equal(webp.decode(webp.encode(coded, webp.QUICK), coded.shape), coded)


@pytest.mark.parametrize("damage", [lambda b: b[:-3], lambda b: b"\x2e" + b[1:], lambda b: b[:1], lambda b: b""])
def test_damaged_webp_is_an_error(damage: object) -> None:
    bitstream = webp.encode(drawing(20, 30))
    with pytest.raises(ContainerError):
        webp.decode(damage(bitstream), (20, 30, 3))  # type: ignore[operator]


def test_webp_of_another_size_is_an_error() -> None:
    with pytest.raises(ContainerError, match="another size"):
        webp.decode(webp.encode(drawing(20, 30)), (30, 20, 3))


@pytest.mark.parametrize(("channels", "bit_depth"), [(5, 8), (1, 9)])
def test_webp_for_what_it_cannot_hold_is_an_error(channels: int, bit_depth: int) -> None:
    with pytest.raises(ContainerError, match="more than four"):
        payloads.unpack(TileMode.WEBP, webp.encode(drawing(4, 4)), (4, 4, channels), bit_depth)


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_values_of_any_size_come_back_from_the_smallest_packing(size: int) -> None:
    coded = np.random.default_rng(size).integers(0, 1 << (8 * size - 1), (9, 7, 2)).astype(f"u{size}")
    mode, payload = payloads.pack_smallest(coded, 8 * size)
    assert np.array_equal(payloads.unpack(mode, payload, coded.shape, 8 * size), coded)


def test_a_drawing_is_about_as_small_as_in_webp() -> None:
    data = hpac_cli.encode(drawing())
    assert modes_of(data) == {TileMode.WEBP}
    assert len(data) < in_webp(drawing()) + 100
    assert np.array_equal(hpac_cli.decode(data), drawing())


def test_a_deep_drawing_needs_no_network() -> None:
    deep = drawing()[..., 0].astype(np.uint32) * 40_000_003
    data = hpac_cli.encode(deep)
    assert TileMode.NETWORK not in modes_of(data)
    assert len(data) < in_webp(drawing()[..., 0]) + 150
    assert np.array_equal(hpac_cli.decode(data), deep)


def test_a_photograph_is_left_to_the_network(photograph: np.ndarray) -> None:
    assert modes_of(hpac_cli.encode(photograph[:128, :128])) <= {TileMode.NETWORK, TileMode.LUMA_CHROMA}


def test_noise_costs_hardly_more_than_itself() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (300, 300, 3)).astype(np.uint8)
    data = hpac_cli.encode(noise)
    assert len(data) < noise.size * 1.001
    assert np.array_equal(hpac_cli.decode(data), noise)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "I;16"])
def test_one_pixel_takes_little_more_than_a_hundred_bytes(mode: str) -> None:
    file, stream = io.BytesIO(), io.BytesIO()
    PillowImage.new(mode, (1, 1), 1).save(file, "png")
    api.Session().encode(images.read(file.getvalue()), stream)
    assert len(stream.getvalue()) < 110
