"""Files that are kept whole: byte for byte, packed where that pays, in little memory, complete folders."""

import io
import json
import lzma
import os
import random
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile
from conftest import hpac, make_dicom, make_tiff, save_png
from PIL import Image as PillowImage
from test_container import chunk
from test_hostile import run_watched

from hpac_cli import api, images
from hpac_cli.batch.sources import find_sources
from hpac_cli.binary import put_varint
from hpac_cli.codec.whole import decode_whole, encode_whole
from hpac_cli.container import build, fields, parse
from hpac_cli.container.fields import END, HEADER, PIECE, SIGNATURE, Kind, Packing, Piece
from hpac_cli.errors import ContainerError, FileAccessError, IncompleteError, UnsupportedError
from hpac_cli.image import keep_whole
from hpac_cli.kept import Kept
from hpac_cli.limits import DEFAULT_LIMITS, Limits

NOISE = random.Random(1).randbytes(300_000)


def pack(data: bytes) -> bytes:
    out = io.BytesIO()
    encode_whole(keep_whole(io.BytesIO(data), "file", Kept.NO_PICTURE, _sha(data)), out)
    return out.getvalue()


def _sha(data: bytes) -> bytes:
    return api.streams.hash_stream(io.BytesIO(data))


def unpack(data: bytes) -> bytes:
    out = io.BytesIO()
    decode_whole(parse.Reader(io.BytesIO(data), DEFAULT_LIMITS), out)
    return out.getvalue()


def container(pieces: list[Piece], kind: Kind = Kind.FILE, identical: int = 1, end: bytes = bytes(16)) -> bytes:
    data = SIGNATURE + b"\1\0" + chunk(HEADER, b"".join(map(put_varint, (kind, identical, 0, 0))))
    return data + b"".join(chunk(PIECE, fields.build_piece(piece)) for piece in pieces) + chunk(END, end)


@pytest.mark.parametrize("data", [b"", b"x", b"text " * 1000, NOISE], ids=["empty", "byte", "text", "noise"])
def test_any_bytes_come_back(data: bytes) -> None:
    assert unpack(pack(data)) == data


def test_several_pieces_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpac_cli.codec.whole.MAX_PIECE_BYTES", 1 << 16)
    packed = pack(NOISE)
    reader = parse.Reader(io.BytesIO(packed), DEFAULT_LIMITS)
    assert [piece.offset for piece in reader.pieces()] == list(range(0, len(NOISE), 1 << 16))
    assert unpack(packed) == NOISE


def test_text_is_as_small_as_by_xz() -> None:
    text = b" ".join(str(n * n).encode() for n in range(40_000))
    assert len(pack(text)) < len(lzma.compress(text, preset=9)) + 64


def test_what_is_compressed_already_is_not_compressed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def compress(*_args: object, **_options: object) -> bytes:
        raise AssertionError("a slow compressor was asked")

    monkeypatch.setattr(build.lzma, "compress", compress)
    assert len(pack(NOISE)) < len(NOISE) + 100


def test_what_is_written_of_very_much_of_the_same_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "_FREE_BYTES", 1 << 20)
    zeros = bytes(40 << 20)
    packed = pack(zeros)
    assert len(zeros) // 300 < len(packed) < len(zeros) // 30
    assert unpack(packed) == zeros


def test_little_cannot_claim_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "_FREE_BYTES", 1 << 20)
    size = 8 << 20
    body = lzma.compress(bytes(size), lzma.FORMAT_RAW, filters=fields.LZMA_FILTERS)
    with pytest.raises(ContainerError, match="cannot hold"):
        unpack(container([Piece(0, size, Packing.LZMA, body)]))


@pytest.mark.parametrize(
    ("piece", "message"),
    [
        (Piece(0, 5, Packing.STORED, b"123456"), "longer"),
        (Piece(0, 7, Packing.STORED, b"123456"), "holds 6"),
        (Piece(3, 6, Packing.STORED, b"123456"), "out of order"),
        (Piece(0, 0, Packing.STORED, b""), "does not exist"),
        (Piece(0, fields.MAX_PIECE_BYTES + 1, Packing.STORED, b"1"), "does not exist"),
        (Piece(0, 6, Packing.STORED, b"123456"), "SHA-256"),
    ],
)
def test_pieces_that_lie_are_refused(piece: Piece, message: str) -> None:
    with pytest.raises(ContainerError, match=message):
        unpack(container([piece], end=bytes(48)))


def test_what_is_no_file_needs_frames() -> None:
    for data in (container([], Kind.ARRAY), container([], Kind.TIFF, identical=0)):
        with pytest.raises(ContainerError, match="no frames"):
            parse.Reader(io.BytesIO(data), DEFAULT_LIMITS)


def test_a_file_that_changes_while_it_is_encoded_is_refused() -> None:
    image = keep_whole(io.BytesIO(b"what it is now"), "file", Kept.NO_PICTURE, _sha(b"what it was"))
    with pytest.raises(FileAccessError, match="changed"):
        encode_whole(image, io.BytesIO())


def make_slide(path: Path, megabytes: int) -> None:
    """A TIFF of JPEG tiles, and a small uncompressed page, as slide scanners write them."""
    noise, file = np.random.default_rng(1).integers(0, 256, (512, 512, 3), np.uint8), io.BytesIO()
    PillowImage.fromarray(noise).save(file, "jpeg", quality=95)
    side = int((megabytes * 1e6 / file.tell()) ** 0.5)
    tiles, shape = (file.getvalue() for _ in range(side * side)), (side * 512, side * 512, 3)
    with tifffile.TiffWriter(path) as writer:
        writer.write(tiles, shape=shape, dtype=np.uint8, tile=(512, 512), compression="jpeg", photometric="ycbcr")
        writer.write(noise[:100], photometric="rgb")


def test_a_large_slide_is_kept_whole_in_little_memory(tmp_path: Path) -> None:
    slide, back = tmp_path / "slide.svs", tmp_path / "back.svs"
    make_slide(slide, 120)
    for command in (
        ["encode", str(slide)],
        ["check", str(slide)],
        ["info", f"{slide}.hpac"],
        ["verify", f"{slide}.hpac"],
        ["decode", f"{slide}.hpac", "-o", str(back)],
    ):
        code, _, megabytes = run_watched(*command)
        assert code == 0
        assert megabytes < 180, command
    assert back.read_bytes() == slide.read_bytes()


@pytest.mark.parametrize("encapsulated", [True, False])
def test_large_files_are_judged_before_they_are_read(encapsulated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_dicom(np.arange(64 * 64, dtype=np.uint16).reshape(64, 64))
    if encapsulated:
        data = data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.4.50")
    monkeypatch.setattr(images, "_LARGE_BYTES", 1000)
    read: list[int] = []
    honest = images._read_exactly
    monkeypatch.setattr(
        images, "_read_exactly", lambda kind, file, *rest: [read.append(len(file)), honest(kind, file, *rest)][1]
    )
    images.read_stream(io.BytesIO(data), _sha(data))
    assert bool(read) != encapsulated


def test_too_much_beside_the_samples_is_kept_whole() -> None:
    data = make_tiff(np.zeros((9, 9), np.uint8), description="x" * 5000)
    image = images.read(data, Limits(max_metadata_bytes=1000))
    assert not image.frames
    assert image.kept is Kept.BESIDE
    assert images.write(image) == data


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder of all kinds of things."""
    folder = tmp_path / "things"
    (folder / "deep").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "a.png").write_bytes(save_png(np.zeros((5, 5), np.uint8)))
    (folder / "deep" / "b.png.hpac").write_bytes(pack(b"made by another call"))
    (folder / "deep" / "notes.txt").write_text("no picture")
    (folder / "deep" / "photo.jpg").write_bytes(b"\xff\xd8\xff" + NOISE)
    (folder / "nothing").touch()
    (folder / "huge.png").write_bytes(save_png(np.zeros((200, 200), np.uint8)))
    (folder / "link").symlink_to(folder / "a.png")
    return folder


def all_files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and not p.is_symlink()}


def test_a_folder_comes_back_complete(tree: Path, tmp_path: Path) -> None:
    original, packed = all_files(tree), tmp_path / "packed"
    assert hpac("encode", "-r", "--all", "--max-pixels", 30_000, tree, "--output-dir", packed).returncode == 0
    assert hpac("decode", "-r", packed, "--output-dir", tmp_path / "back").returncode == 0
    assert all_files(tmp_path / "back") == original


def test_a_complete_folder_is_moved_and_moved_back(tree: Path) -> None:
    original = all_files(tree)
    assert hpac("encode", "-r", "--all", "--remove-source", tree).returncode == 0
    assert all(name.endswith(".hpac") for name in all_files(tree))
    again = hpac("encode", "-r", "--all", "--skip-existing", tree)
    assert b"0 files" in again.stderr or b"left out" in again.stderr
    (tree / "deep" / "b.png.hpac").unlink()
    assert hpac("decode", "-r", "--remove-source", tree).returncode == 0
    del original["deep/b.png.hpac"]
    assert all_files(tree) == original


def test_a_second_call_leaves_out_what_is_done(tree: Path, tmp_path: Path) -> None:
    command = ("encode", "-r", "--all", tree, "--output-dir", tmp_path / "packed")
    assert hpac(*command).returncode == 0
    result = hpac(*command, "--skip-existing", "--json")
    assert json.loads(result.stdout.splitlines()[-1])["summary"]["skipped"] == 6


def test_outputs_within_a_folder_are_not_taken_for_its_files(tree: Path) -> None:
    command = ("encode", "-r", "--all", tree, "--output-dir", tree / "packed", "--skip-existing")
    assert hpac(*command).returncode == 0
    assert hpac(*command).returncode == 0
    assert not (tree / "packed" / "packed").exists()


def test_what_a_folder_run_leaves_out_is_counted(tree: Path) -> None:
    result = hpac("check", "-r", tree)
    (told,) = (text for text in result.stderr.decode().splitlines() if "left out" in text)
    assert all(
        part in told for part in ("1 an empty folder", "1 a link", "4 no picture that is known", "-v names them")
    )


def test_what_a_folder_run_leaves_out_is_named_on_request(tree: Path) -> None:
    result = hpac("check", "-r", "-v", tree)
    assert f"{tree / 'deep' / 'notes.txt'}: left out: no picture that is known".encode() in result.stderr


def test_what_is_left_out_is_told_in_json_too(tree: Path) -> None:
    result = hpac("check", "-r", "-v", "--json", tree)
    told = [json.loads(text) for text in result.stdout.splitlines()]
    assert {"schema": 1, "left_out": str(tree / "link"), "why": "a link"} in told


def test_a_folder_that_cannot_be_read_is_not_passed_over(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("deep"):
            raise PermissionError(13, "denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = find_sources([str(tree)], recursive=True, why_not=lambda _head, _name: "")
    assert str(tree / "deep") in [source.name for source in found.sources]


def encode_all(path: Path) -> Path:
    api.compress(str(path), None, api.Session(api.Options(keep_all=True)))
    return path.with_name(path.name + ".hpac")


def test_info_says_that_a_file_was_kept_whole(tree: Path) -> None:
    facts = api.inspect(str(encode_all(tree / "deep" / "notes.txt")))
    assert (facts["kind"], facts["kept_whole"], facts["kept_whole_bytes"]) == ("file", True, 10)
    assert facts["kept"] == "no_picture"
    assert b"whole, 10 bytes: it is no picture" in hpac("info", tree / "deep" / "notes.txt.hpac").stdout


def test_a_file_that_was_kept_whole_is_not_converted(tree: Path, tmp_path: Path) -> None:
    packed = encode_all(tree / "deep" / "photo.jpg")
    with pytest.raises(UnsupportedError, match="no picture"):
        api.decompress(str(packed), str(tmp_path / "x.png"), api.Session())
    api.decompress(str(packed), str(tmp_path / "x.jpg"), api.Session())
    assert (tmp_path / "x.jpg").read_bytes() == (tree / "deep" / "photo.jpg").read_bytes()


def test_a_decoded_file_that_is_there_is_left_alone_only_if_it_is_the_same(tree: Path) -> None:
    file = tree / "deep" / "notes.txt"
    packed = encode_all(file)
    session = api.Session(api.Options(remove_source=True, skip_existing=True))
    assert api.decompress(str(packed), None, session).skipped
    file.write_text("something else")
    with pytest.raises(api.existing.OutputExistsError, match="something else"):
        api.decompress(str(packed), None, session)


def test_damage_of_a_file_kept_whole_gives_nothing_half_written(tree: Path) -> None:
    packed = encode_all(tree / "deep" / "photo.jpg")
    data = bytearray(packed.read_bytes())
    data[-60] ^= 1
    packed.write_bytes(data)
    (tree / "deep" / "photo.jpg").unlink()
    result = hpac("decode", packed, "-o", "-")
    assert (result.returncode, result.stdout) == (4, b"")
    assert hpac("decode", packed).returncode == 4
    assert not (tree / "deep" / "photo.jpg").exists()


def test_undamaged_pieces_are_salvaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpac_cli.codec.whole.MAX_PIECE_BYTES", 1 << 16)
    data = bytearray(pack(NOISE))
    data[100_000] ^= 1
    (tmp_path / "x.hpac").write_bytes(data)
    with pytest.raises(IncompleteError, match="65,536 of 300,000 bytes"):
        api.salvage(str(tmp_path / "x.hpac"), str(tmp_path / "x"), api.Session(), fill=0)
    lost = slice(1 << 16, 2 << 16)
    expected = NOISE[: lost.start] + bytes(1 << 16) + NOISE[lost.stop :]
    assert (tmp_path / "x").read_bytes() == expected
    assert json.loads((tmp_path / "x.lost.json").read_text())["bytes_lost"] == [[lost.start, lost.stop]]


def test_a_pipe_is_kept_whole_too(tmp_path: Path) -> None:
    packed = hpac("encode", "--all", "-", "-o", "-", data=b"no picture")
    assert packed.returncode == 0
    back: subprocess.CompletedProcess[bytes] = hpac("decode", "-", "-o", "-", data=packed.stdout)
    assert back.stdout == b"no picture"


def test_a_file_is_like_what_was_made_of_it(tree: Path) -> None:
    file = tree / "deep" / "notes.txt"
    packed = encode_all(file)
    assert api.compare(str(file), str(packed), api.Session()) == "bytes"
    with pytest.raises(UnsupportedError, match="JPEG"):
        api.compare(str(tree / "deep" / "photo.jpg"), str(packed), api.Session())


def test_a_picture_that_would_grow_is_kept_whole(tmp_path: Path) -> None:
    """Noise that comes again beyond a tile, which deflate sees and no network does."""
    tile = np.random.default_rng(1).integers(0, 256, (24, 400, 3), np.uint8)
    (tmp_path / "a.png").write_bytes(save_png(np.tile(tile, (1, 6, 1)), compress_level=9))
    assert hpac("encode", "a.png", cwd=tmp_path).returncode == 0
    assert (tmp_path / "a.png.hpac").stat().st_size < (tmp_path / "a.png").stat().st_size + 256
    assert b"take more than the file" in hpac("info", "a.png.hpac", cwd=tmp_path).stdout
    assert hpac("decode", "a.png.hpac", "-o", "b.png", cwd=tmp_path).returncode == 0
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "a.png").read_bytes()
