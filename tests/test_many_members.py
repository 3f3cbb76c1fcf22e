"""A series of four times as many files takes about four times as many steps: to encode, to decode, to look into, file by file."""

import functools
import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from conftest import save_png

import hpac_cli
from hpac_cli import api
from hpac_cli.api.decoding import decompress_member

FEW, MANY = 50, 200
_MOST = 5.0
"""Times as many steps as for FEW files: a share that grows with the square would make it up to 16."""


def name_of(number: int) -> str:
    return f"below/{number:04}.png"


@functools.cache
def contents(count: int) -> dict[str, bytes]:
    pixels = np.arange(8 * 9 * 3).reshape(8, 9, 3)
    return {name_of(n): save_png((pixels * (n % 7 + 1) % 251).astype(np.uint8)) for n in range(count)}


@functools.cache
def packed(count: int) -> bytes:
    return hpac_cli.encode_series(contents(count), effort=1, keyframe=1)


def count_steps(work: Callable[[], object]) -> int:
    """Calls of Python and C functions, and steps of generators."""
    steps = 0

    def step(_frame: FrameType, event: str, _what: object) -> None:
        nonlocal steps
        steps += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(step)
    try:
        work()
    finally:
        sys.setprofile(before)
    return steps


def assert_in_proportion(work: Callable[[int], object]) -> None:
    work(1)  # what is imported and loaded once
    few, many = (count_steps(functools.partial(work, count)) for count in (FEW, MANY))
    assert many < _MOST * few


def test_encoding_is_in_proportion() -> None:
    assert_in_proportion(lambda count: hpac_cli.encode_series(contents(count), effort=1, keyframe=1))


def test_decoding_is_in_proportion() -> None:
    for count in (1, FEW, MANY):
        assert hpac_cli.decode_series(packed(count)) == contents(count)
    assert_in_proportion(lambda count: hpac_cli.decode_series(packed(count)))


def test_reading_frame_after_frame_is_in_proportion() -> None:
    def read_all(count: int) -> None:
        with hpac_cli.open(io.BytesIO(packed(count))) as picture:
            for number in picture.pictures:
                picture.read(frame=number)

    packed(FEW), packed(MANY)
    assert_in_proportion(read_all)


@pytest.mark.parametrize("what", ["info", "list", "member", "open"])
def test_a_look_at_one_file_is_in_proportion(what: str, tmp_path: Path) -> None:
    """And takes few steps for every other file: a file of thousands is opened at once."""
    for count in (1, FEW, MANY):
        (tmp_path / f"{count}.hpac").write_bytes(packed(count))
    session = api.Session(api.Options(force=True))

    def look(count: int) -> None:
        path, name = str(tmp_path / f"{count}.hpac"), name_of(count - 1)
        if what == "info":
            api.inspect(path)
        elif what == "list":
            api.list_file(path)
        elif what == "member":
            decompress_member(path, name, str(tmp_path / "one.png"), session)
        else:
            with hpac_cli.open(path, member=name) as picture:
                picture.read()

    assert_in_proportion(look)
    assert count_steps(lambda: look(MANY)) < 600 * MANY
