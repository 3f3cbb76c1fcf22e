"""The examples that users copy do what they say."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import save_png
from PIL import Image as PillowImage

import hpac_cli

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
on_shells = pytest.mark.skipif(os.name == "nt", reason="these are scripts of a Unix shell")


@pytest.fixture
def pictures(tmp_path: Path, photograph: np.ndarray) -> Path:
    (tmp_path / "pictures" / "deep").mkdir(parents=True)
    (tmp_path / "pictures" / "a.png").write_bytes(save_png(photograph[:40, :50]))
    (tmp_path / "pictures" / "deep" / "b.png").write_bytes(save_png(photograph[:30, :20, 0]))
    return tmp_path / "pictures"


def run(*command: str | Path, succeeds: bool = True) -> str:
    """Run a command with this hpac on its path, quick by default; return what it printed."""
    folder = Path(command[-1]).parent / "bin"
    folder.mkdir(exist_ok=True)
    (folder / "hpac").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hpac_cli "$@"\n')
    (folder / "hpac").chmod(0o755)
    quick = {f"HPAC_{command}_EFFORT": "1" for command in ("ENCODE", "CHECK")}
    environment = os.environ | quick | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is succeeds, done.stderr
    return done.stdout


@on_shells
def test_a_folder_is_archived_and_listed(pictures: Path, tmp_path: Path) -> None:
    for _ in range(2):  # the second call leaves out what is done
        shown = run("sh", EXAMPLES / "archive.sh", pictures, tmp_path / "archive")
    assert sorted(path.name for path in (tmp_path / "archive").rglob("*.hpac")) == ["a.png.hpac", "b.png.hpac"]
    assert "a.png.hpac" in shown


@on_shells
def test_ci_passes_where_all_come_back(pictures: Path, tmp_path: Path) -> None:
    summary = json.loads(run("sh", EXAMPLES / "ci_check.sh", pictures, tmp_path / "report.jsonl"))["summary"]
    assert (summary["done"], summary["failed"]) == (2, 0)


@on_shells
def test_ci_fails_where_a_picture_is_refused(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPAC_CHECK_MAX_PIXELS", "700")
    run("sh", EXAMPLES / "ci_check.sh", pictures, tmp_path / "report.jsonl", succeeds=False)


def test_a_region_is_read(photograph: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "slide.hpac").write_bytes(hpac_cli.encode(photograph[:90, :80], effort=1))
    run(sys.executable, EXAMPLES / "region.py", tmp_path / "slide.hpac", "10", "20", "30", "40", tmp_path / "part.png")
    part = np.asarray(PillowImage.open(tmp_path / "part.png"))
    assert np.array_equal(part, photograph[20:60, 10:40])


def test_a_series_is_stored(pictures: Path, tmp_path: Path) -> None:
    (pictures / "notes.txt").write_text("first scan")
    shown = run(sys.executable, EXAMPLES / "series.py", pictures, tmp_path / "s.hpac")
    assert shown.startswith("2 files of ")
    assert set(hpac_cli.decode_series((tmp_path / "s.hpac").read_bytes())) == {"a.png", "notes.txt"}


def test_an_array_is_kept_in_zarr(photograph: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    np.save(tmp_path / "stack.npy", photograph[:60, :40].transpose(2, 0, 1))
    shown = run(sys.executable, EXAMPLES / "zarr_array.py", tmp_path / "stack.npy", tmp_path / "stack.zarr")
    assert shown.startswith("7,200 bytes of samples")


def test_every_example_is_listed_and_run() -> None:
    names = {path.name for path in EXAMPLES.iterdir()} - {"README.md"}
    listed, tests = (EXAMPLES / "README.md").read_text(), Path(__file__).read_text()
    assert all(f"[{name}]({name})" in listed and f'EXAMPLES / "{name}"' in tests for name in names)
