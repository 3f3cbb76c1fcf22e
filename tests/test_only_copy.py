"""Someone's only copy: what may happen beside hpac must not lose it, and is said."""

import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import hpac, save_png, start_hpac

from hpac_cli import api, files
from hpac_cli.batch.actions import Action, decode, encode
from hpac_cli.batch.tasks import Source, Task
from hpac_cli.batch.work import attempt

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of files and signals as Linux has them")


def test_a_decoded_url_does_not_replace_another_file(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    (tmp_path / "x").write_bytes(b"one")
    assert hpac("encode", "--all", "x", cwd=tmp_path).returncode == 0
    (tmp_path / "x").write_bytes(b"another")
    result = hpac("decode", "-f", "--remove-source", f"file://{tmp_path}/x.hpac")
    assert result.returncode == 6
    assert (tmp_path / "x").read_bytes() == b"another"
    assert (tmp_path / "x.hpac").exists()


@pytest.mark.parametrize("way", ["mapped memory", "time put back"])
def test_a_source_that_changes_without_showing_it_is_kept(tmp_path: Path, way: str) -> None:
    source = tmp_path / "s.bin"
    source.write_bytes(b"AAAA" + os.urandom(100_000))

    def work(task: Task, session: api.Session) -> api.Result:
        result = api.compress(task.source, task.target, session)
        before = source.stat()
        with source.open("r+b") as file:
            if way == "mapped memory":
                mmap.mmap(file.fileno(), 0)[:4] = b"BBBB"
            else:
                file.write(b"BBBB")
        os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
        return result

    options = api.Options(keep_all=True, remove_source=True)
    outcome = attempt(Task(str(source), str(source) + ".hpac", None), api.Session(options), work)
    assert outcome.status == "failed"
    assert "changed" in outcome.error
    assert source.read_bytes().startswith(b"BBBB")


@pytest.mark.parametrize("work", [encode, decode])
def test_an_output_that_changes_before_its_source_is_removed_keeps_the_source(tmp_path: Path, work: Action) -> None:
    """As another program, or a failing disk, may change it: its size says nothing."""
    (tmp_path / "a").write_bytes(b"some bytes")
    assert hpac("encode", "--all", "a", cwd=tmp_path).returncode == 0
    source, output = ("a", "b.hpac") if work is encode else ("a.hpac", "b")
    real = files.publish

    def publish(temporary: Path, path: Path, **options: bool) -> None:
        real(temporary, path, **options)
        path.write_bytes(bytes(path.stat().st_size))

    options = api.Options(keep_all=True, remove_source=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "publish", publish)
        task = Task(str(tmp_path / source), str(tmp_path / output), None)
        outcome = attempt(task, api.Session(options), work)
    assert (outcome.exit_code, "not as it was written" in outcome.error) == (7, True)
    assert (tmp_path / source).exists()


def test_files_of_a_series_that_changed_and_changed_back_are_kept(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    real = api.compress_series

    def compress_series(*args: object) -> api.Result:
        before = (tmp_path / "a").stat()
        (tmp_path / "a").write_bytes(b"two")
        result = real(*args)  # type: ignore[arg-type]
        (tmp_path / "a").write_bytes(b"one")
        os.utime(tmp_path / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
        return result

    task = Task("series", str(tmp_path / "o.hpac"), None, (Source(str(tmp_path / "a"), "a"),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "compress_series", compress_series)
        outcome = attempt(task, api.Session(api.Options(remove_source=True)), encode)
    assert outcome.status == "failed"
    assert (tmp_path / "a").read_bytes() == b"one"


def test_an_output_that_another_run_made_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(300))
    (tmp_path / "o.hpac").write_bytes(b"")
    real = api.Session.encode

    def encode(session: api.Session, *args: object) -> None:
        real(session, *args)  # type: ignore[arg-type]
        (tmp_path / "o.hpac").write_bytes(b"of another run")

    options = api.Options(keep_all=True, remove_source=True, force=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api.Session, "encode", encode)
        task = Task(str(tmp_path / "a"), str(tmp_path / "o.hpac"), None)
        outcome = attempt(task, api.Session(options), lambda t, s: api.compress(t.source, t.target, s))
    assert (outcome.exit_code, "meanwhile" in outcome.error) == (6, True)
    assert (tmp_path / "a").exists()
    assert (tmp_path / "o.hpac").read_bytes() == b"of another run"


def test_what_is_over_a_limit_is_kept_whole_by_all(tmp_path: Path, photograph: object) -> None:
    (tmp_path / "a.png").write_bytes(save_png(photograph))  # type: ignore[arg-type]
    assert hpac("encode", "--all", "--max-seconds", "0.05", "a.png", cwd=tmp_path).returncode == 0
    assert hpac("decode", "a.png.hpac", "-o", "b.png", cwd=tmp_path).returncode == 0
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "a.png").read_bytes()


def test_a_name_that_would_have_to_be_a_file_and_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "s" / "a.hpac").mkdir(parents=True)
    (tmp_path / "s" / "a").write_bytes(b"f")
    (tmp_path / "s" / "a.hpac" / "b").write_bytes(b"g")
    result = hpac("encode", "-r", "--all", "s", "--output-dir", "o", cwd=tmp_path)
    assert result.returncode == 2
    assert b"has to be a folder" in result.stderr


@pytest.mark.parametrize(("name", "code"), [("日" * 80 + ".txt", 0), ("x" * 251, 7)])
def test_long_names(tmp_path: Path, name: str, code: int) -> None:
    (tmp_path / name).write_bytes(b"some bytes")
    result = hpac("encode", "--all", name, cwd=tmp_path)
    assert result.returncode == code, result.stderr
    assert len(result.stderr.splitlines()) <= 1


@pytest.mark.parametrize("command", ["encode --json a.png -o y.hpac", "info x.hpac", "compare a.png x.hpac"])
def test_a_full_standard_output_is_one_line(tmp_path: Path, command: str, photograph: object) -> None:
    (tmp_path / "a.png").write_bytes(save_png(photograph[:9, :9]))  # type: ignore[index]
    assert hpac("encode", "a.png", "-o", "x.hpac", cwd=tmp_path).returncode == 0
    with open("/dev/full", "wb") as full:
        run = start_hpac(*command.split(), cwd=tmp_path, stdout=full, stderr=subprocess.PIPE)
        _, errors = run.communicate(timeout=60)
    assert (run.returncode, len(errors.splitlines())) == (7, 1), errors


@pytest.mark.parametrize("arguments", [["--help"], ["decode", "--help"], ["--version"]])
def test_help_for_a_full_standard_output_is_one_line(arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        run = start_hpac(*arguments, stdout=full, stderr=subprocess.PIPE)
        _, errors = run.communicate(timeout=60)
    assert (run.returncode, len(errors.splitlines())) == (7, 1), errors


def run_with_closed(number: int, *arguments: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run the command line without one of its standard streams."""
    words = ["sh", "-c", f'exec "$@" {number}>&-', "sh", sys.executable, "-m", "hpac_cli", *arguments]
    return subprocess.run(words, cwd=folder, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("command", ["decode x.hpac -o -", "encode a.png -o -", "info x.hpac", "--version"])
def test_a_closed_standard_output_is_one_line(tmp_path: Path, command: str, photograph: object) -> None:
    (tmp_path / "a.png").write_bytes(save_png(photograph[:9, :9]))  # type: ignore[index]
    assert hpac("encode", "a.png", "-o", "x.hpac", cwd=tmp_path).returncode == 0
    result = run_with_closed(1, *command.split(), folder=tmp_path)
    assert (result.returncode, len(result.stderr.splitlines())) == (7, 1), result.stderr


def test_what_is_said_to_a_closed_standard_error_does_not_get_into_the_output(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"some bytes")
    assert hpac("encode", "--all", "a", cwd=tmp_path).returncode == 0
    with (tmp_path / "a.hpac").open("ab") as file:
        file.write(b"damage")
    result = run_with_closed(2, "decode", "--salvage", "a.hpac", "-o", "-", folder=tmp_path)
    assert (result.returncode, result.stdout) == (9, b"some bytes")


def test_a_closed_standard_input_is_one_line(tmp_path: Path) -> None:
    result = run_with_closed(0, "decode", "-", folder=tmp_path)
    assert (result.returncode, len(result.stderr.splitlines())) == (7, 1), result.stderr


@pytest.mark.parametrize("command", ["encode", "decode", "info", "verify"])
def test_an_input_that_the_system_cannot_read_is_one_line(tmp_path: Path, command: str) -> None:
    result = hpac(command, "/proc/self/mem", *(["-o", "x"] if "code" in command else []), cwd=tmp_path)
    assert (result.returncode, len(result.stderr.splitlines())) == (7, 1), result.stderr


def test_a_signal_is_an_exit_code_of_the_summary_too(tmp_path: Path, photograph: object) -> None:
    for number in range(40):
        (tmp_path / f"{number}.png").write_bytes(save_png(photograph[number:300]))  # type: ignore[index]
    run = start_hpac(
        "encode", "-r", ".", "--output-dir", "o", "--json", "-j", "2", cwd=tmp_path, stdout=subprocess.PIPE
    )
    assert run.stdout is not None
    first = run.stdout.readline()
    run.terminate()
    rest = run.communicate(timeout=60)[0]
    assert first
    assert run.returncode == 143
    assert b'"exit_code": 0}' not in rest.splitlines()[-1]
