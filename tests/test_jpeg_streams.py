"""Lossless JPEG and JPEG-LS codestreams come back byte for byte from their samples."""

import io
import struct

import imagecodecs
import numpy as np
import pydicom
import pytest
from conftest import make_dicom
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.encaps import encapsulate

from hpac_cli import images
from hpac_cli.errors import HpacError, InputError
from hpac_cli.images import jpeg_streams
from hpac_cli.kept import Kept

JPEG, JPEG_LS = "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.80"
TABLE = bytes([0, 0, 1, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]) + bytes(
    [6, 5, 4, 3, 7, 2, 8, 1, 9, 0, 10, 11, 12, 13, 14, 15]
)
"""Codes of 3 to 14 bits for all categories but the last."""


def pictures(depth: int, channels: int = 1) -> list[NDArray[np.uint16]]:
    """Smooth, flat, noisy and extreme samples of so many bits, (H, W, C)."""
    rng, top = np.random.default_rng(depth), (1 << depth) - 1
    rows, columns, _ = np.indices((23, 37, channels))
    smooth = (rows * columns * top // 900 + rng.integers(0, 2, rows.shape)) % (top + 1)
    flat = np.where((rows // 7 + columns // 11) % 3 == 0, top, rows // 7 % (top + 1))
    noise, extremes = rng.integers(0, top + 1, rows.shape), rng.choice([0, top], rows.shape)
    return [each.astype(np.uint16) for each in (smooth, flat, noise, extremes, np.zeros_like(rows))]


def charls(samples: NDArray[np.uint16], depth: int) -> bytes:
    """JPEG-LS of (H, W) samples."""
    jpeg_ls = pytest.importorskip("jpeg_ls")
    shown = samples.astype(np.uint8 if depth <= 8 else np.uint16)
    facts = {"rows": len(shown), "columns": shown.shape[1], "samples_per_pixel": 1, "bits_stored": depth}
    return bytes(jpeg_ls.encode_pixel_data(shown.tobytes(), **facts, bits_allocated=8 * shown.itemsize))


def head_of(samples: NDArray[np.uint16], depth: int, *, predictor: int = 1, shift: int = 0, rows: int = 0) -> bytes:
    """A lossless JPEG image without its data, with a restart marker every so many rows."""
    height, width, channels = samples.shape
    frame = struct.pack(">BHHB", depth, height, width, channels) + b"".join(
        bytes([i + 1, 0x11, 0]) for i in range(channels)
    )
    scan = bytes([channels]) + b"".join(bytes([i + 1, 0]) for i in range(channels)) + bytes([predictor, 0, shift])
    restart = [(0xDD, struct.pack(">H", rows * width))] if rows else []
    segments = [(0xC4, b"\0" + TABLE), (0xC3, frame), *restart, (0xDA, scan)]
    return b"\xff\xd8" + b"".join(struct.pack(">BBH", 255, m, 2 + len(b)) + b for m, b in segments) + b"\xff\xd9"


def assert_comes_back(stream: bytes, samples: NDArray[np.uint16]) -> None:
    head, length = jpeg_streams.split(stream)
    assert np.array_equal(jpeg_streams.decode(stream, samples.size).reshape(samples.shape), samples)
    assert jpeg_streams.encode(head, samples, length) == stream[:length]
    assert length == len(stream.rstrip(b"\0"))


@pytest.mark.parametrize("depth", [2, 3, 5, 8, 9, 12, 15, 16])
def test_images_of_charls_come_back(depth: int) -> None:
    for samples in pictures(depth):
        assert_comes_back(charls(samples[..., 0], depth), samples)


@pytest.mark.parametrize("mode", [0, 1, 2])
@pytest.mark.parametrize("channels", [3, 4])
def test_colours_come_back_however_they_are_interleaved(mode: int, channels: int) -> None:
    jpeg_ls = pytest.importorskip("jpeg_ls")
    for samples in pictures(8, channels):
        pixels = samples.astype(np.uint8) if mode else np.ascontiguousarray(samples.astype(np.uint8).transpose(2, 0, 1))
        assert_comes_back(bytes(jpeg_ls.encode_array(pixels, interleave_mode=mode)), samples)


@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize(("depth", "channels", "rows"), [(8, 1, 0), (8, 3, 5), (12, 1, 1), (15, 2, 0)])
def test_lossless_jpeg_is_what_others_decode(predictor: int, depth: int, channels: int, rows: int) -> None:
    for samples in pictures(depth, channels):
        head = head_of(samples, depth, predictor=predictor, rows=rows)
        stream = jpeg_streams.encode(head, samples, 1 << 20)
        assert_comes_back(stream, samples)
        if channels != 2:  # libjpeg-turbo, which takes three for colours of its own
            colours = {} if channels == 1 else {"colorspace": 2, "outcolorspace": 2}
            theirs = imagecodecs.jpeg8_decode(stream, **colours)
            assert np.array_equal(theirs.reshape(samples.shape), samples)


def test_the_point_transform_is_undone() -> None:
    samples = pictures(10)[0] << 3
    assert_comes_back(jpeg_streams.encode(head_of(samples, 13, shift=3), samples, 1 << 20), samples)
    with pytest.raises(InputError, match="do not fit"):
        jpeg_streams.encode(head_of(samples, 13, shift=3), samples + 1, 1 << 20)


def test_differences_of_16_bits_wrap_around() -> None:
    samples = pictures(16)[3]
    table = bytes([0, 2, *[0] * 14, 0, 16])  # no difference, and half the range, which the extremes never have
    head = head_of(samples, 16).replace(TABLE, table).replace(struct.pack(">H", 2 + 1 + len(TABLE)), b"\0\x15")
    half = (samples // 65535 * 32768).astype(np.uint16)
    assert_comes_back(jpeg_streams.encode(head, half, 1 << 20), half)


def test_samples_that_no_stream_can_hold_are_refused() -> None:
    samples = pictures(8)[2]
    head, room = head_of(samples, 8), 1 << 20
    for wrong in (samples + 250, samples[:-1], samples.reshape(-1)[:-1]):
        with pytest.raises(InputError):
            jpeg_streams.encode(head, wrong, room)
    with pytest.raises(InputError):
        jpeg_streams.encode(head, samples, 400)
    with pytest.raises(InputError, match="another size"):
        jpeg_streams.decode(jpeg_streams.encode(head, samples, room), samples.size - 1)


def damage_something(at: int, value: int, cut: int) -> None:
    """Decode damaged streams of each kind, and encode by damaged heads."""
    samples = pictures(8, 3)[0]
    plain = jpeg_streams.encode(head_of(samples, 8, predictor=7, rows=2), samples, 1 << 20)
    for stream in (plain, charls(samples[..., 0], 8)):
        head, _ = jpeg_streams.split(stream)
        for whole, code in ((stream, jpeg_streams.decode), (head, lambda h, n: jpeg_streams.encode(h, samples, 9 * n))):
            damaged = bytearray(whole)
            damaged[at % len(damaged)] = value
            for broken in (bytes(damaged), bytes(damaged[: cut % len(damaged)])):
                try:
                    code(broken, samples.size if stream is plain else samples[..., 0].size)
                except InputError:
                    continue


@given(st.integers(0, 5000), st.integers(0, 255), st.integers(0, 5000))
def test_damage_ends_in_an_error_or_in_samples(at: int, value: int, cut: int) -> None:
    damage_something(at, value, cut)


def encapsulated(frames: list[bytes], samples: NDArray[np.uint16], syntax: str, **options: int) -> bytes:
    """A DICOM file of coded frames; samples (N, H, W) or (H, W, 3)."""
    native = pydicom.dcmread(io.BytesIO(make_dicom(samples)))
    native.file_meta.TransferSyntaxUID = syntax
    native.PixelData = encapsulate(frames, **options)
    native["PixelData"].is_undefined_length = True
    file = io.BytesIO()
    native.save_as(file)
    return file.getvalue()


@pytest.mark.parametrize("fragments", [1, 3])
def test_encapsulated_frames_come_back_byte_for_byte(fragments: int) -> None:
    frames = [pictures(12)[0][..., 0], pictures(12)[1][..., 0]]
    coded = [charls(frame, 12) for frame in frames]
    data = encapsulated(coded, np.stack(frames), JPEG_LS, fragments_per_frame=fragments, has_bot=False)
    image = images.read(data)
    assert np.array_equal(np.stack(image.frames)[..., 0], frames)
    assert image.kept == Kept.NOTHING
    assert images.write(image) == data


@pytest.mark.parametrize("depth", [12, 16])
def test_signed_samples_have_their_signs(depth: int) -> None:
    signed = pictures(depth)[0][..., 0].astype(np.int32) - (1 << depth - 1)
    stored = (signed & (1 << depth) - 1).astype(np.uint16)
    stream = jpeg_streams.encode(head_of(stored[..., None], depth), stored, 1 << 20)
    data = encapsulated([stream], signed.astype(np.int16), JPEG)
    image = images.read(data)
    assert np.array_equal(image.frames[0][..., 0], signed)
    assert images.write(image) == data


def test_an_image_that_is_not_coded_in_the_plain_way_is_kept_whole() -> None:
    samples = pictures(12)[0]
    stream = jpeg_streams.encode(head_of(samples, 12), samples, 1 << 20)
    odd = stream[:-2] + b"\xff\xff\xd9"  # two fill bytes before the end
    assert np.array_equal(jpeg_streams.decode(odd, samples.size), samples)
    further = stream[:-2] + b"\x55\xff\xd9"  # a byte that nothing is made of
    data = encapsulated([further], samples[..., 0], JPEG)
    image = images.read(data)
    assert image.kept == Kept.JPEG
    assert images.write(image) == data


@given(at=st.integers(0, 20_000), value=st.integers(0, 255))
def test_a_damaged_file_comes_back_whole_or_coded(at: int, value: int) -> None:
    samples = pictures(12)[0][..., 0]
    data = bytearray(encapsulated([charls(samples, 12)], samples, JPEG_LS))
    data[at % len(data)] = value
    try:
        image = images.read(bytes(data))
    except HpacError:
        return
    assert images.write(image) == bytes(data)
