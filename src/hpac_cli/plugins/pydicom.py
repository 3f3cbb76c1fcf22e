""".hpac in pydicom: `dcmread("scan.dcm.hpac")` gives the Dataset of the file that was encoded."""

from __future__ import annotations

import io
import os
from typing import Any, BinaryIO

import pydicom

from hpac_cli import api
from hpac_cli.errors import UnsupportedError


def dcmread(
    file: str | os.PathLike[str] | BinaryIO,
    *,
    member: str | None = None,
    stop_before_pixels: bool = False,
    **options: Any,
) -> Any:
    """Read the .hpac file of a DICOM file.

    Args:
        file: a path, a URL (with fsspec), or a binary stream that seeks.
        member: of a series, the name of the file that is meant.
        stop_before_pixels: read all that stands before the pixel data, and decode nothing.
        options: of pydicom.dcmread.

    Returns:
        A pydicom.FileDataset.

    Raises:
        UnsupportedError: the .hpac file was not made of DICOM.
        HpacError: any other of errors.py.
        InvalidDicomError: of pydicom, of files that lack a preamble, unless force=True is given.
    """
    with api.open_picture(file, member=member) as picture:
        if picture.kind not in ("dicom", "file"):
            raise UnsupportedError(f"it was made of a file of kind {picture.kind}, not of DICOM")
        if stop_before_pixels and picture.num_frames:
            with picture.outline() as outline:
                return pydicom.dcmread(outline, stop_before_pixels=True, **options)
        data = picture.read_file()
    return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=stop_before_pixels, **options)
