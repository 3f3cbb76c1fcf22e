"""Many files: every one is done, named, told and counted, whatever happens to the others."""

import io
import json
import os
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import hpac, make_dicom, make_tiff, other_compressor_png, save_png, start_hpac

from hpac_cli import api, files
from hpac_cli.batch.pool import Pool
from hpac_cli.batch.sources import find_sources
from hpac_cli.batch.targets import plan_encoding
from hpac_cli.batch.tasks import Source
from hpac_cli.cli.progress import Mode, show
from hpac_cli.errors import FileAccessError, OutputExistsError, UsageError


@pytest.fixture
def tree(tmp_path: Path, photograph: np.ndarray) -> Path:
    """A folder of pictures of three kinds, two with the same stem, and what is no picture."""
    part = photograph[200:224, 300:330]
    folder = tmp_path / "photos"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "a.png").write_bytes(save_png(part))
    (folder / "a.tif").write_bytes(make_tiff(part, photometric="rgb"))
    (folder / "deep" / "scan.dcm").write_bytes(make_dicom(part[..., 0]))
    (folder / "deep" / "er" / "no suffix").write_bytes(save_png(part[:9]))
    (folder / "notes.txt").write_text("no picture")
    (folder / ".b.png.x1.partial").write_bytes(b"left by a crash")
    return folder


TOO_LARGE = save_png(np.zeros((1, 1), np.uint8))
"""A picture that is refused: its header claims more pixels than the limit."""
_header = b"IHDR" + struct.pack(">II", 20_000, 20_000) + TOO_LARGE[24:29]
TOO_LARGE = TOO_LARGE[:12] + _header + struct.pack(">I", zlib.crc32(_header)) + TOO_LARGE[33:]


def all_files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def lines(result: subprocess.CompletedProcess[bytes]) -> list[dict]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_folder_goes_out_and_comes_back(tree: Path, tmp_path: Path) -> None:
    original = all_files(tree)
    assert hpac("encode", "-r", tree, "--output-dir", tmp_path / "packed").returncode == 0
    assert sorted(all_files(tmp_path / "packed")) == [
        "a.png.hpac",
        "a.tif.hpac",
        "deep/er/no suffix.hpac",
        "deep/scan.dcm.hpac",
    ]
    assert hpac("decode", "-r", tmp_path / "packed", "--output-dir", tmp_path / "back").returncode == 0
    back = all_files(tmp_path / "back")
    assert back == {name: original[name] for name in back}
    assert len(back) == 4


def test_a_folder_needs_to_be_asked_for(tree: Path) -> None:
    result = hpac("encode", tree)
    assert result.returncode == 7
    assert b"-r works on all" in result.stderr


def test_patterns_are_understood_where_no_shell_did(tree: Path) -> None:
    assert hpac("encode", tree / "**" / "*.dcm").returncode == 0
    assert (tree / "deep" / "scan.dcm.hpac").exists()


@pytest.mark.parametrize(("option", "end"), [([], "\n"), (["-0"], "\0")])
def test_names_come_from_a_list(option: list[str], end: str, tree: Path) -> None:
    names = "".join(f"{tree / name}{end}" for name in ("a.png", "deep/scan.dcm"))
    assert hpac("encode", "--files-from", "-", *option, data=names.encode()).returncode == 0
    assert (tree / "a.png.hpac").exists()
    assert (tree / "deep" / "scan.dcm.hpac").exists()


def test_links_in_folders_are_not_followed(tree: Path, tmp_path: Path) -> None:
    (tree / "again").symlink_to(tree)
    (tree / "link.png").symlink_to(tree / "a.png")
    found = find_sources([str(tree)], recursive=True, why_not=lambda _, n: "" if n.endswith(".png") else "other")
    assert [source.within for source in found.sources] == ["a.png"]


def test_patterns_follow_no_links(tree: Path) -> None:
    (tree / "again").symlink_to(tree)
    found = find_sources([f"{tree}/**/*.png"], recursive=False, why_not=lambda _head, _name: "")
    assert [source.name for source in found.sources] == [str(tree / "a.png")]


@pytest.mark.parametrize("name", ["a.png", "IM000001", "1.2.840.99.7.1", "a.b.PNG", "a.hpac"])
def test_a_name_gets_and_loses_its_ending(name: str, tree: Path) -> None:
    original = (tree / "a.png").read_bytes()
    (tree / "a.png").rename(tree / name)
    assert hpac("encode", tree / name, "--remove-source").returncode == 0
    assert not (tree / name).exists()
    assert hpac("decode", tree / f"{name}.hpac").returncode == 0
    assert (tree / name).read_bytes() == original


@pytest.mark.parametrize(("name", "expected"), [("a.png", "file.png"), ("IM000001", "file"), ("a.b.PNG", "file.PNG")])
def test_a_suffix_that_is_gone_comes_back(name: str, expected: str, tree: Path) -> None:
    original = (tree / "a.png").read_bytes()
    (tree / "a.png").rename(tree / name)
    assert hpac("encode", tree / name, "-o", tree / "file.hpac").returncode == 0
    assert hpac("decode", tree / "file.hpac").returncode == 0
    assert (tree / expected).read_bytes() == original


def test_standard_input_has_the_suffix_of_its_kind(tree: Path) -> None:
    hpac("encode", "-", "-o", tree / "file.hpac", data=(tree / "a.png").read_bytes())
    assert hpac("decode", tree / "file.hpac").returncode == 0
    assert (tree / "file.png").read_bytes() == (tree / "a.png").read_bytes()


def test_two_files_that_decode_to_one_name_are_refused_before_any_work(tree: Path) -> None:
    hpac("encode", tree / "a.png")
    hpac("encode", tree / "a.png", "-o", tree / "a.hpac")
    (tree / "a.png").unlink()
    result = hpac("decode", tree / "a.hpac", tree / "a.png.hpac", "--force", "--remove-source")
    assert (result.returncode, b"both become" in result.stderr) == (2, True)
    assert not (tree / "a.png").exists()


def test_an_output_that_is_another_source_is_refused(tree: Path) -> None:
    (tree / "a.png.hpac").write_bytes((tree / "a.png").read_bytes())
    before = all_files(tree)
    result = hpac("encode", tree / "a.png", tree / "a.png.hpac", "--force")
    assert (result.returncode, b"an input itself" in result.stderr) == (2, True)
    assert all_files(tree) == before


def test_an_output_of_another_source_is_not_overwritten_where_sources_go(tree: Path) -> None:
    one, other = tree / "a.png", tree / "deep" / "scan.dcm"
    original = one.read_bytes()
    assert hpac("encode", one, "-o", tree / "x.hpac", "--remove-source").returncode == 0
    result = hpac("encode", other, "-o", tree / "x.hpac", "--force", "--remove-source")
    assert (result.returncode, b"was made of another file" in result.stderr) == (6, True)
    assert other.exists()
    assert hpac("decode", tree / "x.hpac", "-o", one).returncode == 0
    assert one.read_bytes() == original


def test_an_output_of_another_source_is_not_overwritten_silently(tree: Path) -> None:
    hpac("encode", tree / "a.png", "-o", tree / "x.hpac")
    result = hpac("encode", tree / "deep" / "scan.dcm", "-o", tree / "x.hpac", "--force", "--quiet")
    assert (result.returncode, b"was overwritten" in result.stderr) == (0, True)
    assert hpac("encode", tree / "deep" / "scan.dcm", "-o", tree / "x.hpac", "--force", "--quiet").stderr == b""


def test_a_decoded_file_is_not_overwritten_by_another_where_sources_go(tree: Path) -> None:
    for name, option in (("a.png", "x/y.hpac"), ("deep/er/no suffix", "z/y.hpac")):
        (tree / option).parent.mkdir()
        hpac("encode", tree / name, "-o", tree / option)
        shutil.copy(tree / option, tree / (option + ".kept"))
    options = ["--force", "--remove-source", "-o", tree / "out.png"]
    assert hpac("decode", tree / "x/y.hpac", *options).returncode == 0
    assert hpac("decode", tree / "z/y.hpac", *options).returncode == 6
    assert (tree / "out.png").read_bytes() == (tree / "a.png").read_bytes()
    assert (tree / "z/y.hpac").exists()


def test_two_folders_whose_files_would_clash() -> None:
    sources = [Source("x/a.png", "a.png"), Source("y/a.png", "a.png")]
    with pytest.raises(UsageError, match="both become"):
        plan_encoding(sources, output=None, output_dir="out")


def test_lines_of_json_tell_all(tree: Path) -> None:
    (tree / "bad.png").write_bytes(TOO_LARGE)
    result = hpac("encode", "-r", tree, "--json", "-j", "2")
    *each, last = lines(result)
    assert result.returncode == 1
    assert {Path(line["file"]).name: line["status"] for line in each} == {
        "a.png": "done",
        "a.tif": "done",
        "scan.dcm": "done",
        "no suffix": "done",
        "bad.png": "failed",
    }
    (bad,) = (line for line in each if line["status"] == "failed")
    assert bad["exit_code"] == 5
    done = next(line for line in each if line["file"].endswith("a.png"))
    assert done["bpsp"] == round(8 * done["output_bytes"] / done["samples"], 4)
    assert last["summary"]["done"] == 4
    assert last["summary"]["output_bytes"] == sum(line["output_bytes"] for line in each)


def test_bits_per_sample_are_told_of_hpac_files_alone(tree: Path) -> None:
    hpac("encode", tree / "a.png", "-o", tree / "a.hpac")
    decoded, _ = lines(hpac("decode", tree / "a.hpac", "-o", tree / "back.png", "--json"))
    assert decoded["samples"]
    assert decoded["bpsp"] is None


def test_fail_fast_leaves_the_rest(tree: Path) -> None:
    (tree / "A.png").write_bytes(b"broken")
    names = [tree / name for name in ("A.png", "a.png")]
    result = hpac("encode", *names, "--fail-fast", "-j", "1", "--json")
    assert lines(result)[-1]["summary"]["not_reached"] == 1
    assert not (tree / "a.png.hpac").exists()


def test_what_exists_is_skipped_if_asked(tree: Path) -> None:
    hpac("encode", tree / "a.png")
    before = (tree / "a.png.hpac").stat().st_mtime_ns, (tree / "a.png.hpac").read_bytes()
    result = hpac("encode", tree / "a.png", tree / "deep/scan.dcm", "--skip-existing", "--json")
    assert result.returncode == 0
    assert [line["status"] for line in lines(result)[:-1]].count("skipped") == 1
    assert ((tree / "a.png.hpac").stat().st_mtime_ns, (tree / "a.png.hpac").read_bytes()) == before


@pytest.mark.parametrize("what", ["changed", "junk", "truncated"])
def test_only_what_is_whole_and_of_this_very_source_is_skipped(what: str, tree: Path) -> None:
    target = tree / "a.png.hpac"
    hpac("encode", tree / "a.png")
    if what == "changed":
        (tree / "a.png").write_bytes(save_png(np.zeros((9, 9), np.uint8)))
    else:
        target.write_bytes(b"junk" if what == "junk" else target.read_bytes()[:-1])
    before = target.read_bytes()
    result = hpac("encode", tree / "a.png", "--skip-existing", "--json")
    assert (result.returncode, lines(result)[0]["status"]) == (6, "failed")
    assert target.read_bytes() == before
    assert hpac("encode", tree / "a.png", "--skip-existing", "--force").returncode == 0
    assert hpac("encode", tree / "a.png", "--skip-existing", "--json").returncode == 0


@pytest.mark.parametrize("data", [other_compressor_png(), None])
def test_decoding_fails_where_something_else_exists(data: bytes | None, tree: Path) -> None:
    (tree / "a.png").write_bytes(data or (tree / "a.png").read_bytes())
    hpac("encode", tree / "a.png")
    (tree / "a.png").write_bytes(b"something else")
    result = hpac("decode", tree / "a.png.hpac", "--skip-existing")
    assert (result.returncode, b"holds something else" in result.stderr) == (6, True)
    assert (tree / "a.png").read_bytes() == b"something else"


def test_decoding_skips_what_exists(tree: Path) -> None:
    hpac("encode", tree / "a.png")
    result = hpac("decode", tree / "a.png.hpac", "--skip-existing", "--json")
    assert (result.returncode, lines(result)[0]["status"]) == (0, "skipped")


def test_a_source_is_removed_only_after_its_round_trip(tree: Path) -> None:
    original = (tree / "a.png").read_bytes()
    assert hpac("encode", tree / "a.png", "--remove-source").returncode == 0
    assert not (tree / "a.png").exists()
    assert hpac("decode", tree / "a.png.hpac", "--remove-source").returncode == 0
    assert (tree / "a.png").read_bytes() == original
    assert not (tree / "a.png.hpac").exists()


def test_a_source_that_fails_is_kept(tree: Path) -> None:
    (tree / "a.png.hpac").write_bytes(b"in the way")
    assert hpac("encode", tree / "a.png", "--remove-source").returncode == 6
    assert (tree / "a.png").exists()


def test_a_source_is_kept_where_samples_alone_were_written(tree: Path) -> None:
    hpac("encode", tree / "a.png")
    assert hpac("decode", tree / "a.png.hpac", "-o", tree / "x.npy", "--remove-source").returncode == 2
    assert (tree / "a.png.hpac").exists()


@pytest.mark.parametrize("output", ["/dev/null", "-", "fifo", "/dev/stdout"])
@pytest.mark.parametrize("command", ["encode", "decode"])
def test_a_source_is_kept_where_its_output_is_no_file(command: str, output: str, tree: Path) -> None:
    os.mkfifo(tree / "fifo")
    hpac("encode", tree / "a.png")
    source = tree / ("a.png" if command == "encode" else "a.png.hpac")
    result = hpac(command, source, "-o", tree / "fifo" if output == "fifo" else output, "--remove-source", "--force")
    assert (result.returncode, b"needs an output that is a file on disk" in result.stderr) == (2, True)
    assert result.stdout == b""
    assert source.exists()


def test_a_source_is_kept_where_its_named_output_is_a_pipe(tree: Path) -> None:
    os.mkfifo(tree / "a.png.hpac")
    result = hpac("encode", tree / "a.png", "--remove-source", "--force")
    assert (result.returncode, b"needs an output that is a file" in result.stderr) == (2, True)
    assert (tree / "a.png").exists()


def test_what_is_no_file_is_not_removed(tree: Path) -> None:
    os.mkfifo(tree / "fifo.png")
    result = hpac("encode", tree / "fifo.png", "--remove-source")
    assert (result.returncode, b"only a file on disk" in result.stderr) == (2, True)
    assert (tree / "fifo.png").exists()


def test_nothing_is_removed_unverified(tree: Path) -> None:
    assert hpac("encode", tree / "a.png", "--remove-source", "--no-verify").returncode == 2
    assert (tree / "a.png").exists()


def test_times_and_permissions_are_kept(tree: Path) -> None:
    os.utime(tree / "a.png", ns=(10**18, 10**18 + 123456789))
    (tree / "a.png").chmod(0o640)
    hpac("encode", tree / "a.png")
    (tree / "a.png").unlink()
    hpac("decode", tree / "a.png.hpac")
    facts = (tree / "a.png").stat()
    assert (facts.st_mtime_ns, facts.st_mode & 0o777) == (10**18 + 123456789, 0o640)


def test_times_survive_a_copy_that_keeps_them(tree: Path) -> None:
    os.utime(tree / "a.png", ns=(10**18, 10**18 + 123456789))
    hpac("encode", tree / "a.png")
    (tree / "copies").mkdir()
    shutil.copy2(tree / "a.png.hpac", tree / "copies")  # as cp -p
    hpac("decode", tree / "copies" / "a.png.hpac")
    assert (tree / "copies" / "a.png").stat().st_mtime_ns == 10**18 + 123456789


def test_times_are_new_if_asked(tree: Path) -> None:
    os.utime(tree / "a.png", ns=(10**18, 10**18))
    hpac("encode", tree / "a.png", "--no-preserve")
    assert (tree / "a.png.hpac").stat().st_mtime_ns > 10**18


def test_a_dry_run_estimates_and_writes_nothing(tmp_path: Path, photograph: np.ndarray) -> None:
    (tmp_path / "x.png").write_bytes(save_png(photograph[:384, :512]))
    about = lines(hpac("encode", tmp_path / "x.png", "--dry-run", "--json"))[0]["output_bytes"]
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]
    hpac("encode", "--no-verify", tmp_path / "x.png")
    assert abs(about / (tmp_path / "x.png.hpac").stat().st_size - 1) < 0.1


def test_check_writes_nothing_and_tells_by_its_exit_code(tree: Path) -> None:
    before = all_files(tree)
    assert hpac("check", "-r", tree).returncode == 0
    (tree / "z.png").write_bytes(TOO_LARGE)
    assert hpac("check", "-r", tree, "-q").returncode == 1
    assert all_files(tree).keys() - before.keys() == {"z.png"}


def test_any_number_of_jobs_writes_the_same_files(tree: Path, tmp_path: Path) -> None:
    for jobs in (1, 3):
        assert hpac("encode", "-r", tree, "--output-dir", tmp_path / f"out{jobs}", "-j", jobs).returncode == 0
    assert all_files(tmp_path / "out1") == all_files(tmp_path / "out3")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_signal_ends_a_batch_and_leaves_nothing_half_written(
    jobs: int, tmp_path: Path, photograph: np.ndarray
) -> None:
    for i in range(8):
        (tmp_path / f"{i}.png").write_bytes(save_png(photograph[:, 40 * i : 40 * i + 200]))
    process = start_hpac("encode", "-r", tmp_path, "-j", jobs, "-q", stderr=subprocess.PIPE)
    wait_for(lambda: list(tmp_path.glob("*.hpac")))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not list(tmp_path.glob(".*"))
    done = list(tmp_path.glob("*.hpac"))
    assert 0 < len(done) < 8
    assert hpac("verify", *done, "-q").returncode == 0


def test_a_killed_batch_is_completed_by_running_it_again(tmp_path: Path, photograph: np.ndarray) -> None:
    for i in range(5):
        (tmp_path / f"{i}.png").write_bytes(save_png(photograph[:, 40 * i : 40 * i + 150]))
    command = [sys.executable, "-m", "hpac_cli", "encode", "-r", str(tmp_path), "-j", "2", "--skip-existing", "-q"]
    process = subprocess.Popen(command, start_new_session=True)
    wait_for(lambda: list(tmp_path.glob("*.hpac")))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert subprocess.run(command, check=False).returncode == 0
    assert len(list(tmp_path.glob("[0-9].png.hpac"))) == 5
    assert hpac("verify", *tmp_path.glob("[0-9].png.hpac"), "-q").returncode == 0


def wait_for(happened: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened() and time.monotonic() < end:  # type: ignore[operator]
        time.sleep(0.02)


def test_an_interrupt_while_a_worker_is_started_is_not_lost() -> None:
    """Python drops what is raised in its hooks around a fork."""
    work = (
        "import os, signal; from hpac_cli.batch.pool import Pool;"
        "os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT));"
        "signal.signal(signal.SIGINT, signal.default_int_handler);"
        "print(list(Pool(str, str, 2).run([1, 2])))"
    )
    result = subprocess.run([sys.executable, "-c", work], capture_output=True, check=False, timeout=60)
    assert result.returncode == -signal.SIGINT
    assert result.stdout == b""


def test_a_worker_that_dies_costs_one_file() -> None:
    def work(job: int) -> str:
        if job == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return f"{job} done"

    outcomes = set(Pool(work, lambda job: f"{job} lost", 2).run(range(8)))
    assert outcomes == {f"{job} {'lost' if job == 3 else 'done'}" for job in range(8)}


def test_defaults_come_from_a_file_and_from_the_environment(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[encode]\nquiet = true\ntile-size = 32\n")
    hpac("--config", tmp_path / "c.toml", "encode", tree / "a.png")
    assert api.inspect(str(tree / "a.png.hpac"))["frames"][0]["tile"] == 32
    hpac("encode", tree / "a.png", "--force", HPAC_ENCODE_TILE_SIZE="64")
    assert api.inspect(str(tree / "a.png.hpac"))["frames"][0]["tile"] == 64


def test_the_environment_sets_options_of_commands_alone() -> None:
    result = hpac("check", "missing.png", HPAC_VERSION="1", HPAC_CONFIG="/missing.toml", HPAC_SHOW_COMPLETION="1")
    assert (result.returncode, b"no such file" in result.stderr, result.stdout) == (7, True, b"")


def test_names_steer_no_terminal(tree: Path) -> None:
    name = "x[/b]\x1b[31m.png"  # a file in the folder "x["
    (tree / "x[").mkdir()
    (tree / name).write_bytes((tree / "a.png").read_bytes())
    assert hpac("encode", name, cwd=tree).returncode == 0
    shown = hpac("info", f"{name}.hpac", cwd=tree).stdout
    shown += hpac("decode", f"{name}.hpac", "-o", name, cwd=tree).stderr + hpac("check", f"{name}y", cwd=tree).stderr
    assert b"x[/b]?[31m.png" in shown
    assert b"\x1b" not in shown


@pytest.mark.parametrize("text", ["[encode]\nnonsense = 1\n", "[nothing]\n", "not toml"])
def test_a_wrong_configuration_is_one_line(text: str, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(text)
    result = hpac("--config", tmp_path / "c.toml", "encode", tree / "a.png")
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1


def test_completion_is_offered() -> None:
    # typer asks which shell it was started from, so the test starts it from one, whatever runs the tests.
    shell = shutil.which("bash")
    assert shell
    command = f"{shlex.quote(sys.executable)} -m hpac_cli --show-completion; exit $?"
    result = subprocess.run([shell, "-c", command], capture_output=True, timeout=120, check=True)
    assert b"complete" in result.stdout
    assert b"hpac" in result.stdout


def test_a_bar_shows_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with show(Mode.AUTO, {"x[/b].png": 9, "y[b].png": 9}, on_terminal=True) as shown:
        shown.step("x[/b].png", api.Step("encode", 1, 2))
        shown.end("x[/b].png", "[/i]")


OTHER = b"all that is left of another source"


def test_an_output_that_appears_meanwhile_is_kept_where_sources_go(tree: Path) -> None:
    """As from another process, or where a file system takes two names for the same."""
    options = api.Options(force=True, remove_source=True)
    source, target = tree / "a.png", tree / "a.png.hpac"
    session = api.Session(options, progress=lambda *_: None if target.exists() else target.write_bytes(OTHER) and None)
    with pytest.raises(OutputExistsError, match=r"a\.png\.hpac exists"):
        api.compress(str(source), None, session)
    assert target.read_bytes() == OTHER


def test_a_decoded_file_that_appears_meanwhile_is_kept_where_sources_go(tree: Path) -> None:
    api.compress(str(tree / "a.png"), None, api.Session())
    target = tree / "a.png"
    target.unlink()
    options = api.Options(force=True, remove_source=True)
    session = api.Session(options, progress=lambda *_: None if target.exists() else target.write_bytes(OTHER) and None)
    with pytest.raises(OutputExistsError, match=r"a\.png exists"):
        api.decompress(str(tree / "a.png.hpac"), None, session)
    assert target.read_bytes() == OTHER


def test_a_source_that_changes_while_it_is_read_is_refused(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Growing(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:
            with (tree / "a.png").open("ab") as other:
                other.write(b"more" * (other.tell() < 50_000))
            return super().read(size)

    monkeypatch.setattr(files, "open_input", lambda path: Growing(path))
    with pytest.raises(FileAccessError, match="changed while it was read"):
        api.compress(str(tree / "a.png"), None, api.Session())
