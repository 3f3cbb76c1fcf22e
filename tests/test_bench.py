"""`hpac bench` round-trips every codec and says what it found."""

import csv
import html
import json
import mmap
import os
import shlex
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
from hpac_cli.batch.pool import can_fork
from hpac_cli.bench import Growth, Reports, batches, run
from hpac_cli.bench.batches import gather, time_batch
from hpac_cli.bench.codecs import Codec, make_codecs
from hpac_cli.bench.measure import Measured, Picture, Row, measure
from hpac_cli.bench.memory import Watcher
from hpac_cli.bench.plot import size_ticks, speed_ticks
from hpac_cli.bench.report import add_up, columns, tables
from hpac_cli.errors import FileAccessError, HpacError
from hpac_cli.limits import Limits


@pytest.fixture(autouse=True)
def in_one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_BATCH_SECONDS", 0)


@pytest.fixture
def folder(tmp_path: Path, photograph: np.ndarray) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.png").write_bytes(save_png(photograph[:40, :50]))
    (tmp_path / "sub" / "b.png").write_bytes(save_png(photograph[:30, :20, 0]))
    (tmp_path / "deep.png").write_bytes(save_png(np.arange(400, dtype=np.uint16).reshape(20, 20)))
    (tmp_path / "bad.png").write_bytes(b"no picture")
    return tmp_path


def test_every_codec_is_measured_on_every_image(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([folder], [api.Options()], (7,), Reports(json=folder / "report.json"))
    rows = json.loads((folder / "report.json").read_text())["rows"]
    assert {(Path(row["file"]).name, row["codec"]) for row in rows} >= {
        (f, c) for f in ("a.png", "b.png") for c in ("hpac-5", "png", "webp")
    } | {("deep.png", "hpac-5"), ("deep.png", "png")}
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
    lossy = make_codecs([api.Session()], ())["png"]._replace(decode=lambda _data: samples ^ 1)
    assert not measure(Picture("", "a", 1, samples), "lossy", lossy, watcher).row.exact


@pytest.mark.parametrize(
    ("name", "code"),
    [("nofile.png", 7), ("empty", 4), ("bad.png", 4), ("a.png", 5)],
    ids=["missing", "empty", "bad", "large"],
)
def test_the_exit_code_tells_why_nothing_was_measured(name: str, code: int, folder: Path) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(HpacError) as caught:
        run([folder / name], [api.Options(limits=Limits.within(pixels=1500, memory_bytes=0))], (), Reports())
    assert caught.value.exit_code == code


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    result = hpac("bench", tmp_path / "nofile.png")
    assert (result.returncode, len(result.stderr.splitlines())) == (7, 1)
    assert b"nofile.png: no such file" in result.stderr


class Clock:
    """Time that passes only while the codec works, and what it was asked to do."""

    def __init__(self, *seconds: float) -> None:
        self.now, self.seconds, self.calls = 0.0, list(seconds), 0

    def encode(self, _samples: np.ndarray) -> bytes:
        self.now += self.seconds[min(self.calls, len(self.seconds) - 1)]
        self.calls += 1
        return b"x"


@pytest.mark.parametrize(
    ("seconds", "runs", "median"),
    [((0.2, 0.01, 0.02, 0.03, 0.04), 5, 0.03), ((0.2, 0.25, 0.3), 2, 0.225), ((7.0,), 1, 7.0)],
    ids=["quick", "slower", "slow"],
)
def test_a_time_is_the_median_of_the_runs_that_fit(
    seconds: tuple[float, ...], runs: int, median: float, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, samples = Clock(*seconds), np.zeros((2, 2, 1), np.uint8)
    monkeypatch.setattr(time, "perf_counter", lambda: clock.now)
    row = measure(
        Picture("", "a", 1, samples), "timed", Codec(clock.encode, lambda _: samples, lambda _: True), watcher
    ).row
    assert clock.calls == runs
    assert row.encode_seconds == pytest.approx(median)


def test_codecs_are_warm_before_they_are_timed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def noting(*args: object) -> dict[str, Codec]:
        codec = make_codecs(*args)["png"]  # type: ignore[arg-type]
        return {"hpac-5": codec._replace(encode=lambda a: order.append("code") or codec.encode(a))}  # type: ignore[func-returns-value]

    def timed(picture: Picture, name: str, codec: Codec, watcher: Watcher) -> Measured:
        order.append("measure")
        return measure(picture, name, codec, watcher)

    monkeypatch.setattr(bench, "make_codecs", noting)
    monkeypatch.setattr(bench, "measure", timed)
    run([folder / "a.png"], [api.Options()], (), Reports())
    assert order[:2] == ["code", "measure"]


def make_measured(number: int, seconds: float) -> Measured:
    samples = np.zeros((2, 2, 1), np.uint8)
    row = Row("", f"{number}", "slow", 4, 4, 4, 4, 1, seconds, seconds, None, True)
    return Measured(Picture("", f"{number}", 4, samples), row, b"x")


def make_sleeper(seconds: float) -> Codec:
    return Codec(lambda _: time.sleep(seconds) or b"x", lambda _: time.sleep(seconds), lambda _: True)  # type: ignore[func-returns-value, arg-type, return-value]


@pytest.mark.skipif(not can_fork(), reason="side by side needs forks")
def test_images_of_a_batch_are_coded_side_by_side() -> None:
    rows = time_batch(make_sleeper(0.3), [make_measured(i, 0.3) for i in range(4)], 4)
    assert 0.3 <= sum(row.batch_encode_seconds or 9 for row in rows) < 0.9
    assert 0.3 <= sum(row.batch_decode_seconds or 9 for row in rows) < 0.9


@pytest.mark.skipif(not can_fork(), reason="side by side needs forks")
def test_one_slow_image_keeps_all_processors_busy() -> None:
    (row,) = time_batch(make_sleeper(0.3), [make_measured(0, 0.3)], 3)
    assert 0.1 <= (row.batch_encode_seconds or 9) < 0.25


def test_a_quick_batch_is_gone_through_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_BATCH_SECONDS", 0.2)
    calls: list[int] = []
    codec = Codec(lambda _: calls.append(1) or b"x", lambda _: None, lambda _: True)  # type: ignore[func-returns-value, arg-type, return-value]
    time_batch(codec, [make_measured(i, 0.01) for i in range(2)], 1)
    assert len(calls) == 2 * 10


@pytest.mark.skipif(not can_fork(), reason="side by side needs forks")
def test_a_killed_process_leaves_its_batch_without_figures() -> None:
    codec = Codec(lambda _: os._exit(1), lambda _: None, lambda _: True)  # type: ignore[arg-type, return-value]
    (row,) = time_batch(codec, [make_measured(0, 0.01)], 2)
    assert row.batch_encode_seconds is None


def test_a_batch_is_one_folder_and_fits_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_BATCH_BYTES", 250)
    pictures = [Picture(folder, "", 1, np.zeros((10, 10, 1), np.uint8)) for folder in "aaabb"]
    assert [len(batch) for batch in gather(pictures)] == [2, 1, 2]


def test_hpac_has_all_threads_alone_and_one_in_a_batch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def noting(sessions: list[api.Session], *_args: object) -> dict[str, Codec]:
        threads.append(sessions[0].options.threads)
        return make_codecs(sessions, ())

    monkeypatch.setattr(bench, "make_codecs", noting)
    run([folder / "a.png"], [api.Options(threads=2)], (), Reports(), only=["png"])
    assert threads == [2, 1]


def test_figures_are_written_as_csv_too(folder: Path) -> None:
    run([folder / "a.png"], [api.Options()], (), Reports(csv=folder / "report.csv"))
    with (folder / "report.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["codec"] for row in rows} >= {"hpac-5", "png", "webp"}
    assert all(float(row["bpsp"]) > 0 for row in rows)


def test_an_interruption_keeps_what_was_measured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(picture: Picture, name: str, codec: Codec, watcher: Watcher) -> Measured:
        if "b.png" in picture.name:
            raise KeyboardInterrupt
        return measure(picture, name, codec, watcher)

    monkeypatch.setattr(bench, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run([folder], [api.Options()], (), Reports(json=folder / "report.json"))
    assert {Path(row["file"]).name for row in json.loads((folder / "report.json").read_text())["rows"]} >= {"a.png"}


def test_the_page_needs_nothing_from_elsewhere(folder: Path) -> None:
    run([folder], [api.Options()], (), Reports(html=folder / "r.html"))
    page = (folder / "r.html").read_text()
    assert "http" not in page
    assert page.count("data:image/webp;base64,") == 6
    assert "<svg" in page


def test_the_page_shows_names_as_they_are(tmp_path: Path, photograph: np.ndarray) -> None:
    (tmp_path / "<b>&.png").write_bytes(save_png(photograph[:20, :20]))
    run([tmp_path], [api.Options()], (), Reports(html=tmp_path / "r.html"))
    assert "&lt;b&gt;&amp;.png" in (tmp_path / "r.html").read_text()


@pytest.mark.skipif(not shutil.which("chromium"), reason="no Chromium to open the page in")
@pytest.mark.parametrize(
    ("scheme", "paper", "colour"),
    [("1", (0xFF, 0xFF, 0xFF), (0xB5, 0x36, 0x2A)), ("0", (0x16, 0x18, 0x1B), (0xEF, 0x7B, 0x6C))],
    ids=["light", "dark"],
)
def test_a_browser_shows_the_page(
    scheme: str, paper: tuple[int, int, int], colour: tuple[int, int, int], folder: Path
) -> None:
    run([folder / "a.png"], [api.Options(effort=1)], (), Reports(html=folder / "r.html"), only=["png"])
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    profile, shot = f"--user-data-dir={folder / 'profile'}", f"--screenshot={folder / 'r.png'}"
    options.append(f"--blink-settings=preferredColorScheme={scheme}")
    command = ["chromium", *options, profile, shot, "--window-size=1100,1800", (folder / "r.html").as_uri()]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    seen = np.asarray(PillowImage.open(folder / "r.png").convert("RGB"))
    assert (seen == colour).all(-1).sum() > 50  # our dot in the chart
    assert (seen[0, 0] == paper).all()


def test_code_lengths_add_up_to_the_file(photograph: np.ndarray) -> None:
    for samples in (photograph[:150, :200], make_other_photograph(photograph[:150, :200])):
        bits = api.map_code_lengths(samples, api.Session())
        assert bits.shape == samples.shape[:2]
        assert abs(bits.sum() / 8 / len(hpac_cli.encode(samples)) - 1) < 0.02


def test_peak_memory_counts_what_a_block_takes_however_quick_it_is(watcher: Watcher) -> None:
    with watcher.watch() as peak, mmap.mmap(-1, 60 << 20) as block:  # new, whatever the allocator has kept
        block.write(b"1" * len(block))
    assert peak.bytes is None or peak.bytes > 50 << 20


def make_row(file: str, codec: str, peak_bytes: int | None = 1 << 20) -> Row:
    return Row("folder", file, codec, 100, 300, 300, 300, 50, 1.0, 1.0, peak_bytes, True, 1.0, 1.0)


def test_all_codecs_of_a_table_took_the_same_images() -> None:
    names = {"a": ("hpac-5", "png", "webp"), "b": ("hpac-5", "png"), "c": ("hpac-5", "png")}
    found = dict(tables([make_row(file, codec) for file, codecs in names.items() for codec in codecs]))
    assert list(found) == ["folder: 1 image", "folder: 2 images, which webp cannot take"]
    assert all(len({total.images for total in add_up(rows)}) == 1 for rows in found.values())


def test_peak_memory_is_shown_for_all_codecs_or_none() -> None:
    rows = [make_row("a", "hpac-5"), make_row("a", "png")]
    assert "peak MB" in columns(add_up(rows))[0]
    assert "peak MB" not in columns(add_up([*rows, make_row("a", "webp", None)]))[0]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(-0.8, 0.4, [0.2, 0.5, 1, 2]), (0.9, 1.1, [10]), (-1.0, 2.0, [0.1, 1, 10, 100])],
    ids=["near", "nearer", "far"],
)
def test_speeds_are_marked_at_round_numbers(low: float, high: float, ticks: list[float]) -> None:
    assert speed_ticks(low, high) == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("least", "most", "ticks"),
    [(1.81, 2.97, [2, 2.2, 2.4, 2.6, 2.8]), (6.68, 7.46, [6.8, 7, 7.2, 7.4]), (0.0, 9.0, [0, 2, 4, 6, 8])],
)
def test_sizes_are_marked_at_round_numbers(least: float, most: float, ticks: list[float]) -> None:
    assert size_ticks(least, most) == ticks


def test_every_report_says_what_was_measured_with(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [folder / f"r.{kind}" for kind in ("json", "csv", "html")]
    run(
        [folder / "a.png"], [api.Options(threads=1)], (), Reports(*files), only=["webp"], command="hpac bench [x] & <y>"
    )
    setup = json.loads(files[0].read_text())["setup"]
    assert setup.keys() >= {"date", "processor", "threads", "backend", "hpac", "python", "pillow", "libwebp"}
    assert setup["command"] == "hpac bench [x] & <y>"
    with files[1].open() as file:
        assert next(csv.DictReader(file)).items() >= {name: str(value) for name, value in setup.items()}.items()
    page, terminal = html.unescape(files[2].read_text()), capsys.readouterr().out
    for name, value in setup.items():
        assert f"<dt>{name.replace('_', ' ')}</dt><dd>{value}</dd>" in page
        assert f"{name}: {value}" in terminal


def test_every_report_has_the_speed_of_a_batch(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [folder / f"r.{kind}" for kind in ("json", "csv", "html")]
    run([folder / "a.png"], [api.Options(threads=1)], (), Reports(*files), only=["png"])
    report = json.loads(files[0].read_text())
    for total in report["all"]:
        (row,) = (row for row in report["rows"] if row["codec"] == total["codec"])
        assert total["batch_encode_speed"] == pytest.approx(40 * 50 / 1e6 / row["batch_encode_seconds"])
        assert total["batch_decode_speed"] == pytest.approx(40 * 50 / 1e6 / row["batch_decode_seconds"])
    with files[1].open() as file:
        assert all(float(row["batch_decode_seconds"]) > 0 for row in csv.DictReader(file))
    for text in (files[2].read_text(), capsys.readouterr().out):
        assert f"{report['all'][0]['batch_decode_speed']:.3f}" in text
        assert "side by side, up to 1 at once" in text


def test_threads_and_backend_can_be_chosen(folder: Path) -> None:
    hpac("bench", folder / "a.png", "--only", "png", "--threads", 1, "--backend", "plain", "--json", folder / "r.json")
    setup = json.loads((folder / "r.json").read_text())["setup"]
    assert (setup["threads"], setup["backend"]) == (1, "plain")
    assert setup["command"].endswith("--backend plain --json " + shlex.quote(str(folder / "r.json")))


def test_a_baseline_guards_against_growth(folder: Path) -> None:
    old = folder / "old.json"
    run([folder / "a.png"], [api.Options()], (), Reports(json=old), only=["png"])
    assert run([folder / "a.png"], [api.Options()], (), Reports(), Growth(old, 0.005), only=["png"])
    report = json.loads(old.read_text())
    for row in report["rows"]:
        row["bytes"] //= 2
    old.write_text(json.dumps(report))
    with pytest.raises(HpacError, match="is more than"):
        run([folder / "a.png"], [api.Options()], (), Reports(), Growth(old, 0.005), only=["png"])


def test_a_report_that_cannot_be_written_is_our_error(folder: Path) -> None:
    with pytest.raises(FileAccessError, match="cannot write"):
        run([folder / "a.png"], [api.Options()], (), Reports(json=folder / "none" / "r.json"), only=["png"])


def test_a_baseline_must_be_a_report(folder: Path) -> None:
    result = hpac("bench", folder / "a.png", "--only", "png", "--baseline", folder / "bad.png")
    assert result.returncode == 4
    assert b"is no report" in result.stderr


def test_codecs_can_be_chosen(folder: Path) -> None:
    run([folder / "a.png"], [api.Options()], (), Reports(json=folder / "r.json"), only=["webp"])
    assert {row["codec"] for row in json.loads((folder / "r.json").read_text())["rows"]} == {"hpac-5", "webp"}


def test_an_unknown_codec_is_one_line(folder: Path) -> None:
    result = hpac("bench", folder / "a.png", "--only", "nonsense")
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1)


def test_adapted_weights_are_measured_beside_plain_ones(folder: Path) -> None:
    ways = [api.Options(effort=3), api.Options(effort=3, adapt="fast")]
    run([folder / "a.png"], ways, (), Reports(json=folder / "r.json"), only=["webp"])
    rows = json.loads((folder / "r.json").read_text())["rows"]
    assert {row["codec"] for row in rows} == {"hpac-3", "hpac-3-fast", "webp"}
    assert all(row["exact"] for row in rows)
