"""PNG files come back with equal samples and every chunk, or are refused with a clear line."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import CONTENTS, DATA, save_png
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from hpac_cli import images
from hpac_cli.errors import HpacError, InputError, LimitExceededError, UnsupportedError
from hpac_cli.images import png
from hpac_cli.limits import Limits

FORMATS = Path(__file__).parents[2] / "shared" / "data" / "formats"


def chunks_of(data: bytes) -> list[tuple[bytes, bytes]]:
    """An independent walk over chunks: (type, data) of all but IDAT."""
    at, found = 8, []
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        found.append((kind, b"" if kind == b"IDAT" else body))
        at += 12 + length
    return [c for i, c in enumerate(found) if c[0] != b"IDAT" or found[i - 1][0] != b"IDAT"]


def with_chunk(data: bytes, kind: bytes, body: bytes, before: bytes) -> bytes:
    at = data.index(before) - 4
    return (
        data[:at] + struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) + data[at:]
    )


def palette_png(**options: object) -> bytes:
    picture = PillowImage.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16), "L").convert("P")
    picture.putpalette([(7 * i) % 256 for i in range(768)])
    file = io.BytesIO()
    picture.save(file, "png", **options)
    return file.getvalue()


@given(
    seed=st.integers(0, 999),
    channels=st.integers(1, 4),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    content=st.sampled_from(sorted(CONTENTS)),
)
def test_samples_come_back(seed: int, channels: int, height: int, width: int, content: str) -> None:
    samples = CONTENTS[content](np.random.default_rng(seed), (height, width, channels))
    image = images.read(save_png(samples.squeeze(2) if channels == 1 else samples))
    assert np.array_equal(image.samples, samples)
    again = np.asarray(PillowImage.open(io.BytesIO(images.write(image)))).reshape(samples.shape)
    assert np.array_equal(again, samples)


def test_every_chunk_comes_back_in_its_place() -> None:
    data = save_png(np.zeros((5, 7, 3), np.uint8))
    for kind, body, before in (
        (b"gAMA", struct.pack(">I", 45455), b"IDAT"),
        (b"iCCP", b"name\0\0" + zlib.compress(b"profile"), b"IDAT"),
        (b"prVt", b"private before", b"IDAT"),
        (b"eXIf", b"MM\0*\0\0\0\x08\0\0\0\0\0\0", b"IDAT"),
        (b"tEXt", b"Comment\0after", b"IEND"),
        (b"zzZz", b"unknown after", b"IEND"),
    ):
        data = with_chunk(data, kind, body, before)
    assert chunks_of(images.write(images.read(data))) == chunks_of(data)


def test_bytes_after_the_end_come_back() -> None:
    data = save_png(np.zeros((5, 7), np.uint8)) + b"trailer of a camera"
    assert images.write(images.read(data)).endswith(b"IEND\xaeB`\x82trailer of a camera")


def test_palette_images_keep_indices_palette_and_transparency() -> None:
    data = palette_png(transparency=bytes(range(256)))
    image = images.read(data)
    assert np.array_equal(image.samples[..., 0], np.arange(256).reshape(16, 16))
    assert chunks_of(images.write(image)) == chunks_of(data)


def test_colour_key_transparency_leaves_samples_alone() -> None:
    data = with_chunk(save_png(np.full((4, 4), 9, np.uint8)), b"tRNS", b"\0\x09", b"IDAT")
    image = images.read(data)
    assert image.samples.shape == (4, 4, 1)
    assert chunks_of(images.write(image)) == chunks_of(data)


def test_a_plain_file_needs_no_skeleton() -> None:
    assert images.read(save_png(np.zeros((5, 7, 4), np.uint8))).skeleton == b""


def test_sixteen_bits_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="16 bits"):
        images.read(save_png(np.zeros((4, 4), np.uint16)))


def test_one_bit_is_refused() -> None:
    file = io.BytesIO()
    PillowImage.new("1", (8, 8)).save(file, "png")
    with pytest.raises(UnsupportedError, match="1 bits"):
        images.read(file.getvalue())


def test_interlaced_is_refused() -> None:
    data = bytearray(save_png(np.zeros((4, 4), np.uint8)))
    data[28] = 1
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with pytest.raises(UnsupportedError, match="interlaced"):
        images.read(bytes(data))


def test_animation_is_refused() -> None:
    data = with_chunk(save_png(np.zeros((4, 4), np.uint8)), b"acTL", struct.pack(">II", 1, 0), b"IDAT")
    with pytest.raises(UnsupportedError, match="animated"):
        images.read(data)


def test_unknown_critical_chunk_is_refused() -> None:
    data = with_chunk(save_png(np.zeros((4, 4), np.uint8)), b"QQQQ", b"", b"IDAT")
    with pytest.raises(UnsupportedError, match="critical chunk QQQQ"):
        images.read(data)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"II*\0" + bytes(20), "TIFF"),
        (bytes(128) + b"DICM", "DICOM"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"\x89HPAC\r\n", "already"),
    ],
)
def test_other_formats_are_named(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedError, match=name):
        images.read(data)


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_png_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        images.read(data)


def test_every_truncation_is_refused() -> None:
    data = save_png(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    for length in range(len(data)):
        with pytest.raises(InputError):
            images.read(data[:length])


def test_every_flipped_bit_is_refused_or_harmless() -> None:
    data = save_png(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    for bit in range(64, 8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(InputError):
            images.read(bytes(damaged))


def test_samples_of_the_wrong_length_are_refused() -> None:
    plain = save_png(np.zeros((4, 4), np.uint8))
    for size in (19, 21, 100_000):
        body = zlib.compress(bytes(size))
        data = with_chunk(plain, b"IDAT", body, b"IDAT")
        at = data.index(b"IDAT", data.index(b"IDAT") + 4) - 4
        end = data.index(b"IEND") - 4
        with pytest.raises(InputError, match="inflate"):
            images.read(data[:at] + data[end:])


def test_too_many_pixels_are_refused() -> None:
    with pytest.raises(LimitExceededError, match="100 x 100"):
        png.read(save_png(np.zeros((100, 100), np.uint8)), Limits(max_pixels=9999))


@pytest.mark.skipif(not FORMATS.is_dir(), reason="the shared conformance files are not here")
@pytest.mark.parametrize("folder", ["pngsuite", "png", "broken"])
def test_conformance_files_come_back_or_are_refused(folder: str) -> None:
    taken = 0
    for path in sorted((FORMATS / folder).iterdir()):
        data = path.read_bytes()
        try:
            image = images.read(data)
        except HpacError:
            continue
        taken += 1
        again = images.write(image)
        assert images.read(again).equals(image)
        assert chunks_of(again) == chunks_of(data), path.name
        try:
            picture = PillowImage.open(io.BytesIO(data))
        except ValueError:  # Pillow refuses long texts, which hpac keeps
            continue
        with picture, PillowImage.open(io.BytesIO(again)) as copy:
            assert picture.mode == copy.mode
            assert np.array_equal(np.asarray(picture), np.asarray(copy)), path.name
    assert taken > 5


def test_the_photograph_is_what_pillow_sees(photograph: np.ndarray) -> None:
    assert np.array_equal(images.read((DATA / "kodim23.png").read_bytes()).samples, photograph)
