"""Several files in one container: all come back, byte for byte, in a folder that nothing else leads out of."""

import hashlib
import io
import json
import os
import random
import shutil
import stat
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import hpac, make_dicom, make_tiff, save_png
from test_batch import all_files, lines
from test_container import chunk
from test_opened import CountedStream

import hpac_cli
from hpac_cli import api
from hpac_cli.api import encoding, folders, series
from hpac_cli.batch import actions
from hpac_cli.batch.sources import find_sources
from hpac_cli.batch.tasks import Source, Task
from hpac_cli.batch.work import attempt
from hpac_cli.container import build
from hpac_cli.container.fields import SIGNATURE, Frame, Header, Kind, Member, Part, build_frame
from hpac_cli.container.members import build_members, check_names, parse_members
from hpac_cli.container.parse import Reader
from hpac_cli.container.salvage import find_undamaged
from hpac_cli.errors import (
    ContainerError,
    FileAccessError,
    HpacError,
    LimitExceededError,
    RoundTripError,
    UnsupportedError,
    UsageError,
)
from hpac_cli.images.order import natural, place_of
from hpac_cli.limits import DEFAULT_LIMITS, Limits
from hpac_cli.plugins.pydicom import dcmread

VOLUMES = Path(__file__).parents[2] / "shared" / "data" / "bench" / "volumes"
AXIAL = [1, 0, 0, 0, 1, 0]
PRIVATE = bytes(range(256)) * 4


def make_slice(number: int, samples: np.ndarray, **attributes: object) -> bytes:
    """One slice of a body, with a header of more than a kilobyte."""
    facts = {
        "SeriesNumber": 1,
        "InstanceNumber": number,
        "ImageOrientationPatient": AXIAL,
        "ImagePositionPatient": [-3.5, 2, 1.5 * number],
    }
    return make_dicom(samples, **{**facts, **attributes}, PatientComments=PRIVATE[:1000].hex())


@pytest.fixture(scope="module")
def contents(photograph: np.ndarray) -> dict[str, bytes]:
    """Slices whose names say nothing of their order, pictures below, and what is no picture."""
    grey = photograph[200:240, 300:348, 1].astype(np.uint16) * 5
    slices = {f"{name}.dcm": make_slice(at, grey + at) for at, name in enumerate(["c", "a", "b", "d"])}
    return {
        **slices,
        "below/more/rgb.png": save_png(photograph[200:232, 300:340]),
        "below/page.tif": make_tiff(photograph[200:232, 300:340, 0]),
        "notes.txt": b"what lies beside\n" * 20,
        "empty": b"",
        "below/noise": random.Random(1).randbytes(5000),
    }


@pytest.fixture
def folder(tmp_path: Path, contents: dict[str, bytes]) -> Path:
    for name, data in contents.items():
        path = tmp_path / "scan" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "scan"


@pytest.fixture(scope="module")
def packed(contents: dict[str, bytes]) -> bytes:
    return hpac_cli.encode_series(contents, effort=1, keyframe=1)


def read(data: bytes) -> Reader:
    reader = Reader(io.BytesIO(data), DEFAULT_LIMITS)
    for _ in reader.pieces():
        pass
    for _ in reader.tiles():
        pass
    return reader


def names_in(data: bytes) -> list[str]:
    return [member.name.decode() for member in read(data).header.members]


# what comes back


def test_a_folder_comes_back(folder: Path, contents: dict[str, bytes], tmp_path: Path) -> None:
    assert hpac("encode", "--series", "-r", folder).returncode == 0
    assert hpac("decode", tmp_path / "scan.hpac", "-o", tmp_path / "back").returncode == 0
    assert all_files(tmp_path / "back") == contents
    assert not list(tmp_path.glob(".*"))


def test_files_come_back_in_memory(packed: bytes, contents: dict[str, bytes]) -> None:
    assert hpac_cli.decode_series(packed) == contents


@pytest.mark.parametrize("name", ["mr-fmri-3.3mm", "ct-soft-2mm"])
def test_a_real_series_comes_back_smaller(name: str) -> None:
    if not VOLUMES.is_dir():
        pytest.skip("needs the data of the benchmarks")
    files = {path.name: path.read_bytes() for path in sorted((VOLUMES / name).iterdir())[:5]}
    data = hpac_cli.encode_series(files, effort=1)
    assert hpac_cli.decode_series(data) == files
    around = [read(encode_alone(file)).sizes["metadata"] for file in files.values()]
    assert read(data).sizes["metadata"] < 0.4 * sum(around)


def encode_alone(data: bytes) -> bytes:
    """What a file takes that is encoded by itself."""
    session, stream = api.Session(api.Options(effort=1, keep_all=True)), io.BytesIO()
    with series._laid_out({"file": data}) as (source,), api.streams.open_source(source.path) as opened:
        encoding._encode_or_keep(encoding.read_image(opened, session.options), opened, stream, session)
    return stream.getvalue()


def test_a_series_is_never_larger_than_its_files_apart(contents: dict[str, bytes]) -> None:
    noise = random.Random(2)
    compressible = {f"{i}.txt": noise.randbytes(3000) + bytes(3000) for i in range(3)}
    for files in (contents, dict(list(contents.items())[:2]), {"below/noise": contents["below/noise"], **compressible}):
        data = hpac_cli.encode_series(files, effort=1)
        apart = sum(len(encode_alone(file)) for file in files.values())
        assert len(data) - read(data).sizes["members"] < apart  # names stand in no file that is alone


def test_small_whole_files_are_packed_together_only_where_that_is_smaller() -> None:
    noise, text = random.Random(3).randbytes(200_000), b"0123456789" * 4000
    apart = [len(hpac_cli.encode_series({"a": each}, effort=1)) for each in (noise, text)]
    assert len(hpac_cli.encode_series({"a": noise, "b": text}, effort=1)) < sum(apart)
    alike = {str(i): random.Random(4).randbytes(3000) for i in range(5)}
    assert len(hpac_cli.encode_series(alike, effort=1)) < 4000


def test_a_member_that_coding_would_make_larger_is_kept_whole(
    contents: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = series._write

    def write(*args: object) -> tuple[int, list[int]]:
        size, own = written(*args)  # type: ignore[arg-type]
        return size, [10**6, *own[1:]]

    monkeypatch.setattr(series, "_write", write)
    slices = {name: contents[name] for name in ("a.dcm", "b.dcm", "c.dcm")}
    data = hpac_cli.encode_series(slices, effort=1)
    assert [member.num_frames for member in read(data).header.members] == [0, 1, 1]
    assert hpac_cli.decode_series(data) == slices


def test_what_is_transcoded_is_said(tmp_path: Path, photograph: np.ndarray) -> None:
    pytest.importorskip("imagecodecs")
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "a.tif").write_bytes(make_tiff(photograph[:32, :32], photometric="rgb", compression="zstd"))
    (folder / "b.png").write_bytes(save_png(photograph[:9, :9]))
    assert hpac("encode", "--series", "--transcode", folder).returncode == 0
    found = api.inspect(str(tmp_path / "s.hpac"))
    assert found["fidelity"] == "samples+metadata"
    assert [member["fidelity"] for member in found["members"]] == ["samples+metadata", "bytes"]
    assert hpac("compare", folder, tmp_path / "s.hpac", "--require", "samples").returncode == 0


# order


def test_slices_are_in_order_of_place_whatever_their_names(packed: bytes) -> None:
    assert names_in(packed)[:4] == ["c.dcm", "a.dcm", "b.dcm", "d.dcm"]


def key(name: str, **attributes: object) -> tuple:
    file = io.BytesIO(make_slice(1, np.zeros((4, 4), np.uint8), **attributes))
    return place_of(name, "dicom", file)


def test_slices_at_one_place_are_in_order_of_time() -> None:
    late, early = key("a", TemporalPositionIdentifier=12), key("b", TemporalPositionIdentifier=9)
    other = key("c", ImagePositionPatient=[0, 0, -7], TemporalPositionIdentifier=30)
    assert other < early < late
    assert key("a", AcquisitionTime="101500.5") > key("b", AcquisitionTime="101500.25")
    assert key("a", InstanceNumber=10) > key("b", InstanceNumber=9)


def test_the_place_of_a_slice_is_along_its_normal() -> None:
    coronal = [1, 0, 0, 0, 0, -1]
    places = [
        key(name, ImageOrientationPatient=coronal, ImagePositionPatient=[0, y, 50 - y])
        for name, y in (("b", 2), ("a", 9))
    ]
    assert places[0] < places[1]


def test_two_series_and_two_orientations_do_not_mix() -> None:
    keys = [
        key(f"{number}{turn}{z}", SeriesNumber=number, ImageOrientationPatient=turn, ImagePositionPatient=[z, z, z])
        for number in (2, 10)
        for turn in ([0, 1, 0, 0, 0, 1], AXIAL)
        for z in (1, 2)
    ]
    assert keys == sorted(keys)


def test_what_has_no_place_is_in_order_of_its_name_behind_what_has_one() -> None:
    names = ["a/9", "a/10", "a/b", "B1", "b02", "b2", "b10"]
    assert sorted(set(names), key=natural) == names
    assert key("z") < place_of("a", "png", io.BytesIO())
    assert key("z", ImagePositionPatient=None) > key("a")


def test_deflated_dicom_is_not_inflated_for_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    from make_golden import recoded
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    file = recoded(make_slice(1, np.zeros((4, 4), np.uint8)), DeflatedExplicitVRLittleEndian)
    monkeypatch.setattr("pydicom.dcmread", None)
    assert place_of("a", "dicom", io.BytesIO(file))[0] == 1


# parts


@pytest.mark.parametrize("name", ["b.dcm", "below/more/rgb.png", "notes.txt", "empty", "below/noise"])
def test_a_member_is_taken_out(name: str, packed: bytes, contents: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "s.hpac").write_bytes(packed)
    result = api.decompress_member(str(tmp_path / "s.hpac"), name, None, api.Session())
    assert Path(result.output) == tmp_path / Path(name).name
    assert Path(result.output).read_bytes() == contents[name]


def test_a_member_needs_no_tiles_of_others(packed: bytes, contents: dict[str, bytes], tmp_path: Path) -> None:
    reader = Reader(io.BytesIO(packed), DEFAULT_LIMITS)
    list(reader.pieces())
    sizes = [tile.size for tile in reader.tiles()]
    start = len(packed) - reader.sizes["end"] - sum(sizes)
    damaged = bytearray(packed)
    for at in (start + 20, start + sizes[0] + 20, len(packed) - reader.sizes["end"] - 20):
        damaged[at] ^= 1
    (tmp_path / "s.hpac").write_bytes(damaged)
    assert hpac("decode", tmp_path / "s.hpac", "--member", "b.dcm", "-o", tmp_path / "b").returncode == 0
    assert (tmp_path / "b").read_bytes() == contents["b.dcm"]
    for name in ("c.dcm", "a.dcm"):
        assert hpac("decode", tmp_path / "s.hpac", "--member", name, "-o", tmp_path / "c").returncode == 4


def test_an_open_series_has_the_frames_of_all_its_files(packed: bytes, photograph: np.ndarray) -> None:
    picture = hpac_cli.open(io.BytesIO(packed))
    grey = photograph[200:240, 300:348, 1].astype(np.uint16) * 5
    assert (picture.kind, picture.num_frames, picture.pictures) == ("series", 6, tuple(range(6)))
    assert picture.members[:2] == ("c.dcm", "a.dcm")
    assert "notes.txt" in picture.members
    for number in range(4):
        assert np.array_equal(picture.read(frame=number)[..., 0], grey + number)
    assert np.array_equal(picture.read(frame=4, region=(3, 4, 10, 9)), photograph[204:213, 303:313])
    with pytest.raises(UsageError, match="there are 6"):
        picture.read(frame=6)
    for ask in (picture.read_file, picture.outline):
        with pytest.raises(UsageError, match="member="):
            ask()


def test_a_file_of_a_series_is_opened_by_its_name(
    packed: bytes, contents: dict[str, bytes], photograph: np.ndarray
) -> None:
    grey = photograph[200:240, 300:348, 1].astype(np.uint16) * 5
    with hpac_cli.open(io.BytesIO(packed), member="b.dcm") as picture:
        assert (picture.kind, picture.num_frames, picture.members) == ("dicom", 1, ())
        assert np.array_equal(picture.read()[..., 0], grey + 2)
        assert picture.read_file() == contents["b.dcm"]
        assert picture.metadata["source_bytes"] == len(contents["b.dcm"])
    with hpac_cli.open(io.BytesIO(packed), member="notes.txt") as picture:
        assert picture.num_frames == 0
        assert picture.read_file() == contents["notes.txt"]
    with pytest.raises(UsageError, match="no file x"):
        hpac_cli.open(io.BytesIO(packed), member="x")
    stream = CountedStream(packed)
    dataset = dcmread(stream, member="d.dcm")
    assert stream.count < len(packed) / 2  # tiles of others are left out
    assert np.array_equal(dataset.pixel_array, grey + 3)


def test_the_size_of_a_series_is_that_of_all_its_files(
    packed: bytes, contents: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "a.hpac").write_bytes(packed)
    assert api.list_file(str(tmp_path / "a.hpac")).source_bytes == sum(map(len, contents.values()))


def test_a_member_whose_bytes_are_others_is_refused(packed: bytes, tmp_path: Path) -> None:
    reader = read(packed)
    end = packed[: len(packed) - reader.sizes["end"]] + chunk(
        b"E", b"".join([reader.samples_hash, *map(bytes, map(len, reader.member_hashes))])
    )
    (tmp_path / "s.hpac").write_bytes(end)
    for name in ("a.dcm", "notes.txt"):
        with pytest.raises(HpacError):
            api.decompress_member(str(tmp_path / "s.hpac"), name, None, api.Session())
        assert not (tmp_path / name).exists()


def test_parts_of_a_series_are_converted(packed: bytes, photograph: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "s.hpac").write_bytes(packed)
    rgb, grey = photograph[200:232, 300:340], photograph[200:240, 300:348, 1].astype(np.uint16) * 5
    for options, expected in (
        (["--member", "below/more/rgb.png"], rgb),
        (["--member", "below/more/rgb.png", "--region", "4,6,20,10"], rgb[6:16, 4:24]),
        (["--member", "b.dcm", "--frame", "0"], grey[..., None] + 2),
        (["--frame", "1"], grey[..., None] + 1),
        (["--frame", "4", "--region", "0,0,8,8"], rgb[:8, :8]),
    ):
        assert hpac("decode", tmp_path / "s.hpac", *options, "-o", tmp_path / "x.npy", "-f").returncode == 0
        assert np.array_equal(np.load(tmp_path / "x.npy"), expected)


def test_what_a_series_has_not_is_told(packed: bytes, tmp_path: Path) -> None:
    (tmp_path / "s.hpac").write_bytes(packed)
    (tmp_path / "a.png").write_bytes(save_png(np.zeros((3, 3), np.uint8)))
    assert hpac("encode", tmp_path / "a.png").returncode == 0
    for name, options, text in (
        ("s.hpac", ["--member", "x.dcm"], b"no file x.dcm"),
        ("s.hpac", ["--frame", "6", "-o", "x.npy"], b"no frame 6"),
        ("s.hpac", ["--region", "0,0,1,1", "-o", "x.npy"], b"name a frame"),
        ("s.hpac", ["-o", "-"], b"becomes a folder"),
        ("a.png.hpac", ["--member", "a.png"], b"no series"),
    ):
        result = hpac("decode", name, *options, cwd=tmp_path)
        assert (result.returncode, text in result.stderr) == (2, True), result.stderr


def test_slices_of_one_shape_are_one_array(contents: dict[str, bytes], photograph: np.ndarray) -> None:
    slices = {name: data for name, data in contents.items() if name.endswith((".dcm", ".txt"))}
    volume = hpac_cli.decode(hpac_cli.encode_series(slices, effort=1))
    assert volume.shape == (4, 40, 48, 1)
    assert np.array_equal(volume[3], photograph[200:240, 300:348, 1, None].astype(np.uint16) * 5 + 3)


def test_a_file_alone_is_no_series(photograph: np.ndarray) -> None:
    with pytest.raises(UsageError, match="no series"):
        hpac_cli.decode_series(hpac_cli.encode(photograph[:9, :9], effort=1))


# what is said


def test_info_lists_the_members(packed: bytes, tmp_path: Path) -> None:
    (tmp_path / "s.hpac").write_bytes(packed)
    found = json.loads(hpac("info", "--json", tmp_path / "s.hpac").stdout)
    members = {member["name"]: member for member in found["members"]}
    assert (found["kind"], len(members), found["kept_whole"]) == ("series", 9, False)
    assert (members["b.dcm"]["kind"], members["b.dcm"]["first_frame"], members["b.dcm"]["frames"]) == ("dicom", 2, 1)
    assert (members["notes.txt"]["kept_whole"], members["notes.txt"]["kept_whole_bytes"]) == (True, 340)
    assert sum(member["tile_bytes"] for member in members.values()) == found["bytes"]["tiles"]
    assert sum(found["bytes"].values()) == 2 * len(packed)
    text = hpac("info", tmp_path / "s.hpac").stdout.decode()
    assert "below/more/rgb.png  png, frame 4" in text


def test_the_source_of_a_series_is_all_its_files(packed: bytes, contents: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "s.hpac").write_bytes(packed)
    size = sum(map(len, contents.values()))
    assert api.list_file(str(tmp_path / "s.hpac")).source_bytes == size
    assert api.inspect(str(tmp_path / "s.hpac"))["source_bytes"] == size
    (tmp_path / "text.hpac").write_bytes(hpac_cli.encode_series({"a": b"one", "b": b"three"}, effort=1))
    assert api.list_file(str(tmp_path / "text.hpac")).source_bytes == 8


def test_names_fake_no_lines(tmp_path: Path) -> None:
    (tmp_path / "s.hpac").write_bytes(hpac_cli.encode_series({"a\n  file  sha256 0\x1b[2J": b"1"}, effort=1))
    text = hpac("info", tmp_path / "s.hpac").stdout.decode()
    assert "a?  file  sha256 0?[2J" in text


def test_a_batch_tells_of_a_series(folder: Path) -> None:
    done, summary = lines(hpac("encode", "--series", "-r", "--json", folder))
    assert (done["file"], done["output"], done["status"]) == (str(folder), f"{folder}.hpac", "done")
    assert done["input_bytes"] == sum(map(len, all_files(folder).values()))
    assert done["output_bytes"] == Path(done["output"]).stat().st_size
    assert done["kept"] == "3 of 9 files are kept whole"
    assert summary["summary"]["files"] == 1


def test_a_dry_run_writes_nothing_and_comes_near(folder: Path, packed: bytes) -> None:
    done, _ = lines(hpac("encode", "--series", "-r", "--dry-run", "--json", folder))
    assert len(packed) / 2 < done["output_bytes"] < 2 * len(packed)
    assert not Path(f"{folder}.hpac").exists()


def test_check_and_verify_find_no_fault(folder: Path, packed: bytes, tmp_path: Path) -> None:
    (tmp_path / "s.hpac").write_bytes(packed)
    assert hpac("check", "--series", "-r", folder).returncode == 0
    assert hpac("verify", tmp_path / "s.hpac").returncode == 0


def test_series_and_folders_are_compared(folder: Path, packed: bytes, tmp_path: Path) -> None:
    (tmp_path / "s.hpac").write_bytes(packed)
    assert hpac("compare", folder, tmp_path / "s.hpac").stdout == b"bytes\n"
    rgb = folder / "below" / "more" / "rgb.png"
    rgb.write_bytes(
        save_png(hpac_cli.decode(hpac_cli.encode_series({"a": rgb.read_bytes()}, effort=1)), compress_level=1)
    )
    assert hpac("compare", folder, tmp_path / "s.hpac").stdout == b"samples+metadata\n"
    (folder / "notes.txt").write_text("other")
    assert hpac("compare", tmp_path / "s.hpac", folder).stdout == b"different\n"
    (folder / "notes.txt").unlink()
    assert hpac("compare", tmp_path / "s.hpac", folder).stdout == b"different\n"
    assert hpac("compare", tmp_path / "s.hpac", rgb).returncode == 2


# which files, and where to


def test_only_a_recursive_series_takes_what_lies_below(folder: Path) -> None:
    result = hpac("encode", "--series", folder)
    assert b"1 a folder, of which -r takes what is in it" in result.stderr
    assert sorted(names_in(Path(f"{folder}.hpac").read_bytes())) == [
        "a.dcm",
        "b.dcm",
        "c.dcm",
        "d.dcm",
        "empty",
        "notes.txt",
    ]


def test_the_output_is_no_part_of_itself(folder: Path) -> None:
    for _ in range(2):
        assert hpac("encode", "--series", folder, "-o", folder / "all.hpac", "-f").returncode == 0
        assert "all.hpac" not in names_in((folder / "all.hpac").read_bytes())


def test_no_file_is_overwritten_by_its_series(folder: Path, contents: dict[str, bytes]) -> None:
    result = hpac("encode", "--series", "-f", folder / "a.dcm", folder / "b.dcm", "-o", folder / "b.dcm")
    assert (result.returncode, b"is the input itself" in result.stderr) == (6, True)
    assert (folder / "b.dcm").read_bytes() == contents["b.dcm"]


@pytest.mark.parametrize("remove", [["--rm"], []])
def test_a_file_of_the_folder_is_never_the_output(folder: Path, contents: dict[str, bytes], remove: list[str]) -> None:
    for name in ("notes.txt", "a.dcm", "empty"):
        result = hpac("encode", "--series", "-r", folder, "-o", folder / name, "--force", *remove)
        assert (result.returncode, b"is the input itself" in result.stderr) == (6, True), result.stderr
    assert all_files(folder) == contents


def test_a_series_elsewhere_gives_its_files_one_by_one(
    packed: bytes, contents: dict[str, bytes], tmp_path: Path
) -> None:
    pytest.importorskip("fsspec")
    (tmp_path / "s.hpac").write_bytes(packed)
    url = f"file://{tmp_path}/s.hpac"
    result = hpac("decode", url)
    assert (result.returncode, b"--member" in result.stderr) == (2, True)
    assert hpac("decode", url, "--member", "b.dcm", "-o", tmp_path / "b").returncode == 0
    assert (tmp_path / "b").read_bytes() == contents["b.dcm"]


def test_files_make_a_series_too(folder: Path, contents: dict[str, bytes], tmp_path: Path) -> None:
    files = [folder / "a.dcm", folder / "below" / "page.tif"]
    assert hpac("encode", "--series", *files, "-o", tmp_path / "two.hpac").returncode == 0
    data = (tmp_path / "two.hpac").read_bytes()
    assert hpac_cli.decode_series(data) == {"a.dcm": contents["a.dcm"], "page.tif": contents["below/page.tif"]}


def test_what_makes_no_series_is_told(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "a.dcm", folder / "below")
    (tmp_path / "nothing").mkdir()
    for args, text in (
        ((folder / "a.dcm",), b"name the output"),
        ((folder / "a.dcm", folder / "below" / "a.dcm", "-o", "x.hpac"), b"would both be a.dcm"),
        (("-", "-o", "x.hpac"), b"standard input"),
        (("s3://bucket/scan", "-o", "x.hpac"), b"URLs"),
        ((tmp_path / "nothing",), b"no file"),
        ((folder, "--scheduler", "tcp://head:1"), b"scheduler"),
    ):
        result = hpac("encode", "--series", *args, cwd=tmp_path)
        assert (result.returncode, text in result.stderr) == (2, True), result.stderr
    assert not list(tmp_path.glob("*.hpac"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_pipe_is_no_file_of_a_series(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for command in (["encode", "-o", tmp_path / "x.hpac"], ["check"]):
        result = hpac(*command, "--series", tmp_path / "pipe", folder / "a.dcm")
        assert (result.returncode, b"pipe is a pipe or device" in result.stderr) == (2, True), result.stderr


@pytest.mark.parametrize("command", ["encode", "check"])
def test_raw_samples_make_no_series(folder: Path, command: str) -> None:
    result = hpac(command, "--series", "--raw", "4x4x1x8", folder)
    assert (result.returncode, b"cannot be combined with --series" in result.stderr) == (2, True), result.stderr


def test_a_file_that_cannot_be_read_is_named(folder: Path, tmp_path: Path) -> None:
    result = hpac("encode", "--series", folder / "a.dcm", folder / "gone.dcm", "-o", tmp_path / "x.hpac")
    assert (result.returncode, b"gone.dcm: no such file" in result.stderr) == (7, True)
    assert not (tmp_path / "x.hpac").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="permissions as POSIX has them")
def test_a_series_is_read_by_those_alone_who_can_read_all_of_it(folder: Path) -> None:
    (folder / "b.dcm").chmod(0o444)
    (folder / "a.dcm").chmod(0o640)
    assert hpac("encode", "--series", folder).returncode == 0
    assert stat.S_IMODE(os.stat(f"{folder}.hpac").st_mode) == 0o440


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_a_series_of_several_owners_is_for_the_caller_alone(folder: Path) -> None:
    for path in folder.rglob("*"):
        os.chown(path, 1001, 1001)
    os.chown(folder / "b.dcm", 1001, 1002)
    assert hpac("encode", "--series", folder).returncode == 0
    found = os.stat(f"{folder}.hpac")
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o600, os.geteuid(), os.getegid())


def test_limits_hold_for_all_files_together(folder: Path) -> None:
    pixels = 4 * 40 * 48 + 2 * 32 * 40
    assert hpac("encode", "--series", "-r", folder, "--max-pixels", pixels - 1).returncode == 5
    assert hpac("encode", "--series", "-r", folder, "--max-pixels", pixels).returncode == 0
    assert hpac("verify", f"{folder}.hpac", "--max-pixels", pixels - 1).returncode == 5


# what exists already


def test_a_folder_that_exists_is_left_alone(packed: bytes, contents: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "s.hpac").write_bytes(packed)
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "mine").write_text("mine")
    (tmp_path / "s" / "a.dcm").write_text("changed")
    assert hpac("decode", tmp_path / "s.hpac").returncode == 6
    assert hpac("decode", "--skip-existing", tmp_path / "s.hpac").returncode == 6
    assert all_files(tmp_path / "s") == {"mine": b"mine", "a.dcm": b"changed"}
    assert hpac("decode", "--force", "--remove-source", tmp_path / "s.hpac").returncode == 6
    assert hpac("decode", "--force", tmp_path / "s.hpac").returncode == 0
    assert all_files(tmp_path / "s") == {**contents, "mine": b"mine"}


def test_a_folder_that_exists_is_told_before_anything_is_decoded(packed: bytes, tmp_path: Path) -> None:
    """Else it would be the damage at the end that is told."""
    (tmp_path / "s.hpac").write_bytes(packed[:-1] + b"?")
    (tmp_path / "s").mkdir()
    assert hpac("decode", tmp_path / "s.hpac").returncode == 6


def test_skip_existing_completes_a_folder(packed: bytes, contents: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "s.hpac").write_bytes(packed)
    assert hpac("decode", tmp_path / "s.hpac").returncode == 0
    (tmp_path / "s" / "below" / "page.tif").unlink()
    (tmp_path / "s" / "b.dcm").unlink()
    assert lines(hpac("decode", "--skip-existing", "--json", tmp_path / "s.hpac"))[0]["status"] == "done"
    assert all_files(tmp_path / "s") == contents
    assert lines(hpac("decode", "--skip-existing", "--json", tmp_path / "s.hpac"))[0]["status"] == "skipped"


@pytest.mark.parametrize("name", ["a:b", "a\\b", "NUL", "x/com1.dcm", "a./b", "a ", "b?", "a\nb"])
def test_names_that_windows_cannot_hold_are_known(name: str) -> None:
    assert folders._NOT_ON_WINDOWS.search(name)
    assert not folders._NOT_ON_WINDOWS.search("nullify/console.dcm/a b/.c")


def test_nothing_is_written_through_a_link(packed: bytes, tmp_path: Path) -> None:
    (tmp_path / "s.hpac").write_bytes(packed)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "below").symlink_to(tmp_path / "elsewhere")
    result = hpac("decode", "--force", tmp_path / "s.hpac")
    assert (result.returncode, b"is a link" in result.stderr) == (6, True)
    (tmp_path / "s" / "below").unlink()
    (tmp_path / "s" / "a.dcm").symlink_to(tmp_path / "elsewhere" / "a.dcm")
    assert hpac("decode", "--force", tmp_path / "s.hpac").returncode == 6
    assert sorted(os.listdir(tmp_path / "s")) == ["a.dcm"]
    assert not os.listdir(tmp_path / "elsewhere")


def test_skip_existing_leaves_out_only_a_series_of_these_very_files(folder: Path) -> None:
    assert hpac("encode", "--series", folder).returncode == 0
    assert lines(hpac("encode", "--series", "--skip-existing", "--json", folder))[0]["status"] == "skipped"
    (folder / "notes.txt").write_text("other")
    assert hpac("encode", "--series", "--skip-existing", folder).returncode == 6
    (folder / "notes.txt").unlink()
    assert hpac("encode", "--series", "--skip-existing", folder).returncode == 6
    result = hpac("encode", "--series", "--force", folder)
    assert (result.returncode, b"was overwritten" in result.stderr) == (0, True)


def test_nothing_is_left_of_a_series_that_fails(packed: bytes, tmp_path: Path) -> None:
    reader = read(packed)
    damaged = bytearray(packed)
    damaged[len(packed) - reader.sizes["end"] - 30] ^= 1
    (tmp_path / "s.hpac").write_bytes(damaged)
    assert hpac("decode", tmp_path / "s.hpac").returncode == 4
    assert os.listdir(tmp_path) == ["s.hpac"]


def test_what_a_killed_call_left_is_no_source(folder: Path) -> None:
    with folders.staged(folder / "x") as stage:
        (stage / "a.dcm").write_bytes(b"half of it")
        found = find_sources([str(folder)], recursive=True, why_not=lambda _head, _name: "")
    assert [left.name for left in found.left_out] == [str(stage)]
    assert not stage.exists()


def test_names_that_the_file_system_takes_for_one_lose_no_file(
    packed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s.hpac").write_bytes(hpac_cli.encode_series({"a": b"1", "A": b"2"}, effort=1))
    opened = Path.open

    def open_folded(path: Path, *args: str) -> object:
        return opened(path.with_name("A") if path.name == "a" else path, *args)

    monkeypatch.setattr(Path, "open", open_folded)
    with pytest.raises(HpacError, match="takes a for the name of another"):
        api.decompress(str(tmp_path / "s.hpac"), None, api.Session())
    assert os.listdir(tmp_path) == ["s.hpac"]


# only copies


def series_task(folder: Path, output: Path) -> Task:
    sources = tuple(Source(str(p), str(p.relative_to(folder))) for p in sorted(folder.rglob("*")) if p.is_file())
    return Task(str(folder), str(output), None, sources)


def test_sources_are_removed_when_all_came_back(folder: Path, contents: dict[str, bytes], tmp_path: Path) -> None:
    assert hpac("encode", "--series", "-r", "--remove-source", folder).returncode == 0
    assert not all_files(folder)
    shutil.rmtree(folder)
    assert hpac("decode", "--remove-source", tmp_path / "scan.hpac").returncode == 0
    assert all_files(folder) == contents
    assert not (tmp_path / "scan.hpac").exists()


def test_a_series_goes_where_its_folder_is_named_too(packed: bytes, contents: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "s.hpac").write_bytes(packed)
    (tmp_path / "back").mkdir()
    result = hpac("decode", tmp_path / "s.hpac", "-o", tmp_path / "back", "--rm")
    assert (result.returncode, b"exists; use --force" in result.stderr) == (6, True), result.stderr
    assert hpac("decode", tmp_path / "s.hpac", "-o", tmp_path / "back", "--rm", "--force").returncode == 0
    assert all_files(tmp_path) == {f"back/{name}": data for name, data in contents.items()}


def test_one_source_that_changes_keeps_all(folder: Path, contents: dict[str, bytes], tmp_path: Path) -> None:
    def work(task: Task, session: api.Session) -> api.Result:
        inputs = [api.Input(member.name, member.within) for member in task.members]
        result = api.compress_series(inputs, str(task.target), session)
        (folder / "notes.txt").write_text("changed meanwhile")
        return result

    session = api.Session(api.Options(effort=1, remove_source=True))
    outcome = attempt(series_task(folder, tmp_path / "x.hpac"), session, work)
    assert (outcome.status, "changed" in outcome.error) == ("failed", True)
    assert set(all_files(folder)) == set(contents)


def test_what_comes_back_otherwise_is_not_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "_hash_made", lambda image: b"h" * 32)
    inputs = [api.Input(str(folder / name), name) for name in ("a.dcm", "notes.txt")]
    with pytest.raises(RoundTripError):
        api.compress_series(inputs, str(tmp_path / "x.hpac"), api.Session(api.Options(effort=1)))
    assert not (tmp_path / "x.hpac").exists()


def test_a_file_that_changes_while_a_series_is_encoded_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = api.Session.encode

    def encode_later(session: api.Session, *args: object) -> None:
        (folder / "notes.txt").write_bytes(b"other text beside\n" * 20)
        encode(session, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(api.Session, "encode", encode_later)
    inputs = [api.Input(str(folder / name), name) for name in ("a.dcm", "notes.txt")]
    with pytest.raises(FileAccessError, match=r"notes.txt changed"):
        api.compress_series(inputs, str(tmp_path / "x.hpac"), api.Session(api.Options(effort=1, verify=False)))
    assert not (tmp_path / "x.hpac").exists()


def test_a_series_of_other_files_is_not_overwritten_where_sources_go(folder: Path) -> None:
    assert hpac("encode", "--series", folder).returncode == 0
    (folder / "notes.txt").write_text("other")
    assert hpac("encode", "--series", "--force", "--remove-source", folder).returncode == 6
    assert (folder / "notes.txt").exists()


@pytest.mark.parametrize("option", ["--force", "--skip-existing", "--salvage"])
def test_a_series_is_not_overwritten_by_its_own_file(tmp_path: Path, option: str) -> None:
    data = hpac_cli.encode_series({"x.hpac": b"one", "y": b"two"}, effort=1)
    (tmp_path / "x.hpac").write_bytes(data)
    result = hpac("decode", "x.hpac", "-o", ".", option, *(["-f"] if option == "--salvage" else []), cwd=tmp_path)
    assert (result.returncode, b"is the input itself" in result.stderr) == (6, True), result.stderr
    assert all_files(tmp_path) == {"x.hpac": data}


def test_a_file_of_a_series_does_not_overwrite_another_input(tmp_path: Path) -> None:
    (tmp_path / "a.hpac").write_bytes(hpac_cli.encode_series({"b.hpac": b"one"}, effort=1))
    (tmp_path / "out" / "a").mkdir(parents=True)
    other = hpac_cli.encode_series({"c": b"two"}, effort=1)
    (tmp_path / "out" / "a" / "b.hpac").write_bytes(other)
    result = hpac("decode", "a.hpac", "out/a/b.hpac", "--output-dir", "out", "--force", cwd=tmp_path)
    assert (result.returncode, b"is an input itself" in result.stderr) == (2, True), result.stderr
    assert all_files(tmp_path / "out") == {"a/b.hpac": other}


@pytest.mark.parametrize("remove", [True, False])
def test_a_file_that_appears_after_all_were_judged_is_not_replaced(
    packed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remove: bool
) -> None:
    (tmp_path / "s.hpac").write_bytes(packed)
    (tmp_path / "s").mkdir()
    publish = folders.files.publish

    def publish_later(temporary: Path, path: Path, *, force: bool) -> None:
        if not path.exists():
            path.write_bytes(b"of another program")
        publish(temporary, path, force=force)

    monkeypatch.setattr(folders.files, "publish", publish_later)
    options = api.Options(force=True, remove_source=remove)
    outcome = attempt(Task(str(tmp_path / "s.hpac"), None, None), api.Session(options), actions.decode)
    assert outcome.exit_code == 6
    assert all_files(tmp_path / "s").popitem()[1] == b"of another program"
    assert (tmp_path / "s.hpac").exists()


def list_synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """The folders that are put on disk from now on, by their names, and what was in each then."""
    synced: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(folders.files, "sync_folder", lambda path: synced.append((path.name, sorted(os.listdir(path)))))
    return synced


def test_all_folders_of_a_series_are_on_disk_before_it_is_removed(
    packed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s.hpac").write_bytes(packed)
    synced = list_synced(monkeypatch)
    api.decompress(str(tmp_path / "s.hpac"), str(tmp_path / "s"), api.Session())
    *inside, (name, names) = synced
    assert ("below", ["more", "noise", "page.tif"]) in inside
    assert ("more", ["rgb.png"]) in inside
    assert any("a.dcm" in held for _, held in inside)
    assert (name, "s" in names) == (tmp_path.name, True)


def test_folders_that_are_made_are_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = list_synced(monkeypatch)
    folders.files.make_folder(tmp_path / "a" / "b")
    folders.files.make_folder(tmp_path / "a" / "b")
    assert synced == [(tmp_path.name, ["a"]), ("a", ["b"])]


def test_folders_in_a_folder_that_exists_are_on_disk(
    packed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s.hpac").write_bytes(packed)
    (tmp_path / "s").mkdir()
    synced = list_synced(monkeypatch)
    api.decompress(str(tmp_path / "s.hpac"), str(tmp_path / "s"), api.Session(api.Options(force=True)))
    assert ("below", ["more"]) in synced
    assert any(name == "s" and "below" in names for name, names in synced)


# damage


def salvage(data: bytes, tmp_path: Path) -> tuple[dict[str, bytes], list[str]]:
    shutil.rmtree(tmp_path / "s", ignore_errors=True)
    (tmp_path / "s.hpac").write_bytes(data)
    assert hpac("decode", "--salvage", "-f", tmp_path / "s.hpac").returncode == 9
    return all_files(tmp_path / "s"), json.loads((tmp_path / "s.lost.json").read_text())["files_lost"]


def test_salvage_saves_every_file_that_is_whole(packed: bytes, contents: dict[str, bytes], tmp_path: Path) -> None:
    sizes = read(packed).sizes
    end = len(packed) - sizes["end"]
    whole = {"notes.txt", "empty", "below/noise"}
    for at, lost in (
        (end - sizes["tiles"] + 20, {"c.dcm"}),  # its only tile
        (end - 20, {"below/page.tif"}),
        (end - sizes["tiles"] - 20, {"notes.txt"}),  # it has a piece of its own
        (end - sizes["tiles"] - sizes["pieces"] - sizes["frames"] - 20, set(contents) - whole),
        (len(packed) - 20, set()),
    ):
        damaged = bytearray(packed)
        damaged[at] ^= 1
        saved, missing = salvage(bytes(damaged), tmp_path)
        assert saved == {name: data for name, data in contents.items() if name not in lost}
        assert set(missing) == lost


def test_salvage_knows_a_series_that_holds_a_damaged_hpac_file() -> None:
    noise = random.Random(4).randbytes(3000)
    inner = hpac_cli.encode_series({"x": noise[:500]}, effort=1)
    data = hpac_cli.encode_series({"0.hpac": noise[500:] + inner, "b": b"text"}, effort=1)
    at = data.index(noise[500:]) + 99
    for damaged in (data[:at] + b"x" + data[at + 1 :], data[:at] + b"x" + data[at:]):
        found = find_undamaged(damaged, DEFAULT_LIMITS)
        assert [member.name for member in found.header.members] == [b"0.hpac", b"b"]


def test_salvage_saves_all_but_a_file_that_cannot_be_made_again(tmp_path: Path) -> None:
    files = {f"{i}.png": save_png(np.arange(42, dtype=np.uint8).reshape(6, 7) * (i + 1)) for i in range(3)}
    data = hpac_cli.encode_series(files, effort=1)
    end = data[-read(data).sizes["end"] : -4]
    data = data[: -len(end) - 4] + chunk(b"E", end[2:-1] + bytes([end[-1] ^ 1]))  # another hash of the last file
    saved, missing = salvage(data, tmp_path)
    assert saved == {name: file for name, file in files.items() if name != "2.png"}
    assert missing == ["2.png"]


def test_salvage_saves_files_whose_samples_are_all_the_same(tmp_path: Path) -> None:
    files = {f"{i}.png": save_png(np.full((6, 7), i, np.uint8)) for i in range(2)}
    data = bytearray(hpac_cli.encode_series(files, effort=1))
    data[-1] ^= 1
    assert salvage(bytes(data), tmp_path) == (files, [])


def test_salvage_gives_the_samples_where_all_around_them_is_lost(packed: bytes, tmp_path: Path) -> None:
    damaged = bytearray(packed)
    damaged[len(SIGNATURE) + 2 + read(packed).sizes["header"] + 9] ^= 1
    (tmp_path / "s.hpac").write_bytes(damaged)
    assert hpac("decode", "--salvage", tmp_path / "s.hpac", "-o", tmp_path / "s.tif").returncode == 9
    assert (tmp_path / "s.tif").exists()


def test_every_damage_is_noticed() -> None:
    data = hpac_cli.encode_series(
        {"a.png": save_png(np.arange(12, dtype=np.uint8).reshape(3, 4)), "b": b"text"}, effort=1
    )
    for at in range(len(data)):
        if at in (len(SIGNATURE) + 1,):
            continue  # the minor version
        damaged = bytearray(data)
        damaged[at] ^= 1
        with pytest.raises(HpacError):
            hpac_cli.decode_series(bytes(damaged))
        with pytest.raises(HpacError):
            hpac_cli.decode_series(data[:at])


# hostile containers


@pytest.mark.parametrize(
    "names",
    [
        [b"../a"],
        [b"a/../../b"],
        [b"/etc/passwd"],
        [b"a//b"],
        [b"a/"],
        [b"."],
        [b""],
        [b"a\0b"],
        [b"x" * 256],
        [b"a", b"a"],
        [b"a", b"a/b"],
        [b"a/b", b"a!", b"a"],
        [b"/".join([b"a" * 200] * 21)],
        [b"/".join([b"a"] * 65)],
    ],
    ids=str,
)
def test_names_that_lead_elsewhere_are_refused(names: list[bytes]) -> None:
    table = build_members([Member(name, Kind.FILE, True, 0, 0, 1) for name in names])
    with pytest.raises(ContainerError):
        parse_members(table, DEFAULT_LIMITS)


def test_names_that_stay_below_are_taken() -> None:
    check_names(
        [b"a", b"a.b/c", b"...", b".hidden", b"-r", "\N{SNOWMAN}\udc80".encode(errors="surrogateescape"), b"a b"]
    )


@pytest.mark.parametrize(
    "member",
    [
        Member(b"a", Kind.ARRAY, True, 0, 1, 1),
        Member(b"a", Kind.SERIES, True, 0, 1, 1),
        Member(b"a", 12, True, 0, 1, 1),  # type: ignore[arg-type]
        Member(b"a", Kind.PNG, False, 0, 0, 1),
        Member(b"a", Kind.FILE, True, 0, 1, 1),
        Member(b"a", Kind.PNG, True, 64, 1, 1),
    ],
    ids=str,
)
def test_members_that_cannot_be_are_refused(member: Member) -> None:
    with pytest.raises(ContainerError):
        parse_members(build_members([member]), DEFAULT_LIMITS)


def container(members: list[Member], *, frames: int = 0, identical: int = 1, pieces: bytes = b"") -> bytes:
    """A series without tiles, as no encoder writes it."""
    data = SIGNATURE + b"\1\0" + chunk(b"H", bytes([Kind.SERIES, identical, frames, 0]))
    data += chunk(b"S", b"\0" + build_members(members)) if members else b""
    return (
        data
        + pieces
        + chunk(
            b"E",
            hashlib.sha256().digest()[:16]
            + bytes(sum(Header(Kind.SERIES, True, (), members=tuple(members)).hash_lengths())),
        )
    )


FRAME = build_frame(Frame(1, 1, "u1", 8, (Part(1, 0),)))
TEXT = Member(b"a", Kind.FILE, True, 0, 0, 4)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (container([]), "table of members is missing"),
        (container([TEXT], frames=1), "frame is missing"),
        (container([Member(b"a", Kind.PNG, True, 0, 1, 0)]), "does not fit"),
        (container([Member(b"a", Kind.PNG, True, 0, 1, 5)], frames=1, pieces=chunk(b"F", FRAME)), "does not fit"),
        (container([TEXT], identical=0), "not true of its members"),
        (container([TEXT]), "pieces do not fit"),
        (container([TEXT], pieces=chunk(b"P", b"\0\5\0" + b"12345")), "pieces do not fit"),
        (container([Member(b"a", Kind.FILE, True, 0, 0, 1 << 60)]), "pieces do not fit"),
        (container([TEXT], pieces=chunk(b"P", b"\0\4\0" + b"1234")), "does not match"),
        (container([TEXT])[:11] + chunk(b"H", bytes([Kind.SERIES, 1, 0, 2]) + b".x"), "no suffix"),
    ],
    ids=range(10),
)
def test_series_that_lie_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(HpacError, match=message):
        hpac_cli.decode_series(data)


def test_absurd_counts_are_refused_at_once() -> None:
    for table in (b"\xff" * 9 + b"\1", b"\0", b"\xff\xff\x3f" + bytes(9)):
        with pytest.raises(ContainerError):
            parse_members(table, DEFAULT_LIMITS)
    many = build_members([Member(b"%d" % i, Kind.FILE, True, 0, 0, 0) for i in range(11)])
    with pytest.raises(ContainerError, match="11 members"):
        parse_members(many, Limits(max_frames=10))


def test_a_table_that_becomes_too_large_is_refused() -> None:
    body = b"\1" + zlib.compress(bytes(80 << 20), 9)
    data = SIGNATURE + b"\1\0" + chunk(b"H", bytes([Kind.SERIES, 1, 0, 0])) + chunk(b"S", body)
    with pytest.raises(LimitExceededError):
        Reader(io.BytesIO(data), DEFAULT_LIMITS)


def test_writers_take_parts_one_by_one_where_that_is_smaller() -> None:
    stream = io.BytesIO()
    members = (Member(b"a", Kind.FILE, True, 0, 0, 200_000), Member(b"b", Kind.FILE, True, 0, 0, 200_000))
    writer = build.Writer(stream, Header(Kind.SERIES, True, (), members=members), b"")
    writer.pieces([random.Random(5).randbytes(200_000), bytes(200_000)])
    writer.end(bytes(32), bytes(32), bytes(32))
    pieces = list(Reader(io.BytesIO(stream.getvalue()), DEFAULT_LIMITS).pieces())
    assert [(piece.offset, piece.size) for piece in pieces] == [(0, 200_000), (200_000, 200_000)]


def test_a_series_to_another_kind_of_file_needs_pictures(tmp_path: Path) -> None:
    (tmp_path / "s.hpac").write_bytes(hpac_cli.encode_series({"a.txt": b"text"}, effort=1))
    with pytest.raises(UnsupportedError):
        api.decompress(str(tmp_path / "s.hpac"), str(tmp_path / "x.npy"), api.Session())
