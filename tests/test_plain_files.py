"""PNM, PAM, BMP, .npy and raw samples: coded as samples, and back byte for byte."""

import contextlib
import hashlib
import io
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import hpac
from PIL import Image as PillowImage

import hpac_cli
from hpac_cli import api, images
from hpac_cli.errors import HpacError, InputError, LimitExceededError, UnsupportedError
from hpac_cli.image import Image, RawSamples
from hpac_cli.kept import Kept
from hpac_cli.limits import Limits


def save(samples: np.ndarray, kind: str, mode: str | None = None, **options: object) -> bytes:
    file, picture = io.BytesIO(), PillowImage.fromarray(samples)
    (picture.convert(mode) if mode else picture).save(file, kind, **options)
    return file.getvalue()


def pnm(magic: str, samples: np.ndarray, maximum: int = 255, comment: str = "") -> bytes:
    height, width = samples.shape[:2]
    return f"{magic}\n{comment}{width} {height}\n{maximum}\n".encode() + samples.tobytes()


def pam(samples: np.ndarray, maximum: int, kind: str) -> bytes:
    height, width, channels = samples.shape
    head = (
        f"P7\nWIDTH {width}\nHEIGHT {height}\n# by hand\nDEPTH {channels}\nMAXVAL {maximum}\nTUPLTYPE {kind}\nENDHDR\n"
    )
    return head.encode() + samples.tobytes()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


PART = (np.indices((9, 13, 4)) * np.array([11, 7, 50]).reshape(3, 1, 1, 1)).sum(0).astype(np.uint8)
RGB, GREY, BITS = PART[..., :3], PART[..., 0], PART[..., 0] > 90
DEEP = (GREY.astype(np.uint16) * 9).astype(">u2")

FILES: dict[str, tuple[bytes, list[tuple[int, int, int]], str]] = {
    "pgm": (pnm("P5", GREY), [(9, 13, 1)], "u1"),
    "pgm with comments": (pnm("P5", GREY, comment="# one\n# two\n"), [(9, 13, 1)], "u1"),
    "deep pgm": (pnm("P5", DEEP, 4095), [(9, 13, 1)], "u2"),
    "ppm": (pnm("P6", RGB), [(9, 13, 3)], "u1"),
    "pbm": (save(BITS, "ppm"), [(9, 13, 1)], "u1"),
    "several": (pnm("P6", RGB) + pnm("P5", GREY) + b"P5 is what this text begins with", [(9, 13, 3), (9, 13, 1)], "u1"),
    "pam rgba": (pam(PART, 255, "RGB_ALPHA"), [(9, 13, 4)], "u1"),
    "pam deep": (pam(DEEP[..., None], 65535, "GRAYSCALE"), [(9, 13, 1)], "u2"),
    "bmp": (save(RGB, "bmp"), [(9, 13, 3)], "u1"),
    "bmp grey": (save(GREY, "bmp"), [(9, 13, 1)], "u1"),
    "bmp bits": (save(BITS, "bmp"), [(9, 13, 1)], "u1"),
    "bmp palette": (save(RGB, "bmp", "P"), [(9, 13, 1)], "u1"),
    "bmp rgba": (save(PART, "bmp"), [(9, 13, 4)], "u1"),
    "npy": (npy(GREY), [(9, 13, 1)], "u1"),
    "npy big endian": (npy(DEEP), [(9, 13, 1)], "u2"),
    "npy rgb": (npy(RGB), [(9, 13, 3)], "u1"),
    "npy frames": (npy(np.stack([DEEP] * 5).astype("<i2")), [(9, 13, 1)] * 5, "i2"),
    "npy rgb frames": (npy(np.stack([[RGB, RGB]] * 2)), [(9, 13, 3)] * 4, "u1"),
    "npy floats": (npy(GREY.astype(np.float32) / 3), [(9, 13, 1)], "f4"),
    "npy booleans": (npy(BITS), [(9, 13, 1)], "u1"),
}


def test_shapes_are_found_and_bytes_come_back() -> None:
    for name, (data, shapes, sample_type) in FILES.items():
        image = images.read(data)
        assert [frame.shape for frame in image.frames] == shapes, name
        assert {str(frame.dtype.str[1:]) for frame in image.frames} == {sample_type}, name
        assert image.identical, name
        assert images.write(image) == data, name


@pytest.mark.parametrize("name", FILES)
def test_containers_give_the_bytes_back(name: str) -> None:
    data = FILES[name][0]
    session, stream = api.Session(api.Options(effort=1)), io.BytesIO()
    session.encode(images.read(data), stream)
    stream.seek(0)
    image = session.decode(session.open(stream))
    assert api.rebuild(image) == data
    assert image.file_hash == hashlib.sha256(data).digest()[: len(image.file_hash)]


@pytest.mark.parametrize("name", ["bmp", "bmp rgba"])
def test_colours_of_bmp_are_red_green_blue(name: str) -> None:
    (frame,) = images.read(FILES[name][0]).frames
    assert np.array_equal(frame, PART[..., : frame.shape[2]])


def test_bmp_from_the_top_down_and_with_odd_masks() -> None:
    header = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 0, 0, 0, 66, 40, 13, -9, 1, 32, 3, 0, 0, 0, 0, 0)
    data = header + struct.pack("<3I", 0xFF, 0xFF00, 0xFF0000) + PART.tobytes()
    (frame,) = images.read(data).frames
    assert np.array_equal(frame, PART)
    odd = header + struct.pack("<3I", 0xFF00, 0xFF, 0xFF0000) + PART.tobytes()
    assert images.read(odd).kept is Kept.LAYOUT


KEPT = {
    "decimal text": (b"P2\n2 2\n255\n1 2\n3 4\n", Kept.LAYOUT),
    "cut short": (FILES["ppm"][0][:-1], Kept.DAMAGED),
    "no header": (b"P7\nWIDTH 3\nHEIGHT 3\nENDHDR\n" + bytes(9), Kept.DAMAGED),
    "bmp cut short": (FILES["bmp"][0][:-9], Kept.DAMAGED),
    "bmp header cut short": (FILES["bmp"][0][:40], Kept.DAMAGED),
    "bmp 16 bits": (FILES["bmp"][0][:28] + b"\x10" + FILES["bmp"][0][29:], Kept.LAYOUT),
    "bmp run lengths": (FILES["bmp grey"][0][:30] + b"\x01" + FILES["bmp grey"][0][31:], Kept.LAYOUT),
    "npy of Fortran": (npy(np.asfortranarray(GREY)), Kept.LAYOUT),
    "npy of complex numbers": (npy(GREY.astype(np.complex64)), Kept.LAYOUT),
    "npy of one dimension": (npy(GREY[0]), Kept.LAYOUT),
    "npy of nothing": (npy(GREY[:0]), Kept.LAYOUT),
    "npy cut short": (npy(GREY)[:-1], Kept.DAMAGED),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_is_not_taken_is_kept_whole(name: str) -> None:
    data, why = KEPT[name]
    image = images.read(data)
    assert (image.frames, image.kept) == ((), why)
    assert images.write(image) == data


def harmed(data: bytes, rng: np.random.Generator) -> bytes:
    """Data with one byte changed, or cut short; mostly near its beginning, where headers are."""
    out = bytearray(data)
    at = int(rng.integers(0, min(len(out), 150)))
    out[at] = int(rng.integers(0, 256))
    return bytes(out[: int(rng.integers(at, len(out)))] if rng.random() < 0.2 else out)


@pytest.mark.parametrize("name", FILES)
def test_damage_ends_in_our_errors_or_comes_back(name: str) -> None:
    rng = np.random.default_rng(len(name))
    for _ in range(60):
        data = harmed(FILES[name][0], rng)
        with contextlib.suppress(HpacError):
            assert images.write(images.read(data, Limits(max_pixels=1 << 20))) == data
            images.convert(images.read(data), "png")


@pytest.mark.parametrize("name", FILES)
def test_damaged_envelopes_end_in_our_errors(name: str) -> None:
    rng, image = np.random.default_rng(len(name)), images.read(FILES[name][0])
    for _ in range(60):
        other = replace(image, envelope=harmed(image.envelope, rng))
        for act in (images.write, as_png, lambda each: images.convert(each, "array")):
            with contextlib.suppress(HpacError):
                act(other)


def test_limits_hold_before_samples_are_read() -> None:
    for data in (FILES["ppm"][0], FILES["bmp"][0], FILES["npy"][0]):
        with pytest.raises(LimitExceededError):
            images.read(data, Limits(max_pixels=100))


def test_text_is_no_picture() -> None:
    for data in (b"BM is a text", b"P5 or not P5: that is the question", b"P7\nand so on\n"):
        assert not images.is_picture(data, "a.txt")
        with pytest.raises(InputError):
            images.read(data)


def as_png(image: Image) -> np.ndarray:
    return np.asarray(PillowImage.open(io.BytesIO(images.convert(image, "png"))))


@pytest.mark.parametrize("name", ["pgm", "ppm", "pbm", "bmp", "bmp grey", "bmp bits", "bmp palette", "bmp rgba"])
def test_conversions_show_what_pillow_shows(name: str) -> None:
    data = FILES[name][0]
    shown, picture = as_png(images.read(data)), PillowImage.open(io.BytesIO(data))
    mode = PillowImage.fromarray(shown).mode
    assert np.array_equal(shown, np.asarray(picture.convert(mode)))


def test_an_odd_white_is_not_converted() -> None:
    with pytest.raises(UnsupportedError, match="a white of 200"):
        as_png(images.read(pnm("P5", GREY, 200)))


@pytest.mark.parametrize("maximum", [511, 1023, 4095, 32767])
def test_the_highest_of_few_deep_bits_is_white(maximum: int) -> None:
    grey = np.array([[0, 1, maximum // 2, maximum]], ">u2")
    shown = as_png(images.read(pnm("P5", grey, maximum)))
    assert np.array_equal(shown, np.round(grey * (65535 / maximum)))
    picture = PillowImage.open(io.BytesIO(pnm("P5", grey, maximum)))
    assert np.array_equal(shown, np.asarray(picture))


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("npy")])
def test_arrays_of_npy_files_have_their_shape_and_type(name: str) -> None:
    data = FILES[name][0]
    session, stream = api.Session(api.Options(effort=1)), io.BytesIO()
    session.encode(images.read(data), stream)
    array, expected = hpac_cli.decode(stream.getvalue()), np.load(io.BytesIO(data))
    assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
    assert np.array_equal(array, expected)


def test_every_kind_goes_through_the_command_line(tmp_path: Path) -> None:
    sources = {"a.ppm": "ppm", "b.pam": "pam rgba", "c.bmp": "bmp", "d.npy": "npy frames"}
    for name, kind in sources.items():
        (tmp_path / name).write_bytes(FILES[kind][0])
    (tmp_path / "e.jpg").write_bytes(save(RGB, "jpeg"))
    assert hpac("encode", "-r", ".", "--output-dir", "out", cwd=tmp_path).returncode == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{name}.hpac" for name in sources]
    refused = hpac("encode", "e.jpg", cwd=tmp_path)
    assert (refused.returncode, b"this is JPEG" in refused.stderr, b"--all" in refused.stderr) == (3, True, True)
    assert hpac("encode", "--all", "e.jpg", "--output-dir", "out", cwd=tmp_path).returncode == 0
    assert hpac("decode", "-r", "out", "--output-dir", "back", cwd=tmp_path).returncode == 0
    for name in (*sources, "e.jpg"):
        assert (tmp_path / "back" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_standard_input_gets_the_usual_suffix(tmp_path: Path) -> None:
    (tmp_path / "x.hpac").write_bytes(hpac("encode", "-", data=FILES["bmp"][0]).stdout)
    assert hpac("decode", "x.hpac", cwd=tmp_path).returncode == 0
    assert (tmp_path / "x.bmp").read_bytes() == FILES["bmp"][0]


@pytest.mark.parametrize(
    ("raw", "samples"),
    [
        ("13x9x1x8", GREY),
        ("13x9x3x8", RGB),
        ("13x9x1x16", np.stack([DEEP, DEEP[::-1]]).astype("<u2")),
        ("13x9x1x16be", DEEP),
        ("13x9x1xi16le", DEEP.astype("<i2") - 700),
        ("13x9x1xf32", GREY.astype("<f4") / 7),
    ],
)
def test_raw_samples(raw: str, samples: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "scan.img"
    path.write_bytes(samples.tobytes())
    assert hpac("encode", "--raw", raw, path).returncode == 0
    assert hpac("decode", "-c", f"{path}.hpac").stdout == samples.tobytes()
    assert hpac("decode", f"{path}.hpac", "-o", tmp_path / "x.npy").returncode == 0
    found = np.load(tmp_path / "x.npy")
    assert np.array_equal(found.reshape(samples.shape), samples)
    assert found.dtype.newbyteorder("=") == samples.dtype.newbyteorder("=")


def test_raw_samples_must_fill_their_frames(tmp_path: Path) -> None:
    (tmp_path / "x.raw").write_bytes(bytes(100))
    result = hpac("encode", "--raw", "13x9x1x8", tmp_path / "x.raw")
    assert (result.returncode, b"no whole number of frames of 117 bytes" in result.stderr) == (4, True)
    for wrong in ("13x9x8", "0x9x1x8", "13x9x1x12", "13x9x1xf8"):
        assert hpac("encode", "--raw", wrong, tmp_path / "x.raw").returncode == 2


def test_raw_samples_are_told_from_files_by_the_user_alone() -> None:
    data = FILES["bmp"][0]
    raw = RawSamples(len(data), 1, 1, 8)
    assert (images.read(data).kind, images.read(data, raw=raw).kind) == ("bmp", "raw")


def test_pillow_opens_them() -> None:
    import hpac_cli.plugins.pillow  # noqa: F401

    for name in ("bmp palette", "ppm", "pbm"):
        data, stream = FILES[name][0], io.BytesIO()
        api.Session(api.Options(effort=1)).encode(images.read(data), stream)
        stream.seek(0)
        ours, theirs = PillowImage.open(stream), PillowImage.open(io.BytesIO(data))
        assert (ours.mode, ours.tobytes()) == (theirs.mode, theirs.tobytes())
