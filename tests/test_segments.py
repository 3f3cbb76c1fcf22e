"""LZW and PackBits in C: each writer's bytes, damaged codes, and room for no more than there can be."""

import hashlib
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpac_cli import segments
from hpac_cli.errors import InputError
from hpac_cli.images import lzw, packbits

LZW = "79a060300b629d2f58e2088b3f0f8ed0f636882d758715fa2247414aa19cad2e"
PACKBITS = "068b63f9747e18055d60d154e28f41c087b0f16ca2074b5dd4375fc13eaea249"
"""Hashes of all variants' bytes, as another program, which did it string by string in Python, wrote them."""


def samples(seed: int, size: int) -> bytes:
    """Bytes with runs of all lengths."""
    rng = random.Random(seed)
    out = bytearray()
    while len(out) < size:
        out += bytes([rng.randrange(9)]) * rng.choice([1, 1, 1, 2, 2, 3, 127, 128, 129, 130, 257])
    return bytes(out[:size])


def sha256(pieces: list[bytes]) -> str:
    return hashlib.sha256(b"".join(len(piece).to_bytes(4, "big") + piece for piece in pieces)).hexdigest()


def test_every_writers_lzw_is_what_it_was() -> None:
    noise = np.random.default_rng(3).integers(0, 60, 40_000).astype(np.uint8).tobytes()
    data = (b"", b"a", samples(1, 5000), samples(2, 90_000), noise)
    assert sha256([lzw.compress(plain, variant) for plain in data for variant in lzw.VARIANTS]) == LZW


def test_every_writers_packbits_is_what_it_was() -> None:
    rows = [
        np.frombuffer(samples(seed, 4000), np.uint8).reshape(height, -1) for seed, height in ((3, 1), (4, 8), (5, 1000))
    ]
    ways = range(packbits.NUM_VARIANTS)
    assert sha256([packbits.pack_rows(array, variant) for array in rows for variant in ways]) == PACKBITS


@given(st.binary(max_size=300), st.sampled_from(lzw.VARIANTS), st.integers(-5, 5))
def test_lzw_comes_back_as_far_as_it_is_asked_for(plain: bytes, variant: segments.LzwWriter, more: int) -> None:
    limit = max(0, len(plain) + more)
    assert lzw.decompress(lzw.compress(plain, variant), limit) == plain[:limit]


def damage_something(seed: int) -> None:
    """Decode damaged codes and random bytes."""
    rng = random.Random(seed)
    plain = samples(seed, 1 + rng.randrange(20_000))
    rows = np.frombuffer(plain, np.uint8)[None]
    for coded in (
        lzw.compress(plain, lzw.VARIANTS[seed % 16]),
        packbits.pack_rows(rows, seed % 10),
        rng.randbytes(3000),
    ):
        damaged = bytearray(coded)
        for _ in range(1 + rng.randrange(3)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        limit = rng.choice([0, len(plain) // 2, len(plain) + 100])
        assert len(packbits.unpack_runs(bytes(damaged), limit)) <= limit
        try:
            assert len(lzw.decompress(bytes(damaged), limit)) <= limit
        except InputError:
            continue


@pytest.mark.parametrize("seed", range(20))
def test_damaged_codes_end_in_an_error_or_in_bytes(seed: int) -> None:
    damage_something(seed)


@pytest.mark.parametrize("code", [b"\x00\x00", b"\xff\xff"])
def test_lzw_that_begins_without_a_clear_code_is_refused(code: bytes) -> None:
    with pytest.raises(InputError, match="does not exist"):
        lzw.decompress(code, 5)


def test_no_room_is_taken_for_more_than_codes_can_stand_for() -> None:
    assert packbits.unpack_runs(b"\x81a", 1 << 60) == bytes([97]) * 128
    assert lzw.decompress(lzw.compress(b"aaaa", lzw.VARIANTS[0]), 1 << 60) == b"aaaa"


def test_room_that_is_too_small_is_an_error_of_the_library() -> None:
    plain = np.frombuffer(samples(1, 1000), np.uint8)
    coded, library = np.empty(10, np.uint8), segments._library()
    at = segments._at
    assert library.hpac_lzw_encode(at(plain), 1000, segments._LzwWriter(4094, 1, 1), at(coded), 10) == -2
    assert library.hpac_packbits_encode(at(plain), 1, 1000, 0, at(coded), 10) == -2


@pytest.mark.parametrize("full", [0, 258, 4092, 4097, 1 << 30])
def test_a_writer_of_lzw_that_does_not_exist_is_an_error_of_the_library(full: int) -> None:
    plain, coded = np.arange(40_000).astype(np.uint8), np.empty(90_000, np.uint8)
    at, writer = segments._at, segments._LzwWriter(full, 0, 0)
    assert segments._library().hpac_lzw_encode(at(plain), plain.size, writer, at(coded), coded.size) == -3


@pytest.mark.parametrize("way", [-1, segments.NUM_RUN_WAYS])
def test_a_way_of_runs_that_does_not_exist_is_an_error_of_the_library(way: int) -> None:
    plain, coded = np.zeros(10, np.uint8), np.empty(100, np.uint8)
    at = segments._at
    assert segments._library().hpac_packbits_encode(at(plain), 1, 10, way, at(coded), 100) == -3


def test_sizes_below_zero_are_errors_of_the_library() -> None:
    data, library, at, end = np.zeros(10, np.uint8), segments._library(), segments._at, segments._LzwEnd()
    writer = segments._LzwWriter(4094, 0, 0)
    for size, room in ((-1, 10), (10, -1)):
        assert library.hpac_lzw_decode(at(data), size, at(data), room, end) == -3
        assert library.hpac_lzw_encode(at(data), size, writer, at(data), room) == -3
        assert library.hpac_packbits_decode(at(data), size, at(data), room) == -3
        assert library.hpac_packbits_encode(at(data), 1, size, 0, at(data), room) == -3
        assert library.hpac_packbits_encode(at(data), size, 1, 0, at(data), room) == -3
    assert library.hpac_packbits_encode(at(data), 1 << 40, 1 << 40, 0, at(data), 10) == -3
