"""`hpac bench` round-trips every codec and says what it found."""

import csv
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import hpac, make_other_photograph, save_png
from PIL import Image as PillowImage

import hpac_cli
from hpac_cli import api, bench
from hpac_cli.bench import Reports, run
from hpac_cli.bench.codecs import Codec, make_codecs
from hpac_cli.bench.measure import Picture, Row, measure
from hpac_cli.bench.memory import Watcher


@pytest.fixture
def folder(tmp_path: Path, photograph: np.ndarray) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.png").write_bytes(save_png(photograph[:40, :50]))
    (tmp_path / "sub" / "b.png").write_bytes(save_png(photograph[:30, :20, 0]))
    (tmp_path / "deep.png").write_bytes(save_png(np.arange(400, dtype=np.uint16).reshape(20, 20)))
    (tmp_path / "bad.png").write_bytes(b"no picture")
    return tmp_path


def test_every_codec_is_measured_on_every_image(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([folder], api.Options(), (7,), Reports(json=folder / "report.json"))
    rows = json.loads((folder / "report.json").read_text())["rows"]
    assert {(Path(row["file"]).name, row["codec"]) for row in rows} >= {
        (f, c) for f in ("a.png", "b.png") for c in ("hpac", "png", "webp")
    } | {("deep.png", "hpac"), ("deep.png", "png")}
    assert ("deep.png", "webp") not in {(Path(row["file"]).name, row["codec"]) for row in rows}
    assert all(row["exact"] for row in rows)
    assert "bad.png" in capsys.readouterr().err


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    watcher = Watcher()
    yield watcher
    watcher.close()


def test_a_codec_that_loses_is_caught(photograph: np.ndarray, watcher: Watcher) -> None:
    samples = photograph[:20, :20]
    lossy = make_codecs(api.Session(), ())["png"]._replace(decode=lambda _data: samples ^ 1)
    assert not measure(Picture("", "a", 1, samples), "lossy", lossy, watcher).exact


def test_no_images_is_no_success(tmp_path: Path) -> None:
    assert not run([tmp_path], api.Options(), (), Reports())


def test_figures_are_written_as_csv_too(folder: Path) -> None:
    run([folder / "a.png"], api.Options(), (), Reports(csv=folder / "report.csv"))
    with (folder / "report.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["codec"] for row in rows} >= {"hpac", "png", "webp"}
    assert all(float(row["bpsp"]) > 0 for row in rows)


def test_an_interruption_keeps_what_was_measured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(picture: Picture, name: str, codec: Codec, watcher: Watcher) -> Row:
        if "b.png" in picture.name:
            raise KeyboardInterrupt
        return measure(picture, name, codec, watcher)

    monkeypatch.setattr(bench, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run([folder], api.Options(), (), Reports(json=folder / "report.json"))
    assert {Path(row["file"]).name for row in json.loads((folder / "report.json").read_text())["rows"]} >= {"a.png"}


def test_the_page_needs_nothing_from_elsewhere(folder: Path) -> None:
    run([folder], api.Options(), (), Reports(html=folder / "r.html"))
    page = (folder / "r.html").read_text()
    assert "http" not in page
    assert page.count("data:image/webp;base64,") == 6
    assert "<svg" in page


def test_the_page_shows_names_as_they_are(tmp_path: Path, photograph: np.ndarray) -> None:
    (tmp_path / "<b>&.png").write_bytes(save_png(photograph[:20, :20]))
    run([tmp_path], api.Options(), (), Reports(html=tmp_path / "r.html"))
    assert "&lt;b&gt;&amp;.png" in (tmp_path / "r.html").read_text()


@pytest.mark.skipif(not shutil.which("chromium"), reason="no Chromium to open the page in")
def test_a_browser_opens_the_page(folder: Path) -> None:
    run([folder], api.Options(), (), Reports(html=folder / "r.html"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    profile, shot = f"--user-data-dir={folder / 'profile'}", f"--screenshot={folder / 'r.png'}"
    command = ["chromium", *options, profile, shot, "--window-size=1100,1400", (folder / "r.html").as_uri()]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    seen = np.asarray(PillowImage.open(folder / "r.png").convert("RGB"))
    assert (seen == (0xB5, 0x36, 0x2A)).all(-1).sum() > 50  # our dot in the chart


def test_code_lengths_add_up_to_the_file(photograph: np.ndarray) -> None:
    for samples in (photograph[:150, :200], make_other_photograph(photograph[:150, :200])):
        bits = api.map_code_lengths(samples, api.Session())
        assert bits.shape == samples.shape[:2]
        assert abs(bits.sum() / 8 / len(hpac_cli.encode(samples)) - 1) < 0.02


def test_peak_memory_counts_what_a_block_takes(watcher: Watcher) -> None:
    with watcher.watch() as peak:
        block = np.ones(60 << 20, np.uint8)
        time.sleep(1.5)
        del block
    assert peak.bytes is None or peak.bytes > 50 << 20


@pytest.mark.parametrize(("factor", "code"), [(1.0, 0), (0.5, 1)])
def test_a_baseline_guards_against_growth(factor: float, code: int, folder: Path) -> None:
    hpac("bench", folder / "a.png", "--json", folder / "old.json")
    report = json.loads((folder / "old.json").read_text())
    for row in report["rows"]:
        row["bytes"] = int(row["bytes"] * factor)
    (folder / "old.json").write_text(json.dumps(report))
    assert hpac("bench", folder / "a.png", "--baseline", folder / "old.json").returncode == code


def test_a_baseline_must_be_a_report(folder: Path) -> None:
    result = hpac("bench", folder / "a.png", "--baseline", folder / "bad.png")
    assert result.returncode == 4
    assert b"is no report" in result.stderr


def test_codecs_can_be_chosen(folder: Path) -> None:
    run([folder / "a.png"], api.Options(), (), Reports(json=folder / "r.json"), only=["webp"])
    assert {row["codec"] for row in json.loads((folder / "r.json").read_text())["rows"]} == {"hpac", "webp"}


def test_an_unknown_codec_is_one_line(folder: Path) -> None:
    result = hpac("bench", folder / "a.png", "--only", "nonsense")
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1)


def test_adapted_weights_are_measured_beside_plain_ones(folder: Path) -> None:
    run([folder / "a.png"], api.Options(), (), Reports(json=folder / "r.json"), only=["webp"], adapt=["fast"])
    rows = json.loads((folder / "r.json").read_text())["rows"]
    assert {row["codec"] for row in rows} == {"hpac", "hpac-fast", "webp"}
    assert all(row["exact"] for row in rows)
