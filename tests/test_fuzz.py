"""A fixed share of what fuzz.py runs for hours: damage ends in our errors or in the right samples."""

import io
import random
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import make_dicom
from fuzz import TESTS, Fuzzer, check_reader, containers, mutate

import hpac_cli
from hpac_cli import api
from hpac_cli.container.parse import Reader
from hpac_cli.errors import HpacError
from hpac_cli.image import same_frames
from hpac_cli.limits import DEFAULT_LIMITS

CASES, BLOCK = 2400, 300


@pytest.fixture(scope="module")
def fuzzer() -> Fuzzer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Fuzzer()


@pytest.mark.filterwarnings("ignore")
def test_a_picture_with_a_pixel_element_of_an_unknown_type_is_kept_whole() -> None:
    """Found by the fuzzer: pydicom says so only when the element is asked for."""
    whole = make_dicom(np.arange(12, dtype=np.uint16).reshape(3, 4))
    damaged = whole.replace(b"\xe0\x7f\x10\0OW", b"\xe0\x7f\x10\0O\0")
    assert damaged != whole
    assert check_reader(damaged) == "same bytes"


@pytest.mark.parametrize("first", range(0, CASES, BLOCK))
@pytest.mark.filterwarnings("ignore")
def test_random_damage(fuzzer: Fuzzer, first: int) -> None:
    outcomes = {fuzzer.run(number) for number in range(first, first + BLOCK)}
    assert "refused" in outcomes


def test_ten_thousand_damages_of_a_larger_container(photograph: np.ndarray) -> None:
    data = hpac_cli.encode(photograph[:256, :256])
    whole = _read(data)
    for number in range(10_000):
        try:
            found = _read(mutate(random.Random(number), data))
        except HpacError:
            continue
        assert found == whole, number


def _read(data: bytes) -> tuple[object, ...]:
    """Everything that decoding depends on."""
    reader = Reader(io.BytesIO(data), DEFAULT_LIMITS)
    tiles = [(tile.mode, tile.payload, tile.orientation) for tile in reader.tiles()]
    return reader.header, reader.metadata, tiles, reader.samples_hash


@pytest.mark.parametrize("name", ["rgb-one-pixel", "graphics-1", "png-interlaced"])
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


def test_a_short_coverage_guided_run(tmp_path: Path) -> None:
    """Of what runs for hours; docs/reliability.md says how long."""
    pytest.importorskip("atheris", reason="atheris is installed by hand: pip install atheris")
    command = [sys.executable, TESTS / "fuzzing" / "fuzz_container.py", tmp_path / "found", "-max_total_time=20"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
