"""Conversions of other projects' files show what Pillow, tifffile and pydicom see, or are refused; never another picture."""

import io
import itertools
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image as PillowImage
from pydicom.pixels.utils import pixel_array

from hpac_cli import images
from hpac_cli.errors import HpacError, UnsupportedError
from hpac_cli.image import Image

SHARED = Path(__file__).parents[2] / "shared"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared conformance files are not here")

LARGEST = 100_000
"""Larger files show nothing that smaller ones do not."""
MANY = 200
ODD_IN_PILLOW = {
    "tbbn0g04.png": "the transparent grey of 4 bits is not scaled as the samples are",
    "tbwn0g16.png": "grey of 16 bits is cut off at 255",
    "i_trns.png": "the same",
    "12bit.cropped.tif": "white of 12 bits becomes a dark grey of 16",
    "12bit.cropped.tiff": "the same",
    "seq-1c-12b-47c39b31.tiff": "the same",
    "flower-rgb-planar-16.tif": "planes of 16 bits are read as those of 8",
}
ODD_IN_TIFFFILE = {
    "imagej_one_ifd.tif": "a page is the first plane of twelve",
    "shared_libdeflate.tif": "two pages share a strip: one is coded, the other stays as it is",
}


def converted(image: Image, kind: str) -> bytes | None:
    try:
        return images.convert(image, kind)
    except UnsupportedError:
        return None


def check_png(path: Path, made: bytes) -> bool:
    """Whether Pillow reads the file; then it is the same picture."""
    try:
        theirs = PillowImage.open(path).convert("RGBA")
    except (OSError, ValueError, SyntaxError, IndexError, KeyError):  # what it cannot read, it does not show
        return False
    ours = PillowImage.open(io.BytesIO(made)).convert("RGBA")
    same = np.array_equal(np.asarray(ours), np.asarray(theirs))
    assert same or path.name in ODD_IN_PILLOW, path.name
    return True


def pages_of(path: Path) -> list[NDArray[Any]]:
    """Samples of the pages that are no thumbnails, (H, W, C), as tifffile reads them."""
    with tifffile.TiffFile(path) as file:
        listed: list[Any] = list(itertools.islice(file.pages, MANY + 1))
        if len(listed) > MANY:
            raise ValueError("directories without end")
        pages = [page for page in listed if not int(page.subfiletype) & 5]
        arrays = [(p.asarray(), p.planarconfig == 2 and p.samplesperpixel > 1) for p in pages]
    return [np.moveaxis(a, 0, -1) if planar and a.ndim == 3 else a.reshape(*a.shape[:2], -1) for a, planar in arrays]


def check_array(path: Path, kind: str, made: bytes) -> bool:
    """Whether tifffile or pydicom reads the file; then these are its samples."""
    ours = np.load(io.BytesIO(made))
    try:
        if kind == "dicom":
            theirs = list(pixel_array(pydicom.dcmread(path, force=True), raw=True).reshape(-1, *ours.shape[-3:]))
        else:
            theirs = pages_of(path)
    except Exception:  # readers raise whatever the file leads to
        return False
    ours = ours[None] if ours.ndim == 3 else ours
    if path.name in ODD_IN_TIFFFILE or len(ours) > len(theirs):  # sub-IFDs, which are not listed
        return False
    assert len(ours) == len(theirs), path.name
    for a, b in zip(ours, theirs, strict=True):
        same = np.array_equal(a, b.astype(a.dtype), equal_nan=a.dtype.kind == "f")
        assert same, path.name
    return True


def check_tiff(path: Path, image: Image, made: bytes) -> None:
    """The file holds what is seen, page by page."""
    seen = images.see(image, colours=True).frames
    with tifffile.TiffFile(io.BytesIO(made)) as file:
        for page, frame in zip(file.pages, seen, strict=True):
            same = page.asarray().tobytes() == frame.tobytes()
            assert same, path.name


@pytest.mark.parametrize(
    ("folder", "pictures", "arrays"),
    [("faults", 5, 5), ("pngsuite", 150, 0), ("png", 300, 0), ("tiff", 80, 80), ("dicom", 0, 20)],
)
def test_conversions_are_the_pictures_that_others_see(folder: str, pictures: int, arrays: int) -> None:
    """At least so many of a folder's files are compared with what Pillow, and tifffile or pydicom, read of them."""
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    seen = held = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in sorted((SHARED / folder if folder == "faults" else SHARED / "data" / "formats" / folder).iterdir()):
            data = path.read_bytes()
            if len(data) > LARGEST:
                continue
            try:
                image = images.read(data, transcode=True)
            except HpacError:
                continue
            if image.kind != "dicom" and (made := converted(image, "png")):
                seen += check_png(path, made)
            if image.kind != "png" and (made := converted(image, "array")):
                held += check_array(path, image.kind, made)
            if folder in ("faults", "tiff", "dicom") and (made := converted(image, "tiff")):
                check_tiff(path, image, made)
    assert seen >= pictures
    assert held >= arrays
