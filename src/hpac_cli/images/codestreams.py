"""Coded images of the JPEG family, by their markers: the size they claim, and what they hold beside their samples.

Source: ITU-T T.81, annex B (JPEG); T.87, annex C (JPEG-LS); T.800, annex A (JPEG 2000).
"""

import struct
from collections.abc import Iterator

_END = 0xD9
_START_OF_SCAN = 0xDA
_RESTARTS = range(0xD0, 0xD8)
"""Markers within coded data."""
_JPEG_OTHER = (*range(0xE0, 0xF0), 0xFE)
"""JPEG's application segments and comments."""
_TILE_PART, _TILE_DATA, _COMMENT = 0x90, 0x93, 0x64
_PROGRAMS = (b"\0\1Created by ", b"\0\1Creator: ", b"\0\1Kakadu-", b"\0\1Kdu-Layer-Info: ")
"""How comments of JPEG 2000 begin in which a program tells that, and how, it wrote the image."""
_START_2000 = b"\xff\x4f\xff\x51"
"""SOC and SIZ."""
_FRAME_HEADERS = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
_ALONE = {0x01, *range(0xD0, 0xD9)}
"""Markers without a length."""
_SPIFF, _SPIFF_MARK = 0xE8, b"SPIFF\0"


def sides_of(coded: bytes) -> list[tuple[int, int]]:
    """All (width, height) that headers of one coded image claim; none if it is of another kind or damaged."""
    at = coded[:4096].find(_START_2000)
    if at >= 0:
        fields = coded[at + 8 : at + 24]
        if len(fields) < 16:
            return []
        right, bottom, left, top = struct.unpack(">4I", fields)
        return [(right - left, bottom - top)]
    return list(_jpeg_sides(coded))


def _jpeg_sides(coded: bytes) -> Iterator[tuple[int, int]]:
    at = 0
    while at + 4 <= len(coded) and coded[at] == 0xFF:
        marker = coded[at + 1]
        if marker == _START_OF_SCAN:
            return
        if marker in _ALONE or marker == 0xFF:
            at += 1 if marker == 0xFF else 2
            continue
        body = coded[at + 4 : at + 2 + int.from_bytes(coded[at + 2 : at + 4], "big")]
        if marker in _FRAME_HEADERS and len(body) >= 5:
            height, width = struct.unpack(">HH", body[1:5])
            yield width, height
        if marker == _SPIFF and body.startswith(_SPIFF_MARK) and len(body) >= 18:
            height, width = struct.unpack(">II", body[10:18])
            yield width, height
        at += 4 + len(body)


def holds_only_samples(stream: bytes) -> bool:
    """Whether a JPEG, JPEG-LS or JPEG 2000 image has samples and what decodes them, and nothing else.

    One byte of padding behind it only makes its length even. Where anything is not as expected, the answer is no.
    """
    end = _end_of_jpeg(stream) if stream[:2] == b"\xff\xd8" else _end_of_jpeg_2000(stream)
    return end is not None and stream[end:] in (b"", b"\0", b"\xff")


def _end_of_jpeg(stream: bytes) -> int | None:
    at = 2
    while stream[at : at + 1] == b"\xff" and at + 1 < len(stream):
        kind = stream[at + 1]
        if kind == _END:
            return at + 2
        if kind in _JPEG_OTHER:
            return None
        at += 2 + _length(stream, at)
        if kind == _START_OF_SCAN:
            at = end_of_scan(stream, at)
    return None


def end_of_scan(stream: bytes, at: int) -> int:
    """Where the next marker is; in coded data, the byte after 0xff is below 0x80."""
    while (at := stream.find(b"\xff", at)) >= 0 and at + 1 < len(stream):
        if stream[at + 1] >= 0x80 and stream[at + 1] not in _RESTARTS:
            return at
        at += 1
    return len(stream)


def _end_of_jpeg_2000(stream: bytes) -> int | None:
    at, tile_end = 2, 0
    while stream[:2] == b"\xff\x4f" and stream[at : at + 1] == b"\xff" and at + 1 < len(stream):
        kind = stream[at + 1]
        if kind == _END:
            return at + 2
        if kind == _TILE_PART:
            size = int.from_bytes(stream[at + 6 : at + 10], "big")
            tile_end = at + size if size else len(stream.rstrip(b"\0")) - 2  # 0: up to the end of the image
        if kind == _COMMENT and not stream.startswith(_PROGRAMS, at + 4):
            return None
        step = tile_end if kind == _TILE_DATA else at + 2 + _length(stream, at)
        if step <= at:
            return None
        at = step
    return None


def _length(stream: bytes, at: int) -> int:
    """Of the segment whose marker is at `at`."""
    return int.from_bytes(stream[at + 2 : at + 4], "big")
