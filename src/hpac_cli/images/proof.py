"""Proof that a file which was written anew holds all that its source holds.

Samples are decoded, of both files, by readers that are not ours: tifffile, pydicom and Pillow. Whatever they cannot
read, and whatever they raise, proves nothing.
"""

import io
import itertools
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import png, rle
from .codestreams import holds_only_samples
from .deflate import MAX_INFLATION, decompress
from .dicom import DEFLATED, end_of_meta, list_items, syntax_of
from .tiff import REWRITTEN, is_tiff, walk

_PIXEL_DATA = 0x7FE00010
_OFFSET_TABLES = (0x7FE00001, 0x7FE00002, 0x7FE00003)
"""Elements that say where encapsulated frames lie."""
_SYNTAX, _GROUP_LENGTH = 0x00020010, 0x00020000
_RLE = "1.2.840.10008.1.2.5"
_IMAGE_STARTS = (b"\xff\xd8", b"\xff\x4f", b"\0\0\0\x0cjP  ")
"""What an image of the JPEG family begins with: JPEG and JPEG-LS, JPEG 2000, and the latter's file format, which
holds more than samples."""


def same_png(data: bytes, again: bytes) -> bool:
    """Whether two PNG files have equal chunks beside IDAT, equal samples, and are the same pictures for Pillow."""
    from PIL import Image

    if not png.holds_the_same(data, again):
        return False
    try:
        with Image.open(io.BytesIO(data)) as source, Image.open(io.BytesIO(again)) as made:
            facts = [
                (p.format, p.mode, p.size, getattr(p, "n_frames", 1), p.info, p.getpalette()) for p in (source, made)
            ]
            return facts[0] == facts[1] and _same_array(np.asarray(source), np.asarray(made))
    except Exception:  # Pillow raises whatever the damage leads to
        return False


def same_tiff(data: bytes, again: bytes) -> bool:
    """Whether two TIFF files have the same directories in the same places, and pages of the same samples."""
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as source, tifffile.TiffFile(io.BytesIO(again)) as made:
            changed: list[tuple[int, int]] = []
            for page, other in zip(walk(source.pages), walk(made.pages), strict=True):
                if not _same_tags(page, other, data, again):
                    return False
                if not _same_segments(page, other, data, again):
                    if not _same_array(page.asarray(), other.asarray()):
                        return False
                    changed += _places(page) + [_value_of(t) for t in page.tags if t.code in REWRITTEN]
            return _same_beside(changed, data, again)
    except Exception:  # tifffile and its decoders raise whatever the damage leads to
        return False


def _same_tags(page: Any, other: Any, data: bytes, again: bytes) -> bool:
    def facts(each: Any, file: bytes) -> list[Any]:
        return [
            (
                tag.code,
                tag.dtype,
                tag.count,
                _value_of(tag),
                b"" if tag.code in REWRITTEN else file[slice(*_value_of(tag))],
            )
            for tag in each.tags
        ]

    return bool(page.offset == other.offset) and facts(page, data) == facts(other, again)


def _value_of(tag: Any) -> tuple[int, int]:
    """Where a tag's value begins and ends."""
    return tag.valueoffset, tag.valueoffset + tag.valuebytecount


def _places(page: Any) -> list[tuple[int, int]]:
    """Where a page's segments begin and end."""
    return [(at, at + size) for at, size in zip(page.dataoffsets, page.databytecounts, strict=True)]


def _same_segments(page: Any, other: Any, data: bytes, again: bytes) -> bool:
    places = _places(page)
    return places == _places(other) and all(data[a:b] == again[a:b] for a, b in places)


def _same_beside(changed: list[tuple[int, int]], data: bytes, again: bytes) -> bool:
    """Whether all bytes of the source are in their places, but for those that had to change."""
    source, made = np.frombuffer(data, np.uint8), np.frombuffer(again, np.uint8)
    at = 0
    for begin, end in [*sorted(changed), (len(data), len(data))]:
        if not np.array_equal(source[at:begin], made[at:begin]):
            return False
        at = max(at, end)
    return True


def _same_array(one: Any, other: Any) -> bool:
    return bool(one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes())


def same_dicom(data: bytes, again: bytes) -> bool:
    """Whether two DICOM files have equal elements and frames of the same samples, the second one natively."""
    import pydicom

    if is_tiff(data):  # for other programs it is that too, and its directories say where samples lie
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if syntax_of(data) == DEFLATED:
                return _inflate(data) == _inflate(again)
            source, made = (pydicom.dcmread(io.BytesIO(file), force=True) for file in (data, again))
            if any(tag in source for tag in _OFFSET_TABLES) or not _has_samples_alone(source, data):
                return False
            if not _same_array_by_array(source, made):
                return False
            for dataset in (source, made):
                del dataset[_PIXEL_DATA]
                del dataset.file_meta[_SYNTAX]
                dataset.file_meta.pop(_GROUP_LENGTH, None)
            nested = any(e.tag == _PIXEL_DATA and e.is_undefined_length for e in source.iterall())
            return bool(not nested and source == made and source.file_meta == made.file_meta)
    except Exception:  # pydicom and its decoders raise whatever the damage leads to
        return False


def _inflate(data: bytes) -> tuple[bytes, bytes, bytes]:
    start = end_of_meta(data)
    plain, tail = decompress(data[start:], MAX_INFLATION * len(data), raw=True)
    return data[:start], plain, tail


def _has_samples_alone(dataset: Any, data: bytes) -> bool:
    """Whether the fragments of pixel data hold one image for each frame, and nothing but its samples."""
    element = dataset.get_item(_PIXEL_DATA)
    places = (list_items(data, element.value_tell) or [])[1:]  # the first is the offset table
    fragments = [data[place.offset : place.offset + place.length] for place in places]
    frames = int(dataset.get("NumberOfFrames", None) or 1)
    if str(dataset.file_meta.TransferSyntaxUID) == _RLE:
        pixels = int(dataset.Rows) * int(dataset.Columns)
        return len(fragments) == frames and all(rle.holds_only_samples(fragment, pixels) for fragment in fragments)
    streams: list[bytes] = []
    for fragment in fragments:
        if fragment.startswith(_IMAGE_STARTS):
            streams.append(fragment)
        else:
            streams[-1] += fragment
    return len(streams) == frames and all(map(holds_only_samples, streams))


def _same_array_by_array(source: Any, made: Any) -> bool:
    from pydicom.pixels.utils import iter_pixels

    frames: Iterator[Any] = itertools.zip_longest(iter_pixels(source, raw=True), iter_pixels(made, raw=True))
    return all(one is not None and other is not None and _same_array(one, other) for one, other in frames)
