"""Arrays in memory come back exactly, whatever they hold."""

import hashlib

import numpy as np
import pytest
from conftest import CONTENTS
from hypothesis import given, settings
from hypothesis import strategies as st

import hpac_cli
from hpac_cli.container.fields import SIGNATURE
from hpac_cli.errors import ContainerError, ModelError, UnsupportedError, UsageError


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


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 2), np.uint16), np.zeros(4, np.uint8), np.zeros((0, 3), np.uint8), np.zeros((2, 2, 5), np.uint8)],
)
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(UnsupportedError, match="this version takes"):
        hpac_cli.encode(array)


@pytest.mark.parametrize("tile", [7, 0, 1026, 33])
def test_impossible_tile_sizes_are_refused(tile: int) -> None:
    with pytest.raises(UsageError, match="tile size"):
        hpac_cli.encode(np.zeros((2, 2), np.uint8), tile=tile)


def test_missing_weights_are_named() -> None:
    data = bytearray(hpac_cli.encode(np.arange(256, dtype=np.uint8).reshape(16, 16)))
    import zlib

    header = data[len(SIGNATURE) + 2 :][: 2 + data[len(SIGNATURE) + 3]]
    changed = header[:-8] + b"\xaa" * 8
    start = len(SIGNATURE) + 2
    data[start : start + len(header) + 4] = changed + zlib.crc32(changed).to_bytes(4, "little")
    with pytest.raises(ModelError, match="aaaaaaaaaaaaaaaa"):
        hpac_cli.decode(bytes(data))


def test_every_damaged_byte_is_noticed() -> None:
    data = hpac_cli.encode(np.arange(64, dtype=np.uint8).reshape(8, 8))
    for at in range(len(data)):
        if at == len(SIGNATURE) + 1:  # the minor version may be any
            continue
        damaged = bytearray(data)
        damaged[at] ^= 0x10
        with pytest.raises(ContainerError):
            hpac_cli.decode(bytes(damaged))


def test_samples_that_do_not_match_the_hash_are_refused() -> None:
    import zlib

    data = hpac_cli.encode(np.arange(64, dtype=np.uint8).reshape(8, 8))
    end = b"E\x20" + hashlib.sha256(b"other samples").digest()
    with pytest.raises(ContainerError, match="SHA-256"):
        hpac_cli.decode(data[:-38] + end + zlib.crc32(end).to_bytes(4, "little"))
