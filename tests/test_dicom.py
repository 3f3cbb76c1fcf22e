"""DICOM files come back byte for byte, or with equal samples and elements."""

import io
import struct
import zlib
from collections.abc import Callable

import imagecodecs
import numpy as np
import pydicom
import pytest
from conftest import make_dicom
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)
from pydicom.valuerep import VR

from hpac_cli import images
from hpac_cli.errors import HpacError, LimitExceededError, UnsupportedError
from hpac_cli.images import dicom
from hpac_cli.images.codestreams import holds_only_samples
from hpac_cli.kept import Kept
from hpac_cli.limits import Limits

STORAGE = {0x7FE00010, 0x00020000, 0x00020010}
"""Pixel data, length of the meta group, transfer syntax."""


def elements_of(data: bytes) -> dict[int, tuple[str, object]]:
    """Every element outside pixel data, sequences included, by tag."""
    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    found = {int(tag): element_of(part, tag) for part in (dataset.file_meta, dataset) for tag in part.keys()}  # noqa: SIM118
    return {tag: value for tag, value in found.items() if tag not in STORAGE}


def element_of(dataset: Dataset, tag: BaseTag) -> tuple[str, object]:
    """One element's kind and value; its bytes where pydicom knows no such kind.

    Items (group FFFE) outside a sequence, which damaged files have, are of no kind.
    """
    raw = dataset.get_item(tag)
    if tag.group == 0xFFFE or (raw.VR is not None and raw.VR not in set(VR)):
        return "unknown", raw.value
    element = dataset[tag]
    return str(element.VR), element.value


def recoded(data: bytes, syntax: str, **changes: object) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(data))
    for name, value in changes.items():
        setattr(dataset, name, value)
    file = io.BytesIO()
    if syntax in (RLELossless, JPEGLSLossless):
        dataset.compress(syntax, generate_instance_uid=False)
    else:
        dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


@given(
    seed=st.integers(0, 999),
    sample_type=st.sampled_from(["u1", "u2", "u4", "i1", "i2"]),
    shape=st.sampled_from([(5, 7), (4, 6, 3), (3, 5, 4), (1, 1)]),
)
def test_native_files_come_back_byte_for_byte(seed: int, sample_type: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.integers(0, 100, shape).astype(sample_type)
    data = make_dicom(samples)
    image = images.read(data)
    assert image.identical
    expected = samples[..., None] if len(shape) == 2 or shape[2] != 3 else samples[None]
    assert np.array_equal(np.stack(image.frames), expected.reshape(len(image.frames), *image.frames[0].shape))


def test_implicit_files_come_back() -> None:
    data = recoded(make_dicom(np.arange(30, dtype=np.int16).reshape(5, 6)), ImplicitVRLittleEndian)
    image = images.read(data)
    assert (len(image.frames), image.identical) == (1, True)


def test_big_endian_files_come_back() -> None:
    samples = np.arange(-9, 21, dtype=np.int16).reshape(5, 6)
    dataset = pydicom.dcmread(io.BytesIO(make_dicom(samples)))
    dataset.PixelData = samples.astype(">i2").tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, implicit_vr=False, little_endian=False, force_encoding=True)
    image = images.read(file.getvalue())
    assert np.array_equal(image.frames[0][..., 0], samples)
    assert image.identical


def test_deflated_files_come_back() -> None:
    data = recoded(make_dicom(np.arange(900, dtype=np.uint16).reshape(30, 30)), DeflatedExplicitVRLittleEndian)
    image = images.read(data)
    assert (len(image.frames), image.identical) == (1, True)


def test_files_without_preamble_come_back() -> None:
    data = make_dicom(np.arange(30, dtype=np.uint8).reshape(5, 6))[132:]
    image = images.read(data)
    assert (len(image.frames), image.identical) == (1, True)


def test_planar_colour_comes_back() -> None:
    samples = np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8)
    data = make_dicom(samples, PlanarConfiguration=1, PixelData=samples.transpose(2, 0, 1).tobytes())
    image = images.read(data)
    assert np.array_equal(image.frames[0], samples)
    assert image.identical


def test_single_bits_come_back() -> None:
    bits = np.random.default_rng(0).integers(0, 2, (3, 5, 7), np.uint8)
    packed = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    data = make_dicom(bits, BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=packed + bytes(len(packed) % 2))
    image = images.read(data)
    assert np.array_equal(image.frames[0].reshape(-1), bits.reshape(-1))
    assert image.identical


@pytest.mark.parametrize("signed", [False, True])
def test_unused_bits_are_kept_and_coded_apart(signed: bool) -> None:
    rng = np.random.default_rng(1)
    low, overlay = rng.integers(-2048, 2048, (20, 20)), rng.integers(0, 2, (20, 20))
    words = ((low & 0xFFF) | overlay << 12).astype(np.uint16)
    data = make_dicom(words, BitsStored=12, HighBit=11, PixelRepresentation=int(signed))
    image = images.read(data)
    assert image.identical
    assert np.array_equal(image.frames[0][..., 0], low if signed else low & 0xFFF)
    assert np.array_equal(image.frames[0][..., 1], overlay)


def test_signed_samples_of_12_bits_are_not_split() -> None:
    samples = np.random.default_rng(1).integers(-2048, 2048, (9, 9)).astype(np.int16)
    assert images.read(make_dicom(samples, BitsStored=12, HighBit=11)).frames[0].shape == (9, 9, 1)


def test_run_length_coded_files_come_back_byte_for_byte() -> None:
    samples = np.repeat(np.arange(0, 4000, 13, dtype=np.uint16), 11)[:3000].reshape(3, 20, 50)
    image = images.read(recoded(make_dicom(samples), RLELossless))
    assert image.identical
    assert np.array_equal(np.stack(image.frames)[..., 0], samples)


@pytest.fixture
def unknown_jpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """JPEG-LS is not made again, as if its encoder were not known."""
    pytest.importorskip("jpeg_ls")
    monkeypatch.setattr(dicom, "_JPEG", ())


@pytest.mark.usefixtures("unknown_jpeg")
def test_lossless_files_come_back_native_with_every_element() -> None:
    samples = np.random.default_rng(4).integers(0, 500, (30, 40)).astype(np.uint16)
    data = recoded(make_dicom(samples), JPEGLSLossless)
    image = images.read(data, transcode=True)
    again = images.write(image)
    assert image.fidelity == "samples+metadata"
    assert np.array_equal(pydicom.dcmread(io.BytesIO(again)).pixel_array, samples)
    assert elements_of(again) == elements_of(data)


@pytest.mark.usefixtures("unknown_jpeg")
def test_a_missing_decoder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from pydicom.pixels.decoders import JPEGLSLosslessDecoder

    data = recoded(make_dicom(np.zeros((9, 9), np.uint8)), JPEGLSLossless)
    monkeypatch.setattr(JPEGLSLosslessDecoder, "_available", {})
    with pytest.raises(UnsupportedError, match="pip install pyjpegls"):
        images.read(data, transcode=True)


def test_lossy_files_stay_as_they_are() -> None:
    data = make_encapsulated(b"\xff\xd8\xff\xd9", "1.2.840.10008.1.2.4.50")
    image = images.read(data, transcode=True)
    assert image.kept == Kept.LOSSY
    assert image.frames == ()
    assert images.write(image) == data


def test_files_without_pixels_stay_as_they_are() -> None:
    dataset = pydicom.dcmread(io.BytesIO(make_dicom(np.zeros((2, 2), np.uint8))))
    del dataset.PixelData
    file = io.BytesIO()
    dataset.save_as(file)
    image = images.read(file.getvalue(), transcode=True)
    assert image.frames == ()
    assert image.kept == Kept.NO_SAMPLES
    assert images.write(image) == file.getvalue()


def test_trailing_bytes_and_private_elements_come_back() -> None:
    data = make_dicom(np.zeros((3, 3), np.uint8)) + b"\xfc\xff\xfc\xffOB\0\0\4\0\0\0tail"
    assert images.write(images.read(data)) == data


@pytest.fixture
def no_jpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """JPEG-LS is not made again, so that transcoding is what is left."""
    monkeypatch.setattr(dicom, "_jpeg_layouts", lambda *_: None)


def is_kept_whole(data: bytes) -> bool:
    """Whether a file is kept whole, and comes back, even where it may be written anew."""
    image = images.read(data, transcode=True)
    return image.identical and not image.frames and images.write(image) == data


def test_a_file_with_too_few_samples_is_kept_whole() -> None:
    assert is_kept_whole(make_dicom(np.zeros((20, 20), np.uint16))[:-50])


@pytest.mark.usefixtures("unknown_jpeg")
def test_an_encapsulated_icon_keeps_its_file_whole() -> None:
    data = pydicom.dcmread(io.BytesIO(recoded(make_dicom(np.zeros((9, 9), np.uint8)), JPEGLSLossless)))
    icon = Dataset()
    icon.Rows = icon.Columns = 9
    icon.PixelData = data.PixelData
    icon["PixelData"].is_undefined_length = True
    data.IconImageSequence = [icon]
    file = io.BytesIO()
    data.save_as(file)
    assert is_kept_whole(file.getvalue())


@pytest.mark.usefixtures("unknown_jpeg")
def test_an_image_that_no_frame_shows_is_kept() -> None:
    data = pydicom.dcmread(io.BytesIO(recoded(make_dicom(np.zeros((2, 9, 9), np.uint8)), JPEGLSLossless)))
    data.NumberOfFrames = 1
    file = io.BytesIO()
    data.save_as(file)
    assert is_kept_whole(file.getvalue())


def test_too_many_pixels_are_refused() -> None:
    with pytest.raises(LimitExceededError, match="100 x 100"):
        images.read(make_dicom(np.zeros((100, 100), np.uint8)), Limits(max_pixels=9999))


def make_encapsulated(coded: bytes, syntax: str, side: int = 1) -> bytes:
    """A DICOM file of one image of the JPEG family, said to be (side, side)."""
    native = pydicom.dcmread(io.BytesIO(make_dicom(np.zeros((side, side), np.uint8))))
    native.file_meta.TransferSyntaxUID = syntax
    native.PixelData = pydicom.encaps.encapsulate([coded])
    native["PixelData"].is_undefined_length = True
    file = io.BytesIO()
    native.save_as(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("syntax", "coded"),
    [
        (
            "1.2.840.10008.1.2.4.80",
            b"\xff\xd8\xff\xf7\0\x0b\x08\x3e\x80\x3e\x80\1\1\x11\0" + b"\xff\xda\0\x08" + bytes(900),
        ),
        ("1.2.840.10008.1.2.4.90", b"\xff\x4f\xff\x51\0\x29\0\0" + struct.pack(">4I", 16000, 16000, 0, 0) + bytes(900)),
    ],
)
@pytest.mark.usefixtures("no_jpeg")
def test_no_decoder_is_asked_for_more_than_limits_allow(syntax: str, coded: bytes) -> None:
    with pytest.raises(LimitExceededError, match="16000 x 16000"):
        images.read(make_encapsulated(coded, syntax), transcode=True)


def test_run_length_coded_files_of_dcmtk_come_back() -> None:
    """It ends a row with a run of two, and writes what is left of a run of 129 by itself."""
    row = np.array([7] * 129 + [5, 9, 9, 4, 8] + [3] * 6 + [1, 2, 2], np.uint8)
    samples = np.stack([row, row[::-1]])
    coded = b"\x81\7\0\7\4\5\11\11\4\10\xfb\3\0\1\xff\2" + b"\2\2\2\1\xfb\3\4\10\4\11\11\5\x81\7\0\7"
    native = recoded(make_dicom(samples), RLELossless)
    data = with_fragments(native, lambda _: struct.pack("<16I", 1, 64, *[0] * 14) + coded)
    image = images.read(data)
    assert np.array_equal(image.frames[0][..., 0], samples)
    assert images.write(image) == data


def test_words_whose_bytes_change_places_are_kept_whole() -> None:
    """Of 8 bits, in OW, high bytes first: pydicom and others swap them."""
    dataset = pydicom.dcmread(io.BytesIO(make_dicom(np.arange(64, dtype=np.uint8).reshape(8, 8))))
    dataset["PixelData"].VR = "OW"
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, implicit_vr=False, little_endian=False, force_encoding=True)
    assert images.read(file.getvalue()).kept == Kept.LAYOUT


def test_a_coded_image_of_another_size_stays_as_it_is() -> None:
    data = make_encapsulated(bytes(imagecodecs.jpegls_encode(np.zeros((9, 9), np.uint8))), "1.2.840.10008.1.2.4.80")
    image = images.read(data)
    assert image.identical
    assert not image.frames


@given(at=st.integers(0, 10_000), value=st.integers(0, 255))
def test_damage_is_refused_or_harmless(at: int, value: int) -> None:
    data = bytearray(make_dicom(np.arange(48, dtype=np.uint16).reshape(6, 8)))
    data[at % len(data)] = value
    try:
        image = images.read(bytes(data))
    except HpacError:
        return
    if image.identical:
        assert images.write(image) == bytes(data)


def test_a_deflate_bomb_is_refused() -> None:
    data = recoded(make_dicom(np.zeros((9, 9), np.uint8)), DeflatedExplicitVRLittleEndian)
    start = data.index(b"1.2.840.10008.1.2.1.99") + 22
    while data[start : start + 2] == b"\2\0":
        start += 8 + struct.unpack_from("<H", data, start + 6)[0]
    bomb = zlib.compress(bytes(50_000_000), 9)[2:-4]
    with pytest.raises(HpacError):
        images.read(data[:start] + bomb, Limits(max_sample_bytes=1_000_000))


def with_fragments(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Change the encapsulated image of a file of one frame."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    image = next(generate_frames(dataset.PixelData, number_of_frames=1))
    dataset.PixelData = encapsulate([change(image)])
    dataset["PixelData"].is_undefined_length = True
    file = io.BytesIO()
    dataset.save_as(file)
    return file.getvalue()


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image[:2] + b"\xff\xfe\0\x0bA comment" + image[2:],
        lambda image: image[:2] + b"\xff\xe1\0\x08EXIF.." + image[2:],
        lambda image: image.rstrip(b"\0") + b"what follows",
    ],
)
@pytest.mark.usefixtures("unknown_jpeg")
def test_what_lies_beside_the_samples_in_a_jpeg_image_is_kept(change: Callable[[bytes], bytes]) -> None:
    plain = recoded(make_dicom(np.arange(900, dtype=np.uint16).reshape(30, 30)), JPEGLSLossless)
    assert images.read(with_fragments(plain, bytes), transcode=True).frames
    assert is_kept_whole(with_fragments(plain, change))


def test_what_lies_beside_the_samples_in_a_jpeg_2000_image_is_told() -> None:
    codecs = pytest.importorskip("imagecodecs")
    samples = np.arange(900, dtype=np.uint16).reshape(30, 30)
    image = codecs.jpeg2k_encode(samples, level=0, codecformat="j2k", reversible=True)
    assert holds_only_samples(image)
    assert not holds_only_samples(image + b"what follows")
    assert not holds_only_samples(image.replace(b"Created by", b"Seen by Dr"))
    assert not holds_only_samples(image[:-2])
    assert not holds_only_samples(codecs.jpeg2k_encode(samples, level=0, codecformat="jp2", reversible=True))


def rle_of(samples: np.ndarray, *, gap: bytes = b"", tail: bytes = b"") -> bytes:
    """A run-length coded frame of 16 bits as no usual writer makes it: literals of one byte each."""
    segments = [
        b"".join(b"\0" + bytes([v]) for v in part) for part in samples.astype(">u2").view("u1").reshape(-1, 2).T
    ]
    first = 64 + len(gap)
    header = struct.pack("<16I", 2, first, first + len(segments[0]), *[0] * 13)
    return header + gap + segments[0] + segments[1] + tail


def test_what_lies_beside_the_segments_of_a_run_length_coded_frame_is_kept() -> None:
    samples = np.arange(300, 700, dtype=np.uint16).reshape(20, 20)
    plain = recoded(make_dicom(samples), RLELossless)
    odd = with_fragments(plain, lambda _: rle_of(samples))
    assert images.read(odd).kept == Kept.RLE
    assert images.read(odd, transcode=True).fidelity == "samples+metadata"
    assert is_kept_whole(with_fragments(plain, lambda _: rle_of(samples, gap=b"gap!")))
    assert is_kept_whole(with_fragments(plain, lambda _: rle_of(samples, tail=b"what follows")))


@pytest.mark.usefixtures("unknown_jpeg")
def test_a_file_that_is_tiff_too_keeps_its_places() -> None:
    data = recoded(make_dicom(np.arange(900, dtype=np.uint16).reshape(30, 30)), JPEGLSLossless)
    assert is_kept_whole(b"II*\0" + struct.pack("<I", len(data)) + data[8:])
