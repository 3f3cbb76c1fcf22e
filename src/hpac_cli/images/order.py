"""The order of the files of a series: slices by place along their normal, then by time; all others by name.

Source: DICOM PS3.3, C.7.6.2 (image plane: position, orientation) and C.7.6.1 (series, instances, acquisition times).
"""

import re
import warnings
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np

from hpac_cli.errors import InputError

from .dicom import DEFLATED, asking_pydicom, syntax_of

Key = tuple[Any, ...]
"""Compares with that of every other file."""

_TAGS = (
    "SeriesInstanceUID",
    "SeriesNumber",
    "Rows",
    "Columns",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "TemporalPositionIdentifier",
    "AcquisitionDateTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "EchoNumbers",
    "InstanceNumber",
)
_TIMES = ("AcquisitionDateTime", "AcquisitionDate", "AcquisitionTime")
_PLACE_DIGITS, _TURN_DIGITS = 2, 3
"""Digits behind the point of a position in mm and of the cosines of an orientation: slices that differ by less are at one place."""
_META_BYTES = 1 << 16
_NUMBER = re.compile(r"(\d+)")


def place_of(name: str, kind: str, file: BinaryIO) -> Key:
    """Where a file belongs among those of a series.

    Args:
        name: its path, parts separated by slashes.
        kind: of its image.
        file: it, of which what lies before DICOM's pixel data is read.
    """
    by_name = natural(name)
    slice_key = _slice_key(file) if kind == "dicom" else None
    return (1, by_name) if slice_key is None else (0, slice_key, by_name)


def natural(name: str) -> Key:
    """Compare names as people number them: slice9 comes before slice10."""
    return tuple(tuple(map(_part_key, _NUMBER.split(part))) for part in name.split("/")), name


def _part_key(text: str) -> tuple[int, str]:
    """Split by _NUMBER, texts and numbers take turns, so that each meets its like; zeros lead nowhere."""
    if not text.isdecimal():
        return 0, text.casefold()
    digits = text.lstrip("0")
    return len(digits), digits


def _slice_key(file: BinaryIO) -> Key | None:
    """Series, orientation, place along the normal, and time; None of what is no slice of a body."""
    import pydicom

    file.seek(0)
    if syntax_of(file.read(_META_BYTES)) == DEFLATED:  # which pydicom would inflate, however much that makes
        return None
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with asking_pydicom():
                found = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(_TAGS))
                facts = {name: _plain(found.get(name)) for name in _TAGS}
        except InputError:
            return None
    turn, position = _floats(facts["ImageOrientationPatient"], 6), _floats(facts["ImagePositionPatient"], 3)
    if turn is None or position is None:
        return None
    place = float(np.cross(turn[:3], turn[3:]) @ position)
    return (
        *_each(facts, "SeriesNumber", "SeriesInstanceUID", "Rows", "Columns"),
        tuple(np.round(turn, _TURN_DIGITS).tolist()),
        round(place, _PLACE_DIGITS),
        *_each(facts, "EchoNumbers", "TemporalPositionIdentifier", *_TIMES, "InstanceNumber"),
    )


def _each(facts: dict[str, Any], *names: str) -> Iterable[tuple[float, str]]:
    """What was found, as a number where it is one: any two compare."""
    for name in names:
        text = str(facts[name] or "")
        try:
            number = float(text)
        except ValueError:
            number = 0.0
        yield (number if np.isfinite(number) else 0.0), text


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue" else value


def _floats(values: Any, count: int) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """So many finite numbers, or None."""
    try:
        numbers = np.array([float(value) for value in values])
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count and np.isfinite(numbers).all() else None
