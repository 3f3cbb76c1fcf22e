"""Arrays in memory come back exactly, whatever they hold."""

import hashlib
import io
import time

import numpy as np
import pytest
from conftest import CONTENTS
from hypothesis import given, settings
from hypothesis import strategies as st

import hpac_cli
from hpac_cli.codec.hashes import hash_samples
from hpac_cli.codec.tiles import choose_tile
from hpac_cli.container.build import Writer
from hpac_cli.container.fields import CodedTile, Frame, Header, Kind, Part, TileMode
from hpac_cli.errors import ContainerError, LimitExceededError, ModelError, UnsupportedError, UsageError
from hpac_cli.images.npy import from_array
from hpac_cli.limits import Limits


@settings(max_examples=20)
@given(
    seed=st.integers(0, 999),
    channels=st.sampled_from([None, 1, 2, 3, 4]),
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    content=st.sampled_from(sorted(CONTENTS)),
    tile=st.sampled_from([8, 16, 128]),
)
def test_arrays_come_back(seed: int, channels: int | None, height: int, width: int, content: str, tile: int) -> None:
    shape = (height, width) if channels is None else (height, width, channels)
    array = CONTENTS[content](np.random.default_rng(seed), shape)
    decoded = hpac_cli.decode(hpac_cli.encode(array, tile=tile))
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, array)


@pytest.mark.parametrize("shape", [(1, 300), (300, 1), (3, 2, 3), (129, 131, 3)])
def test_odd_shapes_come_back(shape: tuple[int, ...]) -> None:
    array = CONTENTS["ramp"](np.random.default_rng(0), shape)
    assert np.array_equal(hpac_cli.decode(hpac_cli.encode(array)), array)


def test_views_are_taken_as_they_look(photograph: np.ndarray) -> None:
    array = photograph[10:60:2, 90:20:-3]
    assert np.array_equal(hpac_cli.decode(hpac_cli.encode(array)), array)


def test_encoding_twice_gives_the_same_bytes(photograph: np.ndarray) -> None:
    part = photograph[:40, :40]
    assert hpac_cli.encode(part) == hpac_cli.encode(part)


def test_a_photograph_gets_smaller_than_png(photograph: np.ndarray) -> None:
    from conftest import save_png

    part = photograph[200:328, 300:428]
    assert len(hpac_cli.encode(part)) < 0.8 * len(save_png(part, optimize=True))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 999),
    sample_type=st.sampled_from(["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]),
    shape=st.sampled_from([(9, 14), (13, 8, 3), (7, 9, 2), (5, 6, 7), (2, 6, 5, 4), (1, 1)]),
    content=st.sampled_from(["bits", "smooth", "few", "constant"]),
)
def test_arrays_of_every_type_come_back_bit_for_bit(
    seed: int, sample_type: str, shape: tuple[int, ...], content: str
) -> None:
    rng, dtype = np.random.default_rng(seed), np.dtype(sample_type)
    bits = rng.integers(0, 256, (*shape, dtype.itemsize), np.uint8).view(dtype)[..., 0]
    with np.errstate(all="ignore"):
        array = {
            "bits": bits,
            "smooth": (rng.normal(0, 30, shape).cumsum(-1)).astype(dtype),
            "few": bits.reshape(-1)[rng.integers(0, min(5, bits.size), shape)],
            "constant": np.full(shape, bits.reshape(-1)[0]),
        }[content]
    decoded = hpac_cli.decode(hpac_cli.encode(array, tile=8))
    assert (decoded.dtype, decoded.shape) == (array.dtype, array.shape)
    assert decoded.tobytes() == array.tobytes()


def test_few_values_of_many_bits_are_packed() -> None:
    rng = np.random.default_rng(1)
    levels = np.sort(rng.choice(65536, 40, replace=False)).astype(np.uint16)
    smooth = (20 + 15 * np.sin(np.indices((64, 64)).sum(0) / 9)).astype(int)
    assert len(hpac_cli.encode(levels[smooth])) < 1.2 * len(hpac_cli.encode(smooth.astype(np.uint8))) + 200


def test_constant_channels_cost_almost_nothing(photograph: np.ndarray) -> None:
    part = photograph[:64, :64]
    opaque = np.dstack([part, np.full((64, 64), 255, np.uint8)])
    assert len(hpac_cli.encode(opaque)) < len(hpac_cli.encode(part)) + 20


def test_an_offset_costs_almost_nothing(photograph: np.ndarray) -> None:
    grey = photograph[:64, :64, 1].astype(np.int16) * 7
    assert len(hpac_cli.encode(grey - 9000)) < len(hpac_cli.encode(grey)) + 20


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 2), complex), np.zeros(4, np.uint8), np.zeros((0, 3), np.uint8), np.array([["a"]])],
)
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(UnsupportedError, match="hpac takes"):
        hpac_cli.encode(array)


@pytest.mark.parametrize("shape", [(70_000, 1, 1, 1), (1, (1 << 24) + 1), (1, 1, 70_000)])
def test_nothing_is_encoded_that_decoding_would_refuse(shape: tuple[int, ...]) -> None:
    with pytest.raises(LimitExceededError, match="the limit is"):
        hpac_cli.encode(np.zeros(shape, np.uint8))


def test_wider_limits_serve_both_ways() -> None:
    limits, array = Limits(max_frames=70_000), np.zeros((70_000, 1, 1, 1), np.uint8)
    assert np.array_equal(hpac_cli.decode(hpac_cli.encode(array, limits=limits), limits=limits), array)


def test_many_frames_take_time_in_proportion() -> None:
    limits, array = Limits(max_frames=20_000), np.zeros((20_000, 1, 1, 1), np.uint8)
    begin = time.process_time()
    hpac_cli.encode(array, limits=limits)
    assert time.process_time() - begin < 30, "2 seconds, or 100 where every frame looks at all before it"


def test_masks_are_not_dropped() -> None:
    with pytest.raises(UnsupportedError, match="mask"):
        hpac_cli.encode(np.ma.masked_array(np.zeros((2, 2), np.uint8), True))


@pytest.mark.parametrize("tile", [7, -2, 1026, 33])
def test_impossible_tile_sizes_are_refused(tile: int) -> None:
    with pytest.raises(UsageError, match="tile size"):
        hpac_cli.encode(np.zeros((2, 2), np.uint8), tile=tile)


def test_missing_weights_are_named() -> None:
    image = from_array(np.arange(256, dtype=np.uint8).reshape(16, 16))
    stream = io.BytesIO()
    header = Header(Kind.ARRAY_2D, False, (Frame(16, 16, "u1", 128, (Part(1, 8, b"\xaa" * 8),)),))
    writer = Writer(stream, header, b"")
    writer.tile(CodedTile(TileMode.NETWORK, b""))
    writer.end(hash_samples(image.frames), b"")
    with pytest.raises(ModelError, match="aaaaaaaaaaaaaaaa"):
        hpac_cli.decode(stream.getvalue())


def test_every_damaged_byte_is_noticed() -> None:
    data = hpac_cli.encode(np.arange(64, dtype=np.uint8).reshape(8, 8))
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0x10
        with pytest.raises(ContainerError):
            hpac_cli.decode(bytes(damaged))


def test_samples_that_do_not_match_the_hash_are_refused() -> None:
    import zlib

    data = hpac_cli.encode(np.arange(64, dtype=np.uint8).reshape(8, 8))
    end = b"E\x08" + hashlib.sha256(b"other samples").digest()[:8]
    with pytest.raises(ContainerError, match="SHA-256"):
        hpac_cli.decode(data[:-14] + end + zlib.crc32(end).to_bytes(4, "little"))


@pytest.mark.parametrize(
    ("shapes", "tile"),
    [
        ([(3, 5)], 8),
        ([(300, 200)], 300),
        ([(512, 768)], 256),
        ([(400, 395)], 200),
        ([(10, 10), (1001, 9)], 252),
        ([], 8),
    ],
)
def test_tiles_divide_the_longest_side_into_parts_of_about_256(shapes: list[tuple[int, int]], tile: int) -> None:
    assert choose_tile([np.zeros((*shape, 1), np.uint8) for shape in shapes]) == tile
