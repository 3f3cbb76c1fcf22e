"""What people type by habit, and what programs read: pipes, short options, lists, progress, JSON."""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import QUICK, hpac, make_dicom, make_tiff, save_png

from hpac_cli import api
from hpac_cli.cli.progress import Pace, seldom


@pytest.fixture
def picture(tmp_path: Path, photograph: np.ndarray) -> Path:
    path = tmp_path / "picture.png"
    path.write_bytes(save_png(photograph[100:140, 200:260]))
    return path


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, photograph: np.ndarray) -> Path:
    """A folder of sources of four kinds, and of what was made of them."""
    folder = tmp_path_factory.mktemp("archive")
    part = photograph[100:140, 200:260]
    (folder / "a.png").write_bytes(save_png(part))
    (folder / "b.tif").write_bytes(make_tiff(part, photometric="rgb"))
    (folder / "c.dcm").write_bytes(make_dicom(part[..., 1]))
    (folder / "d.bin").write_bytes(bytes(range(200)))
    assert hpac("encode", "--all", *sorted(folder.iterdir())).returncode == 0
    return folder


def lines_of(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_standard_input_goes_to_standard_output(picture: Path) -> None:
    coded = hpac("encode", "-", data=picture.read_bytes())
    assert (coded.returncode, coded.stderr) == (0, b"")
    assert hpac("decode", "-", data=coded.stdout).stdout == picture.read_bytes()


def test_c_writes_to_standard_output(picture: Path) -> None:
    coded = hpac("encode", "-c", picture)
    assert hpac("decode", "--stdout", "-", data=coded.stdout).stdout == picture.read_bytes()
    assert [path.name for path in picture.parent.iterdir()] == ["picture.png"]
    assert hpac("encode", "-c", picture, "-o", "x.hpac").returncode == 2


@pytest.mark.parametrize("options", [["--json"], ["--output-dir", "out"]])
def test_what_goes_to_standard_output_goes_nowhere_else(options: list[str], picture: Path) -> None:
    result = hpac("encode", "-", *options, data=picture.read_bytes(), cwd=picture.parent)
    assert (result.returncode, result.stdout) == (2, b"")


def test_a_terminal_gets_no_binary_data_unless_forced(picture: Path) -> None:
    for options, code in ([], 6), (["-f"], 0):
        parent, terminal = os.openpty()
        command = [sys.executable, "-m", "hpac_cli", "encode", "-c", "-q", *options, str(picture)]
        done = subprocess.run(
            command, stdout=terminal, stderr=subprocess.PIPE, env={**os.environ, **QUICK}, check=False
        )
        os.close(terminal)
        assert done.returncode == code, done.stderr
        assert (b"terminal" in done.stderr) == bool(code)
        os.close(parent)


def test_options_of_gzip_stand_for_commands(picture: Path) -> None:
    coded = hpac("-z", "-c", picture).stdout
    assert hpac("-dc", "-", data=coded).stdout == picture.read_bytes()
    assert hpac("-tq", "-", data=coded).returncode == 0
    assert hpac("-t", "-", data=coded[:-9]).returncode == 4
    assert b"60 x 40 x 3" in hpac("-l", "-", data=coded).stdout


def test_efforts_are_joined_to_other_short_options(picture: Path) -> None:
    assert hpac("encode", "-1c", picture).stdout == hpac("encode", "-c", "--effort", 1, picture).stdout
    assert hpac("-z3c", picture).stdout == hpac("encode", "-c", "--effort", 3, picture).stdout


@pytest.mark.parametrize("joined", ["-c3", "-fc3", "-kc3f", "-3cf"])
def test_efforts_are_joined_behind_other_short_options(picture: Path, joined: str) -> None:
    expected = hpac("encode", "-c", "--effort", 3, picture).stdout
    assert hpac("encode", joined, picture).stdout == expected
    assert hpac(f"-z{joined[1:]}", picture).stdout == expected


def test_a_digit_that_is_the_value_of_an_option_is_no_effort(picture: Path) -> None:
    assert hpac("encode", "-fj2", picture, "-o9", cwd=picture.parent).returncode == 0
    usual = hpac("encode", "-c", picture).stdout
    assert (picture.parent / "9").read_bytes() == usual


def test_decode_tests_and_writes_nothing(archive: Path, tmp_path: Path) -> None:
    coded = (archive / "a.png.hpac").read_bytes()
    (tmp_path / "a.png.hpac").write_bytes(coded)
    (tmp_path / "bad.hpac").write_bytes(coded[:-20])
    assert hpac("decode", "-t", tmp_path / "a.png.hpac").returncode == 0
    assert hpac("decode", "--test", tmp_path / "bad.hpac").returncode == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png.hpac", "bad.hpac"]
    assert hpac("decode", "-t", tmp_path / "a.png.hpac", "-o", "x.png").returncode == 2


def test_keep_means_the_opposite_of_remove(picture: Path) -> None:
    assert hpac("encode", "-k", picture, HPAC_ENCODE_REMOVE_SOURCE="1").returncode == 0
    assert picture.exists()
    assert hpac("encode", "-f", "--rm", picture).returncode == 0
    assert not picture.exists()


def test_verbose_tells_of_each_file_without_a_terminal(picture: Path) -> None:
    assert hpac("encode", picture).stderr == b""
    assert b"picture.png.hpac: " in hpac("encode", "-f", "-v", picture).stderr


def test_short_help() -> None:
    assert hpac("encode", "-h").stdout == hpac("encode", "--help").stdout


def test_list_shows_sizes_and_ratios(archive: Path) -> None:
    result = hpac("list", "-r", ".", cwd=archive)
    head, *rows, total = result.stdout.decode().splitlines()
    assert head.split() == ["hpac", "source", "ratio", "kind", "picture", "file"]
    assert [row.split()[-1] for row in rows] == ["./a.png.hpac", "./b.tif.hpac", "./c.dcm.hpac", "./d.bin.hpac"]
    assert [row.split()[3] for row in rows] == ["png", "tiff", "dicom", "bin"]
    assert total.split()[-2:] == ["4", "files"]


def test_list_as_json_knows_the_sizes_of_sources(archive: Path) -> None:
    *entries, last = lines_of(hpac("list", "--json", *sorted(archive.glob("*.hpac"))).stdout)
    for entry in entries:
        path = Path(entry["file"])
        source = path.with_suffix("").stat().st_size
        assert entry["schema"] == 1
        assert (entry["bytes"], entry["source_bytes"]) == (path.stat().st_size, source)
        assert entry["ratio"] == pytest.approx(source / path.stat().st_size, abs=1e-4)
    assert last["summary"]["source_bytes"] == sum(entry["source_bytes"] for entry in entries)


def test_list_goes_on_after_a_bad_file(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.hpac").write_bytes(b"nothing")
    result = hpac("list", tmp_path / "bad.hpac", archive / "a.png.hpac")
    assert (result.returncode, b"a.png.hpac" in result.stdout, b"not an hpac file" in result.stderr) == (1, True, True)


@pytest.mark.parametrize("options", [{"compress_level": 0}, {"compress_level": 9}])
def test_sizes_of_png_sources(options: dict[str, int], tmp_path: Path, photograph: np.ndarray) -> None:
    data = save_png(photograph[:200, :300], **options)
    (tmp_path / "a.png").write_bytes(data + b"behind the end")
    assert hpac("encode", "-q", tmp_path / "a.png").returncode == 0
    assert api.list_file(str(tmp_path / "a.png.hpac")).source_bytes == len(data) + 14


def test_every_json_line_has_a_schema_and_the_whole_hash(archive: Path, tmp_path: Path) -> None:
    sources = [archive / name for name in ("a.png", "b.tif", "c.dcm", "d.bin")]
    for options in (
        ["encode", "--all", "--output-dir", tmp_path, "--json", *sources],
        ["encode", "--all", "--output-dir", tmp_path, "--json", "--skip-existing", *sources],
        ["check", "--all", "--json", *sources],
        ["verify", "--json", *(f"{path}.hpac" for path in sources)],
        ["decode", "--json", "--output-dir", tmp_path, *(f"{path}.hpac" for path in sources)],
    ):
        *outcomes, last = lines_of(hpac(*options).stdout)
        assert {line["schema"] for line in (*outcomes, last)} == {1}
        found = {line["source_sha256"] for line in outcomes}
        assert found == {hashlib.sha256(path.read_bytes()).hexdigest() for path in sources}, options[0]
    for args in (["info", archive / "a.png.hpac"], ["compare", sources[0], sources[0]]):
        (line,) = lines_of(hpac(*args, "--json").stdout)
        assert line["schema"] == 1


def test_compare_as_json(archive: Path) -> None:
    result = hpac("compare", "--json", archive / "a.png", archive / "b.tif", "--require", "bytes")
    (line,) = lines_of(result.stdout)
    assert (line["likeness"], line["exit_code"], result.returncode) == ("samples", 1, 1)


def test_a_dry_run_estimates_times(picture: Path) -> None:
    result = hpac("encode", "--dry-run", "--json", picture)
    outcome, last = lines_of(result.stdout)
    assert 0 < outcome["estimated_seconds"] < 60
    assert last["summary"]["estimated_seconds"] == outcome["estimated_seconds"]
    assert lines_of(hpac("encode", "--json", picture).stdout)[0]["estimated_seconds"] is None
    assert b"in about" in hpac("encode", "--dry-run", picture).stderr


def test_a_dry_run_of_a_higher_effort_takes_longer(picture: Path) -> None:
    slow, quick = (
        lines_of(hpac("encode", "--dry-run", "--json", effort, picture).stdout)[0]["estimated_seconds"]
        for effort in ("-5", "-1")
    )
    assert slow > 1.5 * quick


@pytest.mark.parametrize("jobs", [1, 2])
def test_progress_as_json_comes_from_every_worker(jobs: int, tmp_path: Path, photograph: np.ndarray) -> None:
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(save_png(photograph[:128, :300]))
    result = hpac("encode", "--progress", "json", "-q", "-j", jobs, "a.png", "b.png", cwd=tmp_path)
    news = [line["progress"] for line in lines_of(result.stderr)]
    for name in "ab":
        of_file = [each for each in news if each["file"] == f"{name}.png"]
        assert {each["step"] for each in of_file} == {"encode", "verify", "end"}
        last = [each for each in of_file if each["step"] == "encode"][-1]
        assert (last["done"], last["total"], last["pixels"]) == (128 * 300 * 3, 128 * 300 * 3, 128 * 300)
        assert last["tiles"] > 0
        assert last["megapixels_a_second"] > 0
    assert news[-1]["files_done"] == 2


def test_plain_progress_is_lines(picture: Path) -> None:
    result = hpac("encode", "--progress", "plain", "-q", picture)
    assert result.stderr.decode().startswith(f"hpac: {picture}: ended, 1/1 files; ")


def test_pace_is_of_the_step_alone() -> None:
    pace = Pace(api.Step("encode", 250, 1000, 4_000_000, 3), began=time.monotonic() - 2)
    assert pace.speed == pytest.approx(0.5, rel=0.01)
    assert pace.seconds_left == pytest.approx(6, rel=0.01)
    assert pace.describe() == "3 tiles, 0.5 MP/s, 6.0 s left"


def test_steps_pass_seldom_but_for_first_and_last() -> None:
    passed: list[int] = []
    tell = seldom(lambda step: passed.append(step.done), seconds=60)
    for done in range(11):
        tell(api.Step("encode", done, 10))
    assert passed == [0, 10]
