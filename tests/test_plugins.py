"""hpac inside Pillow, imageio, numcodecs and zarr, each with the real library."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_dicom, make_tiff, save_png
from PIL import Image as PillowImage

import hpac_cli
from hpac_cli import api
from hpac_cli.errors import LimitExceededError, UnsupportedError
from hpac_cli.plugins import pillow

pillow.register()

numcodecs = pytest.importorskip("numcodecs")
zarr = pytest.importorskip("zarr")
imageio = pytest.importorskip("imageio.v3")
HpacCodec = pytest.importorskip("hpac_cli.plugins.zarr").HpacCodec


def encoded(data: bytes, tmp_path: Path, name: str) -> Path:
    (tmp_path / name).write_bytes(data)
    api.compress(str(tmp_path / name), None, api.Session())
    return tmp_path / f"{name}.hpac"


@pytest.fixture
def part(photograph: np.ndarray) -> np.ndarray:
    return photograph[200:232, 300:340]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "F", "CMYK"])
def test_what_pillow_saves_it_opens(mode: str, part: np.ndarray) -> None:
    picture = PillowImage.fromarray(part)
    if mode in ("I;16", "I", "F"):
        picture = PillowImage.fromarray((part[..., 0].astype({"I;16": "u2", "I": "i4", "F": "f4"}[mode]) * 99) - 5)
    elif mode != "RGB":
        picture = picture.convert(mode)
    file = io.BytesIO()
    picture.save(file, "HPAC")
    again = PillowImage.open(io.BytesIO(file.getvalue()))
    assert (again.format, again.mode, again.size) == ("HPAC", mode, picture.size)
    assert again.tobytes() == picture.tobytes()


def test_pillow_saves_by_suffix_and_keeps_what_lies_around(part: np.ndarray, tmp_path: Path) -> None:
    PillowImage.fromarray(part).save(tmp_path / "x.hpac", icc_profile=b"a profile" * 20, dpi=(300, 300), tile=16)
    again = PillowImage.open(tmp_path / "x.hpac")
    assert again.info["icc_profile"] == b"a profile" * 20
    again.load()
    assert again.info["icc_profile"] == b"a profile" * 20
    assert api.inspect(str(tmp_path / "x.hpac"))["frames"][0]["tile"] == 16


def test_pillow_reads_a_header_without_decoding(
    part: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encoded(save_png(part), tmp_path, "x.png")
    monkeypatch.setattr(api.Session, "decode", None)
    with PillowImage.open(path) as picture:
        assert (picture.size, picture.mode) == ((40, 32), "RGB")


def test_pillow_opens_what_was_a_palette(part: np.ndarray, tmp_path: Path) -> None:
    picture = PillowImage.fromarray(part).quantize(20)
    file = io.BytesIO()
    picture.save(file, "png")
    again = PillowImage.open(encoded(file.getvalue(), tmp_path, "x.png"))
    assert again.mode == "P"
    assert np.array_equal(np.asarray(again.convert("RGB")), np.asarray(picture.convert("RGB")))


def test_pillow_goes_through_the_pages_of_a_tiff(part: np.ndarray, tmp_path: Path) -> None:
    pages = np.stack([part[..., 0], part[..., 1], part[..., 2]])
    picture = PillowImage.open(encoded(make_tiff(pages), tmp_path, "x.tif"))
    assert picture.n_frames == 3
    for number in (2, 0, 1):
        picture.seek(number)
        assert np.array_equal(np.asarray(picture), pages[number])
    with pytest.raises(EOFError):
        picture.seek(3)


def test_pillow_opens_what_was_dicom(part: np.ndarray, tmp_path: Path) -> None:
    deep = part[..., 0].astype(np.uint16) * 200
    assert np.array_equal(np.asarray(PillowImage.open(encoded(make_dicom(deep), tmp_path, "x.dcm"))), deep)


def test_pillow_refuses_what_is_damaged(part: np.ndarray) -> None:
    file = io.BytesIO()
    PillowImage.fromarray(part).save(file, "HPAC")
    damaged = bytearray(file.getvalue())
    damaged[-60] ^= 1
    with pytest.raises(OSError, match=r"checksum|damaged|identify"):
        PillowImage.open(io.BytesIO(bytes(damaged))).load()


def test_imageio_reads_through_pillow(part: np.ndarray, tmp_path: Path) -> None:
    path = encoded(save_png(part), tmp_path, "x.png")
    assert np.array_equal(imageio.imread(path, plugin="pillow"), part)
    assert np.array_equal(imageio.imread(path), part)


def test_numcodecs_finds_the_codec_by_name() -> None:
    codec = numcodecs.get_codec({"id": "hpac", "tile": 64})
    assert type(codec).__module__ == "hpac_cli.plugins.numcodecs"
    assert codec.get_config() == {"id": "hpac", "effort": 5, "tile": 64}


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4", "i8", "bool"])
@pytest.mark.parametrize("shape", [(30,), (9, 11), (9, 11, 3), (2, 9, 11), (2, 2, 9, 11, 3)])
def test_chunks_come_back(dtype: str, shape: tuple[int, ...]) -> None:
    chunk = np.random.default_rng(1).integers(0, 100, shape).astype(dtype)
    codec = numcodecs.get_codec({"id": "hpac"})
    out = np.empty_like(chunk)
    codec.decode(codec.encode(chunk), out)
    assert out.tobytes() == chunk.tobytes()


@pytest.mark.parametrize("dtype", ["<u2", ">u2", ">i4", ">f8", "u1"])
@pytest.mark.parametrize("shape", [(30,), (9, 11), (9, 11, 3), (2, 9, 11), (2, 2, 9, 11, 3)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_chunks_come_back_as_they_lie_in_memory(dtype: str, shape: tuple[int, ...], order: Any) -> None:
    chunk = np.asarray(np.random.default_rng(1).integers(0, 100, shape).astype(dtype), order=order)
    codec = numcodecs.get_codec({"id": "hpac"})
    assert codec.decode(codec.encode(chunk)).tobytes() == chunk.tobytes(order="A")
    out = np.empty_like(chunk)
    codec.decode(codec.encode(chunk), out)
    assert np.array_equal(out, chunk)


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
@pytest.mark.parametrize(("order", "zarr_format"), [("C", 2), ("F", 2), ("C", 3), ("F", 3)])
def test_zarr_keeps_orders(dtype: str, order: Any, zarr_format: Any, volume: np.ndarray, tmp_path: Path) -> None:
    codec = {"compressors": numcodecs.get_codec({"id": "hpac"}), "filters": None, "order": order}
    if zarr_format == 3:
        codec = {"serializer": HpacCodec(), "compressors": None, "config": {"order": order}}
    array = zarr.create_array(
        str(tmp_path / "z"), shape=volume.shape, chunks=(2, 32, 40), dtype=dtype, zarr_format=zarr_format, **codec
    )
    array[:] = volume
    assert np.array_equal(zarr.open_array(str(tmp_path / "z"), mode="r")[:], volume)


def test_arrays_keep_their_byte_order() -> None:
    array = np.arange(60, dtype=">i2").reshape(6, 10)
    again = hpac_cli.decode(hpac_cli.encode(array))
    assert (again.dtype, again.tobytes()) == (array.dtype, array.tobytes())


@pytest.mark.parametrize("chunk", [np.zeros((0, 3), "u1"), np.zeros((3, 3), "c8")])
def test_chunks_that_cannot_be_images_are_refused(chunk: np.ndarray) -> None:
    with pytest.raises(UnsupportedError, match="chunk of type"):
        numcodecs.get_codec({"id": "hpac"}).encode(chunk)


@pytest.fixture
def volume(photograph: np.ndarray) -> np.ndarray:
    return np.stack([photograph[i : i + 60, :70, 1] for i in range(0, 40, 10)]).astype(np.uint16) * 7


def test_zarr_2_stores_an_array_of_slices(volume: np.ndarray, tmp_path: Path) -> None:
    codec = numcodecs.get_codec({"id": "hpac"})
    array = zarr.create_array(
        str(tmp_path / "z"), shape=volume.shape, chunks=(2, 32, 32), dtype="u2", zarr_format=2, compressors=codec
    )
    array[:] = volume
    assert np.array_equal(zarr.open_array(str(tmp_path / "z"), mode="r")[:], volume)


@pytest.mark.parametrize("dtype", ["u2", "i4", "f4", "bool"])
def test_zarr_3_stores_an_array_of_slices(dtype: str, volume: np.ndarray, tmp_path: Path) -> None:
    volume = (volume > 400) if dtype == "bool" else volume.astype(dtype)
    options = {"chunks": (1, 64, 64), "dtype": dtype, "zarr_format": 3, "compressors": None}
    array = zarr.create_array(str(tmp_path / "z"), shape=volume.shape, serializer=HpacCodec(tile=64), **options)
    array[:] = volume
    again = zarr.open_array(str(tmp_path / "z"), mode="r")
    assert np.array_equal(again[:], volume)
    assert again.metadata.to_dict()["codecs"][0]["configuration"] == {"effort": 5, "tile": 64}


def test_pillow_shows_small_signed_numbers_as_they_are() -> None:
    array = np.arange(-128, 128, dtype=np.int8).reshape(16, 16)
    assert np.array_equal(np.asarray(PillowImage.open(io.BytesIO(hpac_cli.encode(array)))), array)


def test_pillow_is_not_given_numbers_that_it_cannot_hold() -> None:
    array = np.full((16, 16), 3 << 30, np.uint32)
    with pytest.raises(OSError, match="identify"):
        PillowImage.open(io.BytesIO(hpac_cli.encode(array)))


def test_chunks_that_decoding_would_refuse_are_refused() -> None:
    codec = numcodecs.get_codec({"id": "hpac"})
    with pytest.raises(LimitExceededError, match="the limit is"):
        codec.encode(np.zeros((70_000, 1, 1, 2), np.uint8))


def frames_of(picture: PillowImage.Image) -> list[bytes]:
    return [
        (picture.seek(number), picture.convert("RGB").tobytes())[1]  # type: ignore[func-returns-value]
        for number in range(getattr(picture, "n_frames", 1))
    ]


@pytest.mark.parametrize("options", [{}, {"duration": [40, 50, 60], "loop": 2}], ids=["pages", "animation"])
def test_pillow_saves_all_frames(options: dict[str, Any], part: np.ndarray) -> None:
    pictures = [PillowImage.fromarray(np.roll(part, shift, 1)) for shift in (0, 5, 11)]
    file = io.BytesIO()
    pictures[0].save(file, "HPAC", save_all=True, append_images=pictures[1:], **options)
    again = PillowImage.open(file)
    assert frames_of(again) == [picture.tobytes() for picture in pictures]
    again.seek(1)
    assert again.info.get("duration") == (50 if options else None)


def test_pillow_saves_one_of_several_frames_if_asked(part: np.ndarray) -> None:
    pictures, file = [PillowImage.fromarray(part), PillowImage.fromarray(part[::-1])], io.BytesIO()
    pictures[0].save(file, "HPAC", save_all=False, append_images=pictures[1:])
    assert frames_of(PillowImage.open(file)) == [pictures[0].tobytes()]


def test_pillow_goes_to_a_frame_of_an_animation_at_once(part: np.ndarray) -> None:
    pictures, file = [PillowImage.fromarray(part), PillowImage.fromarray(part[::-1])], io.BytesIO()
    pictures[0].save(file, "HPAC", save_all=True, append_images=pictures[1:], duration=100)
    again = PillowImage.open(file)
    again.seek(1)
    assert again.convert("RGB").tobytes() == pictures[1].tobytes()


def test_pillow_opens_what_was_kept_whole(part: np.ndarray, tmp_path: Path) -> None:
    file, session = io.BytesIO(), api.Session(api.Options(keep_all=True))
    PillowImage.fromarray(part).save(file, "jpeg")
    (tmp_path / "x.jpg").write_bytes(file.getvalue())
    (tmp_path / "x.txt").write_text("no picture")
    for name in ("x.jpg", "x.txt"):
        api.compress(str(tmp_path / name), None, session)
    assert np.array_equal(np.asarray(PillowImage.open(tmp_path / "x.jpg.hpac")), np.asarray(PillowImage.open(file)))
    with pytest.raises(OSError, match="cannot identify"):
        PillowImage.open(tmp_path / "x.txt.hpac")


def test_pillow_opens_tiff_that_it_does_not_know_itself(part: np.ndarray, tmp_path: Path) -> None:
    data = make_tiff(part[..., 0].astype(np.float64) / 4)
    with pytest.raises(OSError, match="cannot identify"):
        PillowImage.open(io.BytesIO(data))
    again = PillowImage.open(encoded(data, tmp_path, "x.tif"))
    assert np.array_equal(np.asarray(again), part[..., 0].astype(np.float32) / 4)


def test_pillow_opens_wide_numbers_that_fit() -> None:
    array = np.array([[-5, 1 << 30], [0, 7]], np.int64)
    again = PillowImage.open(io.BytesIO(hpac_cli.encode(array)))
    assert np.array_equal(np.asarray(again), array)
