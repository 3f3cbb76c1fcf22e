"""Which instruction set is chosen, that it changes no byte, and what happens where there is none."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import hpac, save_png

import hpac_cli
from hpac_cli import core, deflate, jpeg, segments
from hpac_cli.codec.networks import Networks
from hpac_cli.core import choose_unit, unit_names
from hpac_cli.errors import ModelError, UsageError
from hpac_cli.model.index import load_by_digest
from hpac_cli.model.pack import packed_tables

SOURCES = Path(hpac_cli.__file__).parent
EACH = pytest.mark.parametrize("unit", unit_names())


@pytest.fixture
def picture(tmp_path: Path, photograph: np.ndarray) -> Path:
    path = tmp_path / "a.png"
    path.write_bytes(save_png(photograph[100:150, 200:260]))
    return path


def test_plain_is_always_there_and_comes_last() -> None:
    assert unit_names()[-1] == "plain"


def test_the_fastest_is_chosen() -> None:
    assert choose_unit(packed_tables()) == unit_names()[0]


@EACH
def test_each_is_exact_here(unit: str) -> None:
    assert choose_unit(packed_tables(), unit) == unit


def test_one_that_is_not_exact_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "_is_exact", lambda name, _tables: name == "plain")
    assert choose_unit(packed_tables()) == "plain"


@pytest.mark.skipif(len(unit_names()) == 1, reason="only the plain one is here")
def test_one_that_is_not_exact_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "_is_exact", lambda name, _tables: name == "plain")
    with pytest.raises(UsageError, match=f"the backend {unit_names()[0]} does not compute exactly"):
        _ = Networks(backend=unit_names()[0]).unit


def test_a_machine_on_which_none_is_exact_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "_is_exact", lambda _name, _tables: False)
    with pytest.raises(ModelError, match="please report it"):
        _ = Networks().unit


def test_a_self_test_on_cut_tables_fails() -> None:
    """The self-test computes: without its tables it cannot."""
    with pytest.raises(core.CoreError, match="does not compute exactly"):
        choose_unit(packed_tables()[:-1])


def test_unknown_ones_are_refused() -> None:
    with pytest.raises(UsageError, match=r"no backend 'x' here; there are .*plain"):
        _ = Networks(backend="x").unit


@EACH
def test_the_environment_chooses(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPAC_BACKEND", unit)
    assert Networks().unit == unit


def test_options_come_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPAC_BACKEND", "x")
    assert Networks(backend="plain").unit == "plain"


def test_an_unknown_one_in_the_environment_is_one_line(picture: Path) -> None:
    found = hpac("encode", picture, HPAC_BACKEND="x")
    assert (found.returncode, found.stderr.decode().count("\n")) == (2, 1)
    assert "no backend 'x' here" in found.stderr.decode()


@EACH
def test_the_file_is_the_same_from_each(unit: str, picture: Path) -> None:
    expected, found = (hpac("encode", "--no-verify", "-o", "-", picture, *o).stdout for o in ([], ["--backend", unit]))
    assert found == expected != b""


@EACH
def test_each_reads_what_another_wrote(unit: str, photograph: np.ndarray) -> None:
    array = photograph[:40, :50]
    data = hpac_cli.encode(array, backend="plain")
    assert np.array_equal(hpac_cli.decode(data, backend=unit), array)


def test_a_network_is_prepared_once(networks: Networks) -> None:
    digest = networks.digest("grey-medium")
    assert networks.by_digest(digest) is networks.by_digest(digest)


@pytest.fixture
def without_core(tmp_path: Path) -> Path:
    """A copy of the package that has no library, in a folder to import it from."""
    folder = tmp_path / "copy"
    shutil.copytree(SOURCES, folder / "hpac_cli", ignore=shutil.ignore_patterns("*.so", "*.dylib", "*.dll", "*.h"))
    return folder


def run_copy(folder: Path, *args: object) -> subprocess.CompletedProcess[bytes]:
    """Run the copy, with the shipped weights."""
    weights = SOURCES.parents[1] / "weights"
    if weights.is_dir():
        shutil.copytree(weights, folder.parent / "weights", dirs_exist_ok=True)
    code = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); sys.argv[0] = 'hpac'; from hpac_cli.cli import main; main()"
    )
    return subprocess.run([sys.executable, "-c", code, *map(str, args)], capture_output=True, check=False)


def test_a_missing_library_is_one_line(without_core: Path, picture: Path) -> None:
    found = run_copy(without_core, "encode", picture)
    line = found.stderr.decode()
    assert (found.returncode, line.count("\n")) == (8, 1)
    assert "the native core cannot be loaded" in line
    assert "install hpac again" in line
    assert [path.suffix for path in picture.parent.glob("a*")] == [".png"]


def test_what_needs_no_core_works_without_it(without_core: Path, tmp_path: Path) -> None:
    assert run_copy(without_core, "--version").returncode == 0
    (tmp_path / "a.hpac").write_bytes(hpac_cli.encode(np.zeros((40, 40), np.uint8)))
    assert run_copy(without_core, "info", tmp_path / "a.hpac").returncode == 0


def test_a_damaged_library_is_one_line(without_core: Path, picture: Path) -> None:
    (without_core / "hpac_cli" / "core" / core._NAMES.get(sys.platform, "hpac_core.so")).write_bytes(b"no library")
    found = run_copy(without_core, "encode", picture)
    assert (found.returncode, found.stderr.decode().count("\n")) == (8, 1)


@pytest.mark.parametrize("room", [core, deflate, jpeg, segments])
def test_a_library_of_another_version_is_told(room: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "INTERFACE", core.INTERFACE + 1)
    room._library.cache_clear()
    try:
        with pytest.raises(core.CoreError, match="of another version"):
            room._library()
    finally:
        room._library.cache_clear()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_process_that_is_forked_while_networks_are_loaded_can_load_them(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, shared = threading.Event(), Networks()

    def load_slowly(digest: bytes) -> Any:
        begun.set()
        time.sleep(0.5)
        return load_by_digest(digest)

    monkeypatch.setattr("hpac_cli.codec.networks.load_by_digest", load_slowly)
    grey, rgb = (shared.digest(name) for name in ("grey-medium", "rgb-medium"))
    thread = threading.Thread(target=shared.by_digest, args=(grey,))
    thread.start()
    begun.wait()
    child = os.fork()
    if not child:
        signal.alarm(20)
        os._exit(shared.by_digest(rgb).weights.name != "rgb-medium")
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
