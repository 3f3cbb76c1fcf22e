"""PNM and PAM to `Image`: where the samples of each picture lie.

Binary files (P4 to P7) of one picture or of several; those of decimal text (P1 to P3) are kept whole.
Source: Netpbm, pbm(5), pgm(5), ppm(5), pam(5).
"""

import re
from dataclasses import replace
from typing import NamedTuple

from hpac_cli.errors import InputError
from hpac_cli.image import Image, keep_whole
from hpac_cli.kept import Kept
from hpac_cli.limits import Limits, Tally

from .layout import Layout, Place, count_frames
from .source import Source
from .splice import cut

_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_START = re.compile(rb"P[1-6]" + _GAP + rb"\d+" + _GAP + rb"\d+\s|P7[ \t\r]*\n(?:#|WIDTH|HEIGHT|DEPTH|MAXVAL|TUPLTYPE)")
_BITMAP = re.compile(rb"P4" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})\s")
_ANYMAP = re.compile(rb"P([56])" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,5})\s")
_PAM = re.compile(rb"P7[ \t\r]*\n(?:[^\n]*\n){0,999}?[ \t]*ENDHDR[ \t\r]*\n")
_FIELD = re.compile(rb"^[ \t]*(WIDTH|HEIGHT|DEPTH|MAXVAL|TUPLTYPE)[ \t]+(\S+)", re.MULTILINE)


class Header(NamedTuple):
    """What stands before one picture's samples."""

    end: int
    """Where samples begin."""
    width: int
    height: int
    channels: int
    maximum: int
    """Of the samples: white, or opaque."""
    bits: int
    """Of a stored sample."""
    black_is_one: bool


def is_pnm(data: bytes, at: int = 0) -> bool:
    """Whether the data goes on at a byte as PNM or PAM begins."""
    return _START.match(data, at) is not None


def read(file: Source, limits: Limits) -> Image:
    """Read a PNM or PAM file; each of its pictures is a frame.

    Raises:
        InputError: damaged.
        LimitExceededError: larger than limits allow.
    """
    if file[1:2] in b"123":
        return keep_whole(file.stream, "pnm", Kept.LAYOUT)
    return cut("pnm", file, _list_layouts(file[:], limits))


def _list_layouts(data: bytes, limits: Limits) -> list[Layout]:
    """One for each picture; their headers may be anywhere."""
    layouts, at, tally = list[Layout](), 0, Tally(limits)
    while not layouts or is_pnm(data, at):
        header = parse_header(data, at)
        at = header.end
        height, width = header.height, header.width
        layout = Layout(height, width, header.channels, header.bits, "u", height, width, (), little=False)
        count_frames(layout, tally)
        size = sum(map(layout.segment_bytes, layout.boxes()))
        if at + size > len(data):
            raise InputError(f"PNM truncated: its samples need {size:,} bytes, {len(data) - at:,} are present")
        layouts.append(replace(layout, places=(Place(at, size),)))
        at += size
    return layouts


def parse_header(data: bytes, at: int = 0) -> Header:
    """Read the header of a picture that begins at a byte.

    Raises:
        InputError: it is none.
    """
    channels, black_is_one = 1, False
    if found := _BITMAP.match(data, at):
        width, height, maximum, black_is_one = int(found[1]), int(found[2]), 1, True
    elif found := _ANYMAP.match(data, at):
        channels = 3 if found[1] == b"6" else 1
        width, height, maximum = int(found[2]), int(found[3]), int(found[4])
    elif found := _PAM.match(data, at):
        fields = dict(_FIELD.findall(found[0]))
        numbers = [fields.get(name, b"") for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")]
        if not all(re.fullmatch(rb"\d{1,9}", number) for number in numbers):
            raise InputError("PAM damaged: its header lacks a number")
        width, height, channels, maximum = map(int, numbers)
    else:
        raise InputError("PNM damaged: its header is none")
    if not (width and height and channels and 0 < maximum < 1 << 16):
        raise InputError(f"PNM damaged: {width} x {height} x {channels} samples of up to {maximum}")
    bits = 1 if black_is_one else 8 if maximum < 256 else 16
    return Header(found.end(), width, height, channels, maximum, bits, black_is_one)
