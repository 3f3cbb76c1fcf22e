"""Codestreams of lossless JPEG and JPEG-LS to samples, and the same codestreams from samples.

A codestream is split into its *head*, all that is not entropy-coded (markers, tables, scan headers, end), and samples.
Whoever coded these samples in the plain way that the head tells made the very same bytes.
Source: ITU-T T.81, annexes B and H; T.87, annex C.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from hpac_cli.errors import InputError
from hpac_cli.image import Samples
from hpac_cli.jpeg import MAX_COMPONENTS, TABLE_BYTES, Scan, StreamError, decode_scan, encode_scan

from .codestreams import end_of_scan
from .source import FileBytes

_START, _END, _START_OF_SCAN, _TABLES, _RESTART_EVERY = 0xD8, 0xD9, 0xDA, 0xC4, 0xDD
_LOSSLESS, _LOSSLESS_LS, _PRESETS = 0xC3, 0xF7, 0xF8
_APPLICATION = (*range(0xE0, 0xF0), 0xFE)
_TRANSFORM = 0xE8, b"mrfx"
"""Says that the samples are differences of colours (CharLS)."""
_ALONE = (0x01, *range(0xD0, 0xD8))


@dataclass
class _Codestream:
    """What markers told so far."""

    frame: tuple[int, int, int, int] | None = None
    """Marker, precision, height, width."""
    ids: bytes = b""
    """Of the components."""
    tables: dict[int, bytes] = field(default_factory=dict)
    restart: int = 0
    presets: tuple[int, ...] = ()
    """MAXVAL, T1, T2, T3 and RESET; 0 where they are as T.87 computes them."""
    scans: list[tuple[Scan, bytes, int, int]] = field(default_factory=list)
    """Parameters, tables, and where the data begin and end."""
    end: int = 0
    """Behind the end marker."""


def begins(data: FileBytes, at: int) -> bool:
    """Whether a codestream begins at a byte; none has such bytes further on."""
    return data[at : at + 2] == bytes([0xFF, _START])


def split(stream: bytes) -> tuple[bytes, int]:
    """Read the head of the codestream that the data begin with, and the length of all of it in bytes.

    Raises:
        InputError: damaged, or of a kind that cannot be made again.
    """
    parsed = _parse(stream)
    _sides(parsed)
    cuts = [0, *(at for *_, begin, end in parsed.scans for at in (begin, end)), parsed.end]
    return b"".join(stream[a:b] for a, b in zip(cuts[::2], cuts[1::2], strict=True)), parsed.end


def decode(stream: bytes, count: int) -> Samples:
    """Decode a codestream.

    Args:
        count: how many samples it should hold.

    Returns:
        (H, W, C) uint16.

    Raises:
        InputError: damaged, of a kind that cannot be made again, or of another size.
    """
    parsed = _parse(stream)
    height, width = _sides(parsed)
    told = sorted(scan.components[i] for scan, *_ in parsed.scans for i in range(scan.num_components))
    if told != list(range(len(parsed.ids))):
        raise InputError("a lossless JPEG image does not hold each component once")
    if height * width * len(parsed.ids) != count:
        raise InputError("a lossless JPEG image is of another size than its file says")
    samples = np.zeros((height, width, len(parsed.ids)), np.uint16)
    for scan, tables, begin, end in parsed.scans:
        try:
            decode_scan(scan, tables, stream[begin:end], samples)
        except StreamError as error:
            raise InputError(f"a lossless JPEG image is damaged: {error}") from error
    return samples


def encode(head: bytes, samples: Samples, room: int) -> bytes:
    """Undo decode.

    Args:
        head: as split gives it.
        samples: uint16, as many as the head tells of, in the order in which decode gave them.
        room: bytes that it may take.

    Raises:
        InputError: the head is damaged, or does not fit the samples.
    """
    parsed = _parse(head)
    height, width = _sides(parsed)
    if parsed.end != len(head) or samples.size != height * width * len(parsed.ids):
        raise InputError("the head of a lossless JPEG image does not fit its samples")
    samples = np.ascontiguousarray(samples).reshape(height, width, len(parsed.ids))
    parts, at = [], 0
    for scan, tables, begin, end in parsed.scans:
        if begin != end:
            raise InputError("the head of a lossless JPEG image is damaged")
        try:
            coded = encode_scan(scan, tables, samples, room)
        except StreamError as error:
            raise InputError(f"samples do not fit the head of a lossless JPEG image: {error}") from error
        parts += [head[at:begin], coded]
        at = begin
    return b"".join([*parts, head[at:]])


def precision_of(head: bytes) -> int:
    """Bits of a sample, by the codestream or its head.

    Raises:
        InputError: it is damaged.
    """
    frame = _parse(head).frame
    return frame[1] if frame else 0


def _sides(parsed: _Codestream) -> tuple[int, int]:
    if parsed.frame is None or not parsed.end:
        raise InputError("a lossless JPEG image is cut short")
    return parsed.frame[2], parsed.frame[3]


def _parse(stream: bytes) -> _Codestream:
    if not begins(stream, 0):
        raise InputError("no JPEG image")
    parsed = _Codestream()
    for marker, body, end in _segments(stream):
        if marker == _END:
            parsed.end = end
        elif marker == _START_OF_SCAN:
            begin = end
            parsed.scans.append((*_read_scan(parsed, body), begin, end_of_scan(stream, begin)))
        else:
            _read_segment(parsed, marker, body)
    return parsed


def _segments(stream: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Each marker, what its segment holds, and where that ends; up to the end of the image, without entropy-coded data.

    Raises:
        InputError: something else than a marker.
    """
    at = 2
    while at + 2 <= len(stream):
        if stream[at] != 0xFF:
            raise InputError("a JPEG image is damaged: there is no marker where one should be")
        marker = stream[at + 1]
        if marker == _END:
            yield marker, b"", at + 2
            return
        if marker == 0xFF:  # fills
            at += 1
            continue
        if marker in _ALONE:
            raise InputError("a JPEG image with a marker out of place")
        size = int.from_bytes(stream[at + 2 : at + 4], "big")
        end = at + 2 + size
        if size < 2 or end > len(stream):
            raise InputError("a JPEG image is cut short")
        yield marker, stream[at + 4 : end], end
        at = end_of_scan(stream, end) if marker == _START_OF_SCAN else end


def _read_segment(parsed: _Codestream, marker: int, body: bytes) -> None:
    if marker in (_LOSSLESS, _LOSSLESS_LS):
        _read_frame(parsed, marker, body)
    elif marker == _TABLES:
        while body:
            count = 17 + sum(body[1:17])
            if len(body) < count or count > 17 + 256 or body[0] >= MAX_COMPONENTS:
                raise InputError("a JPEG image with a damaged Huffman table")
            parsed.tables[body[0]] = body[1:count].ljust(TABLE_BYTES, b"\0")
            body = body[count:]
    elif marker == _RESTART_EVERY and len(body) in (2, 3, 4):
        parsed.restart = int.from_bytes(body, "big")
    elif marker == _PRESETS and body[:1] == b"\1" and len(body) == 11:
        parsed.presets = tuple(int.from_bytes(body[i : i + 2], "big") for i in range(1, 11, 2))
    elif marker not in _APPLICATION or (marker == _TRANSFORM[0] and body.startswith(_TRANSFORM[1])):
        raise InputError(f"a JPEG image with a marker ({marker:#x}) that is not understood")


def _read_frame(parsed: _Codestream, marker: int, body: bytes) -> None:
    count = body[5] if len(body) > 5 else 0
    if parsed.frame or len(body) != 6 + 3 * count or not 0 < count <= MAX_COMPONENTS:
        raise InputError("a JPEG image with a damaged frame header")
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    if not height or not width or not 2 <= body[0] <= 16 or any(s != 0x11 for s in body[7::3]):
        raise InputError("a JPEG image of a size or sampling that is not taken")
    parsed.frame, parsed.ids = (marker, body[0], height, width), body[6::3]


def _read_scan(parsed: _Codestream, body: bytes) -> tuple[Scan, bytes]:
    """Parameters and Huffman tables of a scan."""
    count = body[0] if body else 0
    if parsed.frame is None or not 0 < count <= MAX_COMPONENTS or len(body) != 4 + 2 * count:
        raise InputError("a JPEG image with a damaged scan header")
    marker, precision, height, width = parsed.frame
    ids, selectors = body[1 : 1 + 2 * count : 2], body[2 : 2 + 2 * count : 2]
    first, last, shift = body[-3:]
    if any(i not in parsed.ids for i in ids) or len(set(ids)) < count:
        raise InputError("a JPEG image with a scan of no component of it")
    scan = Scan(height=height, width=width, channels=len(parsed.ids), num_components=count, precision=precision)
    scan.components[:count] = [parsed.ids.index(i) for i in ids]
    if marker == _LOSSLESS_LS:
        if first or shift or any(selectors):
            raise InputError("a JPEG-LS image with loss, or in a way that is not taken")
        scan.interleave, scan.restart = last, parsed.restart
        scan.max_value, scan.t1, scan.t2, scan.t3, scan.reset = _thresholds(precision, parsed.presets)
        return scan, b""
    if last or shift >> 4 or parsed.restart % width or any(s & 15 or s >> 4 not in parsed.tables for s in selectors):
        raise InputError("a JPEG image with a scan that is not taken")
    scan.restart, scan.predictor, scan.shift = parsed.restart // width, first, shift & 15
    scan.tables[:count] = [s >> 4 for s in selectors]
    empty = bytes(TABLE_BYTES)
    return scan, b"".join(parsed.tables.get(number, empty) for number in range(MAX_COMPONENTS))


def _thresholds(precision: int, presets: tuple[int, ...]) -> tuple[int, int, int, int, int]:
    """MAXVAL, T1, T2, T3 and RESET, as told or as T.87, C.2.4.1.1, computes them."""
    told = presets or (0, 0, 0, 0, 0)
    highest = told[0] or (1 << precision) - 1
    factor = (min(highest, 4095) + 128) // 256 if highest >= 128 else 256 // (highest + 1)
    plain = (
        (factor + 2, 4 * factor + 3, 17 * factor + 4)
        if highest >= 128
        else (max(2, 3 // factor), max(3, 7 // factor), max(4, 21 // factor))
    )
    t1 = told[1] or (plain[0] if plain[0] <= highest else 1)
    t2 = told[2] or (plain[1] if t1 <= plain[1] <= highest else t1)
    t3 = told[3] or (plain[2] if t2 <= plain[2] <= highest else t2)
    return highest, t1, t2, t3, told[4] or 64
