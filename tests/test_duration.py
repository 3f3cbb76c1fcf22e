"""What would take too long is refused before it begins, by an estimate that is about right."""

import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import hpac, save_png

from hpac_cli import api, images
from hpac_cli.api.parts import _part_of
from hpac_cli.codec.duration import Rates
from hpac_cli.codec.efforts import effort_of
from hpac_cli.codec.networks import Networks
from hpac_cli.codec.tiles import Box
from hpac_cli.container.fields import Frame, Part
from hpac_cli.errors import LimitExceededError


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, photograph: np.ndarray) -> Path:
    """A photograph and its .hpac file."""
    path = tmp_path_factory.mktemp("duration") / "a.png"
    path.write_bytes(save_png(photograph[:256, :256]))
    api.compress(str(path), None, api.Session())
    return path


def begin_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def begin(*_arguments: object, **_options: object) -> None:
        raise AssertionError("it began")

    for name in ("encode.encode_image", "decode.decode_image", "partial.decode_region"):
        monkeypatch.setattr(f"hpac_cli.codec.{name}", begin)


CALLS: dict[str, Callable[[str, api.Session], object]] = {
    "encode": lambda path, session: api.compress(path, f"{path}.other.hpac", session),
    "decode": lambda path, session: api.decompress(f"{path}.hpac", f"{path}.png", session),
    "verify": lambda path, session: api.verify(f"{path}.hpac", session),
    "region": lambda path, session: api.decompress_part(
        f"{path}.hpac", f"{path}.npy", session, frame=0, region=(9, 9, 99, 99)
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_what_would_take_too_long_is_refused_before_it_begins(
    call: str, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_nothing(monkeypatch)
    with pytest.raises(LimitExceededError, match=r"about .* s on this machine; --max-seconds allows 0\.001"):
        CALLS[call](str(large), api.Session(api.Options(max_seconds=0.001)))


@pytest.mark.parametrize("call", CALLS)
def test_what_is_quick_enough_is_done(call: str, large: Path) -> None:
    CALLS[call](str(large), api.Session(api.Options(max_seconds=1000, force=True)))


def test_a_small_region_of_a_large_frame_is_quick(networks: Networks) -> None:
    frame = Frame(10_000, 10_000, "u1", 128, (Part(1, 8, networks.digest("grey-large")),))
    session = api.Session(api.Options(max_seconds=5))
    session.check_duration(_part_of((frame,), 0, Box(0, 0, 1, 1)))
    with pytest.raises(LimitExceededError):
        session.check_duration(_part_of((frame,), 0, None))


def test_adapting_counts(large: Path) -> None:
    with pytest.raises(LimitExceededError):
        api.compress(str(large), f"{large}.x.hpac", api.Session(api.Options(max_seconds=4, adapt="full")))


@pytest.mark.parametrize("level", [1, 3, 5])
def test_the_estimate_is_about_right(level: int, photograph: np.ndarray, networks: Networks) -> None:
    image = images.read(save_png(photograph[:256, :384]))
    session, rates, stream = api.Session(api.Options(effort=level)), Rates(networks), io.BytesIO()
    start = time.thread_time()
    session.encode(image, stream)
    encoding = time.thread_time() - start
    stream.seek(0)
    reader = session.open(stream)
    start = time.thread_time()
    session.decode(reader)
    decoding = time.thread_time() - start
    assert encoding / 4 < rates.encoding(image, effort_of(level), verify=False) < encoding * 4
    assert decoding / 4 < rates.decoding(reader.header.frames) < decoding * 4


def test_the_command_line_says_so_in_one_line(large: Path) -> None:
    result = hpac("decode", "--max-seconds", "0.001", f"{large}.hpac", "-o", "-")
    assert (result.returncode, result.stdout, len(result.stderr.splitlines())) == (5, b"", 1)
