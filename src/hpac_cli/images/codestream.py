"""How large does a coded image of the JPEG family say it is? Read before a decoder allocates that much.

Source: ITU-T T.81, annex B (JPEG); T.87, annex C (JPEG-LS); T.800, annex A (JPEG 2000).
"""

import struct
from collections.abc import Iterator

_START_2000 = b"\xff\x4f\xff\x51"
"""SOC and SIZ."""
_FRAME_HEADERS = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
_ALONE = {0x01, *range(0xD0, 0xD9)}
"""Markers without a length."""
_SCAN, _SPIFF, _SPIFF_MARK = 0xDA, 0xE8, b"SPIFF\0"


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
        if marker == _SCAN:
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
