"""The conformance files of other projects come back whole, or are refused for a reason."""

import io
import time
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image as PillowImage
from test_dicom import elements_of
from test_png import chunks_of
from test_tiff import MOVED

from hpac_cli import images
from hpac_cli.errors import HpacError, LimitExceededError, UnsupportedError
from hpac_cli.image import Image
from hpac_cli.images import png

FORMATS = Path(__file__).parents[2] / "shared" / "data" / "formats"
pytestmark = pytest.mark.skipif(not FORMATS.is_dir(), reason="the shared conformance files are not here")


def read_all(folder: str) -> list[tuple[Path, bytes, Image | HpacError]]:
    found: list[tuple[Path, bytes, Image | HpacError]] = []
    for path in sorted((FORMATS / folder).iterdir()):
        data, start = path.read_bytes(), time.monotonic()
        try:
            found.append((path, data, images.read(data, transcode=True)))
        except HpacError as error:
            found.append((path, data, error))
        assert time.monotonic() - start < (10 if folder == "broken" else 60), path.name
    return found


@pytest.mark.parametrize("folder", ["pngsuite", "png", "tiff", "dicom", "broken"])
def test_the_same_bytes_come_back(folder: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in sorted((FORMATS / folder).iterdir()):
            data = path.read_bytes()
            try:
                image = images.read(data)
            except LimitExceededError:
                continue
            except HpacError:
                assert folder == "broken" or not images.is_picture(data[:512], path.name), path.name
                continue
            assert image.identical, path.name
            assert images.write(image) == data, path.name


def test_png_suite() -> None:
    for path, data, image in read_all("pngsuite"):
        assert isinstance(image, HpacError) == (not png.is_png(data)), path.name
        broken = path.name.startswith("x")
        if isinstance(image, Image) and broken:
            assert images.write(image) == data, path.name
        elif isinstance(image, Image):
            assert image.frames, path.name
            again = images.write(image)
            assert chunks_of(again) == chunks_of(data), path.name
            with PillowImage.open(path) as theirs, PillowImage.open(io.BytesIO(again)) as ours:
                assert ours.mode == theirs.mode
                assert np.array_equal(np.asarray(ours), np.asarray(theirs)), path.name


def test_png_files_of_other_projects() -> None:
    found = read_all("png")
    refused = [(path.name, str(image)) for path, _, image in found if isinstance(image, HpacError)]
    assert len(refused) <= 15, refused
    for path, data, image in found:
        if isinstance(image, Image):
            again = images.write(image)
            assert (again == data) == image.identical
            assert chunks_of(again) == chunks_of(data), path.name


def test_tiff_files_of_other_projects() -> None:
    found = read_all("tiff")
    refused = [path.name for path, _, image in found if isinstance(image, HpacError)]
    assert refused == ["libtiff_segfault.tif"]  # 3.8 TB of samples
    for path, data, image in found:
        if isinstance(image, Image) and not image.identical:
            with (
                tifffile.TiffFile(io.BytesIO(data)) as theirs,
                tifffile.TiffFile(io.BytesIO(images.write(image))) as ours,
            ):
                for a, b in zip(ours.pages, theirs.pages, strict=True):
                    assert np.array_equal(a.asarray(), b.asarray(), equal_nan=a.dtype.kind == "f"), path.name  # type: ignore[union-attr]
                    kept = {t.code: repr(t.value) for t in b.tags if t.code not in MOVED}  # type: ignore[union-attr]
                    assert {t.code: repr(t.value) for t in a.tags if t.code in kept} == kept, path.name  # type: ignore[union-attr]


def test_dicom_files_of_other_projects() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path, data, image in read_all("dicom"):
            if isinstance(image, HpacError):
                reasons = "truncated|no PNG|needs a decoder"
                assert any(reason in str(image) for reason in reasons.split("|")), (path.name, image)
            elif not image.identical:
                again = images.write(image)
                assert elements_of(again) == elements_of(data), path.name
                ours, theirs = (pydicom.dcmread(io.BytesIO(d), force=True).pixel_array for d in (again, data))
                assert np.array_equal(ours, theirs), path.name


def test_broken_files_end_in_an_error_or_come_back() -> None:
    for path, data, image in read_all("broken"):
        if isinstance(image, Image):
            assert not image.identical or images.write(image) == data, path.name
        else:
            assert not isinstance(image, LimitExceededError | UnsupportedError) or str(image), path.name
