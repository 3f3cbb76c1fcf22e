"""`--adapt`: adapted files are smaller or plain, decode exactly everywhere, and nothing is left half-done."""

import io
import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, hpac, save_png, start_hpac, wait_for
from PIL import Image as PillowImage
from reference.decoder import decode as decode_plainly

import hpac_cli
from hpac_cli import api
from hpac_cli.adapt import sarp_ft, schedules
from hpac_cli.adapt.material import Place
from hpac_cli.adapt.processes import team
from hpac_cli.adapt.regions import grow_regions
from hpac_cli.adapt.schedules import SCHEDULES, Schedule
from hpac_cli.codec.salvaged import decode_salvaged
from hpac_cli.codec.tiles import Box
from hpac_cli.container.salvage import find_undamaged
from hpac_cli.core import unit_names
from hpac_cli.errors import ContainerError, MissingPackageError
from hpac_cli.images.npy import from_array
from hpac_cli.limits import DEFAULT_LIMITS
from hpac_cli.model.files import weights_folder

QUICK = Schedule(updates=10, max_rank=1)
EFFORT = 3
"""Medium networks, which train faster than large ones."""


@pytest.fixture(scope="module")
def enlarged() -> np.ndarray:
    """A photograph that was enlarged: another kind of picture than the weights were trained on."""
    part = PillowImage.open(DATA / "kodim23.png").crop((100, 100, 170, 142))
    return np.asarray(part.resize((160, 96), PillowImage.Resampling.BICUBIC))


def encode(array: np.ndarray, threads: int = 2, seconds: float = 0) -> bytes:
    stream = io.BytesIO()
    options = api.Options(effort=EFFORT, tile=128, adapt="fast", threads=threads, time_budget=seconds)
    api.Session(options).encode(from_array(array), stream)
    return stream.getvalue()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCHEDULES, "fast", QUICK)


@pytest.fixture(scope="module")
def adapted(enlarged: np.ndarray) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SCHEDULES, "fast", QUICK)
        return encode(enlarged)


def test_an_adapted_file_is_smaller(enlarged: np.ndarray, adapted: bytes) -> None:
    assert len(adapted) < len(hpac_cli.encode(enlarged, effort=EFFORT, tile=128))
    assert api.Session().open(io.BytesIO(adapted)).header.adapters


@pytest.mark.parametrize("backend", unit_names())
def test_every_backend_decodes_an_adapted_file(enlarged: np.ndarray, adapted: bytes, backend: str) -> None:
    np.testing.assert_array_equal(hpac_cli.decode(adapted, backend=backend), enlarged)


def test_the_second_decoder_decodes_an_adapted_file(enlarged: np.ndarray) -> None:
    small = enlarged[:40, :48]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sarp_ft, "_CHUNK_BYTES", -(10**6))  # kept although it is too small to pay
        patch.setattr(sarp_ft, "_LEAST_BYTES", 0)
        data = encode(small)
    assert api.Session().open(io.BytesIO(data)).header.adapters
    np.testing.assert_array_equal(decode_plainly(data, weights_folder())[0], small)


def test_workers_change_no_byte(enlarged: np.ndarray, adapted: bytes) -> None:
    assert encode(enlarged, threads=1) == adapted


@pytest.mark.parametrize("kind", ["grey", "12 bits", "16 bits", "luma and chroma", "two parts"])
def test_every_kind_of_picture_comes_back(enlarged: np.ndarray, kind: str) -> None:
    enlarged = enlarged[:, :100]
    grey = enlarged.astype(np.uint16).sum(2)
    jpeg = io.BytesIO()
    PillowImage.fromarray(enlarged).save(jpeg, "jpeg", quality=95)
    array = {
        "grey": enlarged[..., 1],
        "12 bits": grey * 5,
        "16 bits": grey * 85 + np.random.default_rng(1).integers(0, 40, grey.shape, np.uint16),
        "luma and chroma": np.asarray(PillowImage.open(jpeg)),
        "two parts": np.dstack([enlarged, enlarged[::-1, :, 0]]),
    }[kind]
    plain, data = hpac_cli.encode(array, effort=EFFORT, tile=128), encode(array)
    np.testing.assert_array_equal(hpac_cli.decode(data), array)
    assert len(data) <= len(plain)


def test_an_adapter_that_does_not_pay_is_dropped(photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    small = photograph[:64, :64]
    monkeypatch.setattr(sarp_ft, "_LEAST_BYTES", 0)
    assert encode(small) == hpac_cli.encode(small, effort=EFFORT, tile=128)


@pytest.mark.parametrize("array", [np.zeros((40, 40), np.uint8), np.random.default_rng(0).normal(size=(9, 9))])
def test_what_no_network_codes_is_left_alone(array: np.ndarray) -> None:
    assert encode(array) == hpac_cli.encode(array, effort=EFFORT, tile=128)


def test_time_that_runs_out_ends_training(enlarged: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCHEDULES, "fast", replace(QUICK, updates=100_000))
    monkeypatch.setattr(schedules, "PASSES", 100_000)
    began = time.monotonic()
    np.testing.assert_array_equal(hpac_cli.decode(encode(enlarged, seconds=1)), enlarged)
    assert time.monotonic() - began < 60


def test_a_time_budget_is_shared_in_proportion_to_samples(
    enlarged: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []

    def run(search: sarp_ft._Search) -> None:
        found.append((search.material.num_samples, search.deadline - time.monotonic()))

    monkeypatch.setattr(sarp_ft._Search, "run", run)
    encode(np.dstack([enlarged, enlarged[::-1, ::-1, 1]]), seconds=1000)
    samples, seconds = found[0]
    assert len(found) == 2
    assert seconds == pytest.approx(1000 * samples / (4 * enlarged[..., 0].size), abs=10)


def test_a_region_needs_only_its_tiles_and_the_adapter(enlarged: np.ndarray, tmp_path: Path, adapted: bytes) -> None:
    (tmp_path / "a.hpac").write_bytes(adapted)
    out = tmp_path / "part.npy"
    api.decompress_part(str(tmp_path / "a.hpac"), str(out), api.Session(), frame=0, region=(130, 9, 20, 30))
    np.testing.assert_array_equal(np.load(out), enlarged[9:39, 130:150])


def test_without_its_adapter_a_file_is_lost_and_says_so(adapted: bytes) -> None:
    at = adapted.index(api.Session().open(io.BytesIO(adapted)).header.adapters[0].change)
    damaged = adapted[:at] + bytes([adapted[at] ^ 1]) + adapted[at + 1 :]
    with pytest.raises(ContainerError, match="A chunk at byte"):
        hpac_cli.decode(damaged)
    with pytest.raises(ContainerError, match="an adapter is lost"):
        decode_salvaged(find_undamaged(damaged, DEFAULT_LIMITS), 0, networks=api.Session().networks)


def test_one_damaged_tile_of_an_adapted_file_costs_that_tile(
    enlarged: np.ndarray, tmp_path: Path, adapted: bytes
) -> None:
    damaged = bytearray(adapted)
    damaged[-300] ^= 1
    (tmp_path / "a.hpac").write_bytes(damaged)
    run = hpac("decode", "--salvage", tmp_path / "a.hpac", "-o", tmp_path / "a.npy")
    assert run.returncode == 9
    same = (np.load(tmp_path / "a.npy") == enlarged).all(2)
    assert same[:, :128].all()


def test_the_command_line_adapts(enlarged: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(save_png(enlarged))
    run = hpac("encode", "--adapt", "fast", tmp_path / "a.png")
    assert run.returncode == 0, run.stderr
    facts = json.loads(hpac("info", "--json", tmp_path / "a.png.hpac").stdout)
    assert facts["adapters"][0]["bytes"] > 0
    assert "adapted" in hpac("info", tmp_path / "a.png.hpac").stdout.decode()
    assert hpac("decode", tmp_path / "a.png.hpac", "-o", tmp_path / "b.png").returncode == 0
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "a.png").read_bytes()


@pytest.mark.parametrize("args", [("--adapt", "most"), ("--adapt", "fast", "--time-budget", "-1")])
def test_wrong_usage_is_told(tmp_path: Path, args: tuple[str, ...]) -> None:
    assert hpac("encode", tmp_path / "a.png", *args).returncode == 2


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc to see in it what a process has loaded")
def test_an_interruption_leaves_nothing_behind(enlarged: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(save_png(enlarged))
    with start_hpac("encode", "--adapt", "full", tmp_path / "a.png") as process:
        wait_for(lambda: "libtorch" in Path(f"/proc/{process.pid}/maps").read_text())
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_an_interruption_while_workers_start_is_not_lost() -> None:
    is_forking = [False]
    os.register_at_fork(after_in_parent=lambda: signal.raise_signal(signal.SIGINT) if is_forking[0] else None)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a test runner's worker may ignore it
    is_forking[0] = True
    try:
        with pytest.raises(KeyboardInterrupt), team(str, workers=2) as do:
            list(do([1, 2]))
    finally:
        is_forking[0] = False
        signal.signal(signal.SIGINT, before)


def test_regions_grow_from_the_densest_tile_and_stay_connected() -> None:
    places = [Place(0, 0, row, column, Box(8 * row, 8 * column, 8, 8)) for row in range(6) for column in range(7)]
    density = np.random.default_rng(2).random(len(places)).tolist()
    quarter, half, whole = grow_regions(places, density, (0.25, 0.5, 1.0))
    assert quarter[0] == int(np.argmax(density))
    assert quarter == half[: len(quarter)]
    assert sorted(whole) == list(range(len(places)))
    for i, number in enumerate(half[1:], 1):
        before = {places[n][2:4] for n in half[:i]}
        row, column = places[number][2:4]
        assert before & {(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)}


def test_adapting_without_torch_says_what_to_install(monkeypatch: pytest.MonkeyPatch, enlarged: np.ndarray) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(
        MissingPackageError,
        match=r"^adapting weights to an image \(--effort 6 to 9, --adapt\) needs torch: pip install 'hpac-cli\[adapt\]'$",
    ):
        encode(enlarged)
