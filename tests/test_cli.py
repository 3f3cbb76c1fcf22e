"""The command line as a user meets it: exit codes, streams, files left behind."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, hpac, make_dicom, make_tiff, save_png, start_hpac, wait_for
from PIL import Image as PillowImage


@pytest.fixture
def picture(tmp_path: Path, photograph: np.ndarray) -> Path:
    path = tmp_path / "picture.png"
    path.write_bytes(save_png(photograph[100:140, 200:260]))
    return path


@pytest.fixture(scope="session")
def encoded(tmp_path_factory: pytest.TempPathFactory, photograph: np.ndarray) -> Path:
    folder = tmp_path_factory.mktemp("encoded")
    (folder / "good.png").write_bytes(save_png(photograph[100:140, 200:260]))
    assert hpac("encode", "good.png", cwd=folder).returncode == 0
    return folder / "good.png.hpac"


def samples(path: Path) -> np.ndarray:
    return np.asarray(PillowImage.open(path))


def assert_one_line(result: subprocess.CompletedProcess[bytes], code: int, *words: str) -> None:
    lines = result.stderr.decode().splitlines()
    assert result.returncode == code, lines
    assert len(lines) == 1, lines
    assert all(word in lines[0] for word in words), lines


def test_encode_and_decode_with_default_names(picture: Path) -> None:
    original = samples(picture)
    assert hpac("encode", picture).returncode == 0
    picture.unlink()
    assert hpac("decode", picture.with_name("picture.png.hpac")).returncode == 0
    assert np.array_equal(samples(picture), original)


def test_pipes(picture: Path) -> None:
    coded = hpac("encode", "-", "-o", "-", data=picture.read_bytes())
    assert (coded.returncode, coded.stderr) == (0, b"")
    decoded = hpac("decode", "-", "-o", "-", data=coded.stdout)
    (picture.parent / "again.png").write_bytes(decoded.stdout)
    assert np.array_equal(samples(picture.parent / "again.png"), samples(picture))


def test_pipes_and_files_give_the_same_bytes(picture: Path) -> None:
    hpac("encode", picture)
    streamed = hpac("encode", "--no-verify", "-", "-o", "-", data=picture.read_bytes()).stdout
    assert streamed == picture.with_name("picture.png.hpac").read_bytes()


def test_an_existing_output_is_refused_and_left_alone(picture: Path) -> None:
    target = picture.with_name("picture.png.hpac")
    target.write_bytes(b"precious")
    assert_one_line(hpac("encode", picture), 6, "exists", "--force")
    assert target.read_bytes() == b"precious"


def test_force_overwrites(picture: Path) -> None:
    picture.with_name("picture.png.hpac").write_bytes(b"old")
    assert hpac("encode", "--force", picture).returncode == 0
    assert hpac("verify", picture.with_name("picture.png.hpac")).returncode == 0


def test_the_input_is_never_the_output(picture: Path) -> None:
    before = picture.read_bytes()
    assert_one_line(hpac("encode", "--force", picture, "-o", picture), 6, "input itself")
    assert picture.read_bytes() == before


def test_a_damaged_input_leaves_an_old_output_alone(encoded: Path, tmp_path: Path) -> None:
    bad, out = tmp_path / "bad.hpac", tmp_path / "bad.png"
    bad.write_bytes(encoded.read_bytes()[:-50])
    out.write_bytes(b"old")
    assert_one_line(hpac("decode", "--force", bad), 4, "bad.hpac", "truncated")
    assert out.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.hpac", "bad.png"]


def test_other_inputs_are_still_done(picture: Path, tmp_path: Path) -> None:
    result = hpac("encode", tmp_path / "missing.png", picture)
    assert result.returncode == 1
    failure, summary = result.stderr.decode().splitlines()
    assert "missing.png: no such file" in failure
    assert "2 files: 1 done, 1 failed" in summary
    assert picture.with_name("picture.png.hpac").exists()


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"plain text", 4, ["no PNG, TIFF, DICOM, BMP, PNM or .npy", "--all"]),
        (b"", 4, ["no PNG, TIFF, DICOM, BMP, PNM or .npy", "--all"]),
        (b"GIF89a", 3, ["GIF"]),
    ],
)
def test_bad_pictures(tmp_path: Path, content: bytes, code: int, words: list[str]) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    assert_one_line(hpac("encode", path), code, "bad.png", *words)
    assert not (tmp_path / "bad.png.hpac").exists()


@pytest.mark.parametrize("suffix", [".tif", ".dcm"])
def test_tiff_and_dicom_come_back_byte_for_byte(tmp_path: Path, photograph: np.ndarray, suffix: str) -> None:
    deep = photograph[100:140, 200:260, 1].astype(np.uint16) * 9
    original = make_tiff(deep) if suffix == ".tif" else make_dicom(deep)
    path = tmp_path / f"picture{suffix}"
    path.write_bytes(original)
    assert hpac("encode", path).returncode == 0
    path.unlink()
    assert hpac("decode", tmp_path / f"picture{suffix}.hpac").returncode == 0
    assert path.read_bytes() == original


def test_a_file_that_cannot_be_made_again_is_kept_whole_and_transcoded_if_asked(tmp_path: Path) -> None:
    path, back = tmp_path / "odd.tif", tmp_path / "back.tif"
    path.write_bytes(make_tiff(np.arange(900, dtype=np.uint16).reshape(30, 30), compression="zstd"))
    outcome = json.loads(hpac("encode", "--json", path).stdout.splitlines()[0])
    assert outcome["fidelity"] == "bytes"
    assert "Zstandard" in outcome["kept"]
    assert b"--transcode puts them" in hpac("info", tmp_path / "odd.tif.hpac").stdout
    assert hpac("decode", tmp_path / "odd.tif.hpac", "-o", back).returncode == 0
    assert back.read_bytes() == path.read_bytes()
    assert hpac("encode", "--force", "--transcode", path).returncode == 0
    assert b"--transcode" not in hpac("info", tmp_path / "odd.tif.hpac").stdout
    assert hpac("decode", "--force", tmp_path / "odd.tif.hpac", "-o", back).returncode == 0
    assert back.read_bytes() != path.read_bytes()
    assert hpac("compare", path, back, "--require", "samples").returncode == 0


def test_missing_folder(picture: Path, tmp_path: Path) -> None:
    assert_one_line(hpac("encode", picture, "-o", tmp_path / "no" / "x.hpac"), 7, "does not exist")


def test_a_folder_as_input(tmp_path: Path) -> None:
    assert_one_line(hpac("encode", tmp_path), 7, "folder")


def test_a_missing_file(tmp_path: Path) -> None:
    assert_one_line(hpac("decode", tmp_path / "no.hpac"), 7, "no such file")


@pytest.mark.parametrize("version", [bytes([2, 0]), bytes([1, 1])])
def test_newer_format(encoded: Path, tmp_path: Path, version: bytes) -> None:
    data = encoded.read_bytes()
    (tmp_path / "new.hpac").write_bytes(data[:9] + version + data[11:])
    assert_one_line(hpac("decode", tmp_path / "new.hpac"), 3, "newer", "update hpac")


def test_an_altered_file_is_noticed(encoded: Path, tmp_path: Path) -> None:
    data = bytearray(encoded.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "bad.hpac").write_bytes(data)
    assert_one_line(hpac("verify", tmp_path / "bad.hpac"), 4, "checksum")


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.tiff", "x.npy"])
def test_samples_convert(encoded: Path, tmp_path: Path, name: str) -> None:
    assert hpac("decode", encoded, "-o", tmp_path / name).returncode == 0
    found = np.load(tmp_path / name) if name == "x.npy" else samples(tmp_path / name)
    assert np.array_equal(found, samples(encoded.with_suffix("")))


def test_samples_that_do_not_fit_do_not_convert(tmp_path: Path) -> None:
    (tmp_path / "signed.tif").write_bytes(make_tiff(np.arange(-9, 7, dtype=np.int16).reshape(4, 4)))
    assert hpac("encode", tmp_path / "signed.tif").returncode == 0
    assert_one_line(hpac("decode", tmp_path / "signed.tif.hpac", "-o", tmp_path / "x.png"), 3, "PNG holds", "int16")
    assert not (tmp_path / "x.png").exists()


def test_other_kinds_are_not_written(encoded: Path, tmp_path: Path) -> None:
    assert_one_line(hpac("decode", encoded, "-o", tmp_path / "x.jpg"), 3, "jpg")


def test_verify_writes_nothing(encoded: Path) -> None:
    before = sorted(encoded.parent.iterdir())
    assert hpac("verify", encoded).returncode == 0
    assert sorted(encoded.parent.iterdir()) == before


def test_info_as_json(encoded: Path) -> None:
    facts = json.loads(hpac("info", "--json", encoded).stdout)
    (frame,) = facts["frames"]
    assert (frame["width"], frame["height"], frame["channels"], facts["kind"]) == (60, 40, 3, "png")
    assert facts["fidelity"] == "bytes"
    whole = hashlib.sha256(encoded.with_suffix("").read_bytes()).hexdigest()
    assert len(facts["file_sha256"]) >= 16
    assert whole.startswith(facts["file_sha256"])
    assert facts["bytes"]["total"] == encoded.stat().st_size
    assert {mode: count for mode, count in facts["tiles"].items() if count} == {"luma_chroma": 1}


def test_info_in_words(encoded: Path) -> None:
    text = hpac("info", encoded).stdout.decode()
    assert "60 x 40, 3 channels, u1" in text
    assert "png, comes back as the same bytes" in text


def test_full_disk(picture: Path) -> None:
    assert_one_line(hpac("encode", picture, "-o", "/dev/full"), 7, "No space left")


@pytest.mark.parametrize("command", ["encode", "decode"])
def test_a_disk_that_fills_up_leaves_nothing_behind(command: str, encoded: Path, tmp_path: Path) -> None:
    source = tmp_path / ("in.png" if command == "encode" else "in.hpac")
    shutil.copy(encoded if command == "decode" else encoded.with_suffix(""), source)
    script = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\nfrom hpac_cli.cli import main\nmain()"
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            script,
            command,
            "--no-verify" if command == "encode" else "--force",
            str(source),
            "-o",
            str(tmp_path / "out"),
        ],
        capture_output=True,
        check=False,
    )
    assert_one_line(result, 7, "cannot write", "out")
    assert [p.name for p in tmp_path.iterdir()] == [source.name]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(shutil.which("mount") is None, reason="there is no mount command here")
def test_a_full_file_system_keeps_what_it_had(tiny_disk: Path) -> None:
    (tiny_disk / "old.hpac").write_bytes(b"old")
    result = hpac("encode", "--no-verify", "--force", DATA / "kodim23.png", "-o", tiny_disk / "old.hpac")
    assert_one_line(result, 7, "No space left")
    assert [p.name for p in tiny_disk.iterdir()] == ["old.hpac"]
    assert (tiny_disk / "old.hpac").read_bytes() == b"old"


def test_a_region_becomes_a_picture(encoded: Path, tmp_path: Path) -> None:
    whole = np.asarray(PillowImage.open(encoded.with_suffix("")))
    assert hpac("decode", encoded, "--region", "5,6,30,20", "-o", tmp_path / "part.png").returncode == 0
    assert np.array_equal(np.asarray(PillowImage.open(tmp_path / "part.png")), whole[6:26, 5:35])


def test_a_region_needs_a_name_that_it_can_be_written_to(encoded: Path, tmp_path: Path) -> None:
    assert_one_line(hpac("decode", encoded, "--region", "0,0,1,1"), 2, "name one with -o")
    assert_one_line(hpac("decode", encoded, "--frame", "0", "-o", tmp_path / "x.dcm"), 2, "name one with -o")


def test_a_region_is_four_numbers(encoded: Path) -> None:
    assert hpac("decode", encoded, "--region", "0,0,1", "-o", "x.png").returncode == 2


def test_salvage_writes_what_is_left_and_names_the_rest(tmp_path: Path) -> None:
    assert hpac("encode", "--tile-size", "128", DATA / "kodim23.png", "-o", tmp_path / "a.hpac").returncode == 0
    damaged = bytearray((tmp_path / "a.hpac").read_bytes())
    damaged[len(damaged) // 2] ^= 16
    (tmp_path / "a.hpac").write_bytes(damaged)
    result = hpac("decode", "--salvage", "--fill", "200", tmp_path / "a.hpac")
    assert_one_line(result, 9, "49,152 of 1,179,648 samples are lost", "a.png.lost.json")
    report = json.loads((tmp_path / "a.png.lost.json").read_text())
    (lost,) = report["lost"]
    assert report["schema"] == 1
    whole, found = (np.asarray(PillowImage.open(p)) for p in (DATA / "kodim23.png", tmp_path / "a.png"))
    expected = whole.copy()
    expected[lost["y"] : lost["y"] + lost["height"], lost["x"] : lost["x"] + lost["width"]] = 200
    assert np.array_equal(found, expected)


def test_salvage_overwrites_no_file_with_its_report(encoded: Path, tmp_path: Path) -> None:
    damaged = bytearray(encoded.read_bytes())
    damaged[-60] ^= 16
    (tmp_path / "a.hpac").write_bytes(damaged)
    (tmp_path / "a.png.lost.json").write_bytes(damaged)
    assert_one_line(hpac("decode", "--salvage", tmp_path / "a.hpac"), 6, "a.png.lost.json exists")
    result = hpac("decode", "--salvage", "--force", tmp_path / "a.png.lost.json", "-o", tmp_path / "a.png")
    assert_one_line(result, 6, "is the input itself")
    assert (tmp_path / "a.png.lost.json").read_bytes() == damaged


def test_salvage_of_an_undamaged_file_is_decoding(encoded: Path, tmp_path: Path) -> None:
    assert hpac("decode", "--salvage", encoded, "-o", tmp_path / "b.png").returncode == 0
    assert (tmp_path / "b.png").read_bytes() == encoded.with_suffix("").read_bytes()
    assert [p.name for p in tmp_path.glob("*.json")] == []


@pytest.mark.parametrize("option", [["--max-pixels", "100"], ["--max-memory", "401"]])
def test_limits_are_kept(option: list[str], tmp_path: Path) -> None:
    picture = tmp_path / "large.png"
    PillowImage.new("RGB", (1000, 1000)).save(picture)
    assert_one_line(hpac("encode", *option, picture), 5, "the limit is")


def test_less_memory_than_any_file_needs_is_wrong_usage(picture: Path) -> None:
    result = hpac("encode", "--max-memory", "100", picture)
    assert (result.returncode, b"must be more than" in result.stderr) == (2, True)


def test_closed_pipe_ends_quietly(encoded: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [sys.executable, "-m", "hpac_cli", "decode", str(encoded), "-o", "-"],
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert (process.returncode, process.stderr) == (7, b"")


def test_training_without_config_or_data_is_one_line(tmp_path: Path) -> None:
    places = ["--data", tmp_path, "--out", tmp_path / "out"]
    assert_one_line(hpac("train", "cmyk", *places), 4, "no config cmyk")
    assert_one_line(hpac("train", "rgb-small", *places), 4, "no training data")


def test_bench_with_an_unknown_backend_is_one_line() -> None:
    assert_one_line(hpac("bench", "--backend", "foo", DATA / "kodim23.png"), 2, "no backend 'foo'")


def test_bench_names_a_missing_file() -> None:
    assert_one_line(hpac("bench", "nofile.png"), 7, "nofile.png: no such file")


def test_no_arguments_show_help() -> None:
    assert b"encode" in hpac().stdout + hpac().stderr


def test_wrong_usage() -> None:
    assert hpac("encode", "a.png", "b.png", "-o", "x").returncode == 2


def test_version() -> None:
    assert b"format 1.0" in hpac("--version").stdout


def test_exit_codes_are_in_the_help() -> None:
    assert b"Exit codes" in hpac("--help").stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_nothing_behind(tmp_path: Path, number: int) -> None:
    """Sent as soon as there is a temporary file, long before a picture of this size is done."""
    large = np.tile(np.asarray(PillowImage.open(DATA / "kodim23.png")), (4, 4, 1))
    (tmp_path / "big.png").write_bytes(save_png(large, compress_level=1))
    with start_hpac("encode", "big.png", cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: len(list(tmp_path.iterdir())) > 1)
        process.send_signal(number)
        assert process.wait(60) in (128 + number, -number)  # Python may end so, which shells tell as 128 + number too
    assert [p.name for p in tmp_path.iterdir()] == ["big.png"]


@pytest.mark.parametrize("command", [["--help"], ["encode", "--help"], ["info", "FILE"]])
def test_quick_commands_load_neither_torch_nor_numpy(command: list[str], encoded: Path) -> None:
    args = [str(encoded) if word == "FILE" else word for word in command]
    code = "import sys; sys.argv[0] = 'hpac'\nfrom hpac_cli.cli import main\ntry: main()\nfinally: assert not {'torch', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, *args], capture_output=True, check=False).returncode == 0


def test_every_thread_count_writes_the_same_file(picture: Path) -> None:
    outputs = {hpac("encode", "--no-verify", "-o", "-", picture, "--threads", n).stdout for n in (1, 2, 8)}
    assert len(outputs) == 1


@pytest.mark.parametrize(
    ("other", "expected"),
    [("same.png", "bytes"), ("fresh.png", "samples+metadata"), ("x.tif", "samples"), ("other.png", "different")],
)
def test_compare_says_how_alike_files_are(other: str, expected: str, encoded: Path, tmp_path: Path) -> None:
    original = encoded.with_suffix("")
    (tmp_path / "same.png").write_bytes(original.read_bytes())
    PillowImage.fromarray(samples(original)).save(tmp_path / "fresh.png", compress_level=1)
    (tmp_path / "x.tif").write_bytes(make_tiff(samples(original), photometric="rgb"))
    PillowImage.fromarray(samples(original) ^ 1).save(tmp_path / "other.png")
    result = hpac("compare", encoded, tmp_path / other)
    assert result.stdout.decode().strip() == expected
    assert result.returncode == (expected == "different")


def test_compare_can_require_more(encoded: Path) -> None:
    original = encoded.with_suffix("")
    assert hpac("compare", original, encoded, "--require", "bytes").returncode == 0
    assert_one_line(hpac("compare", original, "missing.png"), 7, "missing.png", "no such file")
