"""A fixed share of what fuzz.py runs for hours: damage ends in our errors or in the right samples."""

import io
import warnings

import pytest
from fuzz import Fuzzer, containers

from hpac_cli import api
from hpac_cli.errors import HpacError
from hpac_cli.image import same_frames

CASES, BLOCK = 2400, 300


@pytest.fixture(scope="module")
def fuzzer() -> Fuzzer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Fuzzer()


@pytest.mark.parametrize("first", range(0, CASES, BLOCK))
@pytest.mark.filterwarnings("ignore")
def test_random_damage(fuzzer: Fuzzer, first: int) -> None:
    outcomes = {fuzzer.run(number) for number in range(first, first + BLOCK)}
    assert "refused" in outcomes


@pytest.mark.parametrize("name", ["2.0/rgb-one-pixel.hpac", "2.0/graphics-grey.hpac", "2.0/interlaced-bits.hpac"])
def test_every_flipped_bit_of_a_small_file(name: str) -> None:
    data = containers()[name]
    session = api.Session()
    original = session.decode(session.open(io.BytesIO(data)))
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            decoded = session.decode(session.open(io.BytesIO(bytes(damaged))))
        except HpacError:
            continue
        assert same_frames(decoded.frames, original.frames), bit
