"""What is converted shows the picture that other readers see, or is refused; never another picture."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import tifffile
from conftest import make_dicom, make_tiff, save_png
from PIL import Image as PillowImage

from hpac_cli import api, images
from hpac_cli.api import Session
from hpac_cli.errors import UnsupportedError

RNG = np.random.default_rng(7)
GREY = RNG.integers(0, 256, (40, 50), np.uint8)
RGB = RNG.integers(0, 256, (40, 50, 3), np.uint8)
BOX = (3, 4, 20, 10)
"""x, y, width, height of the region that is converted alone."""


def save(picture: PillowImage.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def palette_picture() -> PillowImage.Image:
    return PillowImage.fromarray(RGB).quantize(64)


def transparent_grey() -> bytes:
    return save(PillowImage.fromarray(GREY), "png", transparency=int(GREY[5, 5]))


def two_bits() -> bytes:
    picture = PillowImage.fromarray(GREY % 4).convert("P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 9, 9, 255])
    return save(picture, "png", bits=2)


PICTURES: dict[str, Callable[[], bytes]] = {
    "grey.png": lambda: save_png(GREY),
    "palette.png": lambda: save(palette_picture(), "png"),
    "palette-of-4.png": two_bits,
    "transparent-palette.png": lambda: save(palette_picture(), "png", transparency=bytes(range(64))),
    "transparent-grey.png": transparent_grey,
    "one-bit.png": lambda: save(PillowImage.fromarray(GREY > 90), "png"),
    "palette.tif": lambda: save(palette_picture(), "tiff"),
    "one-bit.tif": lambda: save(PillowImage.fromarray(GREY > 90), "tiff"),
    "white-is-zero.tif": lambda: make_tiff(GREY, photometric="miniswhite"),
    "rgb.tif": lambda: make_tiff(RGB, photometric="rgb"),
    "rgba.tif": lambda: make_tiff(np.dstack([RGB, GREY]), photometric="rgb", extrasamples=["unassalpha"]),
    "tiles.tif": lambda: make_tiff(RGB, photometric="rgb", tile=(32, 32)),
}


def encoded(data: bytes, folder: Path, name: str) -> str:
    (folder / name).write_bytes(data)
    api.compress(str(folder / name), str(folder / "x.hpac"), Session())
    return str(folder / "x.hpac")


@pytest.mark.parametrize("kind", [".png", ".tif"])
@pytest.mark.parametrize("name", PICTURES)
def test_regions_show_what_pillow_shows(name: str, kind: str, tmp_path: Path) -> None:
    data, part = PICTURES[name](), tmp_path / f"part{kind}"
    x, y, width, height = BOX
    api.decompress_part(encoded(data, tmp_path, name), str(part), Session(), frame=0, region=BOX)
    theirs = np.asarray(PillowImage.open(io.BytesIO(data)).convert("RGBA"))[y : y + height, x : x + width]
    assert np.array_equal(np.asarray(PillowImage.open(part).convert("RGBA")), theirs)


@pytest.mark.parametrize("name", PICTURES)
def test_other_kinds_show_what_pillow_shows(name: str) -> None:
    data = PICTURES[name]()
    image = images.read(data)
    made = images.convert(image, "tiff" if image.kind == "png" else "png")
    ours, theirs = (np.asarray(PillowImage.open(io.BytesIO(each)).convert("RGBA")) for each in (made, data))
    assert np.array_equal(ours, theirs)


UNFIT: dict[str, Callable[[], bytes]] = {
    "cmyk": lambda: make_tiff(np.dstack([RGB, GREY]), photometric="separated"),
    "ycbcr": lambda: make_tiff(RGB, photometric="ycbcr", extratags=[(530, "H", 2, (1, 1), True)]),
    "cielab": lambda: make_tiff(RGB, photometric="cielab"),
    "bands": lambda: make_tiff(RGB, photometric="minisblack", planarconfig="contig"),
    "near infrared": lambda: make_tiff(np.dstack([RGB, GREY]), photometric="rgb", extrasamples=["unspecified"]),
    "multiplied alpha": lambda: make_tiff(np.dstack([RGB, GREY]), photometric="rgb", extrasamples=["assocalpha"]),
    "ybr": lambda: make_dicom(RGB, PhotometricInterpretation="YBR_FULL"),
    "ybr 422": lambda: make_dicom(RGB, PhotometricInterpretation="YBR_FULL_422", PixelData=bytes(4000)),
    "palette colour": lambda: make_dicom(GREY, PhotometricInterpretation="PALETTE COLOR"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_has_no_exact_counterpart_is_refused(name: str) -> None:
    image = images.read(UNFIT[name]())
    assert image.frames
    with pytest.raises(UnsupportedError, match="cannot be converted exactly"):
        images.convert(image, "png")


@pytest.mark.parametrize("stored", [12, 16])
def test_dicom_shows_what_pydicom_sees(stored: int) -> None:
    words = RNG.integers(0, 1 << 16, (40, 50), np.uint16)  # above 12 bits there is something else
    data = make_dicom(words, BitsStored=stored, HighBit=stored - 1)
    made = images.convert(images.read(data), "png")
    assert np.array_equal(np.asarray(PillowImage.open(io.BytesIO(made))), pydicom.dcmread(io.BytesIO(data)).pixel_array)


def test_white_as_the_lowest_is_turned_round() -> None:
    words = RNG.integers(0, 1 << 12, (40, 50), np.uint16)
    data = make_dicom(words, BitsStored=12, HighBit=11, PhotometricInterpretation="MONOCHROME1")
    made = images.convert(images.read(data), "tiff")
    assert np.array_equal(tifffile.imread(io.BytesIO(made)), 4095 - words)


def test_each_page_has_its_own_colours() -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for photometric in ("minisblack", "miniswhite"):
            writer.write(GREY, photometric=photometric, metadata=None)
    made = images.convert(images.read(file.getvalue()), "array")
    assert np.array_equal(np.load(io.BytesIO(made))[..., 0], [GREY, GREY])
    image = images.read(file.getvalue())
    with tifffile.TiffFile(io.BytesIO(images.convert(image, "tiff"))) as pages:
        assert np.array_equal([page.asarray() for page in pages.pages], [GREY, 255 - GREY])


def test_the_picture_is_converted_and_not_its_thumbnail(tmp_path: Path) -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(GREY[::4, ::4], photometric="minisblack", metadata=None, subifds=1, subfiletype=1)
        writer.write(RGB, photometric="rgb", metadata=None, subfiletype=0)
    made = images.convert(images.read(file.getvalue()), "png")
    assert np.array_equal(np.asarray(PillowImage.open(io.BytesIO(made))), RGB)
    part = tmp_path / "part.png"
    api.decompress_part(encoded(file.getvalue(), tmp_path, "x.tif"), str(part), Session(), frame=None, region=None)
    assert np.array_equal(np.asarray(PillowImage.open(part)), RGB)


def test_a_picture_that_was_kept_is_not_taken_for_its_thumbnail() -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(RGB, photometric="rgb", metadata=None, compression="jpeg")
        writer.write(RGB[::4, ::4], photometric="rgb", metadata=None)
    image = images.read(file.getvalue())
    assert len(image.frames) == 1
    with pytest.raises(UnsupportedError, match="page 1 was kept as it is"):
        images.convert(image, "png")


def test_chroma_that_two_pixels_share_is_given_to_both(tmp_path: Path) -> None:
    stored = np.random.default_rng(2).integers(0, 256, 4000, np.uint8)
    data = make_dicom(RGB, PhotometricInterpretation="YBR_FULL_422", PixelData=stored.tobytes())
    expected = np.stack(
        [stored.reshape(-1, 2, 2)[:, 0].reshape(-1), *np.repeat(stored.reshape(-1, 4)[:, 2:], 2, 0).T], 1
    )
    path, part = encoded(data, tmp_path, "x.dcm"), tmp_path / "part.npy"
    frame = api.inspect(path)["frames"][0]
    assert (frame["width"], frame["height"], frame["channels"]) == (50, 40, 3)
    api.decompress_part(path, str(part), Session(), frame=0, region=BOX)
    x, y, width, height = BOX
    assert np.array_equal(np.load(part), expected.reshape(40, 50, 3)[y : y + height, x : x + width])
