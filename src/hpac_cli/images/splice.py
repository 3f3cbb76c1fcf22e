"""A file with its samples cut out, and the same file with samples put back in.

The envelope holds how the samples of each frame lay in the file (layout.Layout), and all other
bytes as they stood. Whatever is not understood simply stays among those bytes, so nothing of a
file is ever lost, and rebuilding needs no library that knows the file's format.
"""

import bisect
import io
import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from hpac_cli.binary import Fields, put_string, put_varint
from hpac_cli.errors import HpacError, InputError, LimitExceededError
from hpac_cli.image import Image, Samples
from hpac_cli.limits import DEFAULT_LIMITS

from .bits import sample_bytes
from .deflate import Parameters, compress
from .layout import Codec, Layout, Place, Predictor, pack, unpack
from .lzw import VARIANTS
from .padding import Filling, Padding, put_on, take_off

_KINDS = "uif"
_MAX_SIDE = 1 << 31
_FREE_GROWTH = 1 << 20
"""Coded segments take no more than this and twice the bytes of their samples."""


@dataclass(frozen=True)
class Wrapper:
    """A file of which everything from `start` on is one raw deflate stream (deflated DICOM)."""

    start: int
    parameters: Parameters
    tail: bytes
    """What follows the stream."""


def cut(kind: str, data: bytes, layouts: Sequence[Layout], wrapper: Wrapper | None = None) -> Image:
    """Cut frames out of a file; a frame that cannot be put back exactly stays in it.

    Args:
        kind: tiff or dicom.
        data: the file, or what it inflates to.
        layouts: where frames lie; where two overlap, the first is cut out.
        wrapper: how data is to be deflated; goes with layouts of which all can be cut out.
    """
    taken: list[Layout] = []
    frames: list[Samples] = []
    free = _Free()
    for layout in layouts:
        try:
            frame = unpack(layout, data)
        except HpacError:
            if layout.codec is Codec.NONE:
                raise
            continue
        segments = zip(pack(layout, frame), layout.places, strict=True)
        exact = all(again == data[place.offset : place.offset + place.length] for again, place in segments)
        if exact and free.claim(layout.places):
            if layout.padding.rows or layout.padding.columns:
                frame, padding = take_off(frame, layout.padding.rows, layout.padding.columns)
                layout = replace(layout, padding=padding)
            taken.append(layout)
            frames.append(frame)
    if not frames and wrapper is None:
        return Image((), kind, whole=io.BytesIO(data))
    return Image(tuple(frames), kind, _build_envelope(taken, data, wrapper))


class _Free:
    """Which bytes of a file no frame has claimed."""

    def __init__(self) -> None:
        self._claims: list[Place] = []
        """In ascending order; none overlap."""

    def claim(self, places: Sequence[Place]) -> bool:
        """Claim these segments; False, and nothing claimed, if they overlap claims or each other."""
        wanted = sorted(place for place in places if place.length)
        overlap = any(a.offset + a.length > b.offset for a, b in itertools.pairwise(wanted))
        if overlap or any(self._is_taken(place) for place in wanted):
            return False
        for place in wanted:
            bisect.insort(self._claims, place)
        return True

    def _is_taken(self, place: Place) -> bool:
        at = bisect.bisect(self._claims, place)
        before = self._claims[at - 1 : at] if at else []
        return any(c.offset + c.length > place.offset for c in before) or any(
            place.offset + place.length > c.offset for c in self._claims[at : at + 1]
        )


def write(image: Image) -> bytes:
    """Put the frames back where they were.

    Raises:
        InputError: the envelope is damaged or does not fit the samples.
    """
    layouts, size, wrapper, rest = _parse_envelope(image.envelope, image.frames)
    segments: dict[int, bytes] = {}
    for layout, frame in zip(layouts, image.frames, strict=True):
        grid = put_on(frame, layout.padding) if any(layout.padding[:2]) else frame
        for place, segment in zip(layout.places, pack(layout, grid), strict=True):
            if len(segment) != place.length:
                raise InputError(
                    "a segment cannot be made as it was: this machine's zlib compresses differently from the one "
                    "that the file was encoded with"
                    if layout.codec is Codec.DEFLATE
                    else "the stored envelope does not fit the samples"
                )
            if segment:
                segments[place.offset] = segment
    parts, at, used = [], 0, 0
    for offset in sorted(segments):
        gap = offset - at
        if gap < 0 or used + gap > len(rest):
            raise InputError("the stored envelope is damaged")
        parts += [rest[used : used + gap], segments[offset]]
        used, at = used + gap, offset + len(segments[offset])
    parts.append(rest[used:])
    data = b"".join(parts)
    if len(data) != size:
        raise InputError("the stored envelope is damaged")
    if wrapper is None:
        return data
    return data[: wrapper.start] + compress(data[wrapper.start :], wrapper.parameters) + wrapper.tail


def outline(envelope: bytes, frames: Sequence[Samples]) -> tuple[list[Layout], BinaryIO]:
    """How the frames lie in their file, and the file with zeros for their samples, which take no room.

    Args:
        frames: all of them, or anything of their shapes and types.

    Raises:
        InputError: the envelope is damaged, or does not fit the frames.
    """
    layouts, size, wrapper, rest = _parse_envelope(envelope, frames)
    places = sorted(place for layout in layouts for place in layout.places if place.length)
    coded = sum(place.length for place in places)
    if size != coded + len(rest) or coded > _FREE_GROWTH + 2 * sum(layout.size for layout in layouts):
        raise InputError("the stored envelope is damaged")
    file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 (who asked closes it)
    at = used = 0
    for place in [*places, Place(size, 0)]:
        gap = place.offset - at
        if gap < 0 or used + gap > len(rest):
            raise InputError("the stored envelope is damaged")
        file.seek(at)
        file.write(rest[used : used + gap])
        used, at = used + gap, place.offset + place.length
    file.truncate(size)
    file.seek(0)
    if wrapper is not None:
        plain = file.read()
        file.close()
        file = io.BytesIO(plain[: wrapper.start] + compress(plain[wrapper.start :], wrapper.parameters))
    return layouts, file


def _build_envelope(layouts: Sequence[Layout], data: bytes, wrapper: Wrapper | None) -> bytes:
    out = bytearray(put_varint(len(data)) + put_varint(wrapper is not None))
    if wrapper:
        out += put_varint(wrapper.start) + _build_parameters(wrapper.parameters) + put_string(wrapper.tail)
    out += put_varint(len(layouts))
    before = 0
    for layout in layouts:
        out += _build_layout(layout)
        for place in layout.places:
            step = place.offset - before
            out += put_varint(2 * step if step >= 0 else -2 * step - 1) + put_varint(place.length)
            before = place.offset + place.length
    at = 0
    for place in sorted(place for layout in layouts for place in layout.places if place.length):
        out += data[at : place.offset]
        at = place.offset + place.length
    return bytes(out + data[at:])


def _parse_envelope(envelope: bytes, frames: Sequence[Samples]) -> tuple[list[Layout], int, Wrapper | None, bytes]:
    fields = Fields(envelope, InputError, "the stored envelope")
    size, wrapped = fields.varint(), fields.varint()
    wrapper = Wrapper(fields.varint(), _parse_parameters(fields), fields.string()) if wrapped else None
    layouts, before, segments = [], 0, 0
    if fields.varint() != len(frames):
        raise InputError("the stored envelope does not fit the samples")
    for frame in frames:
        layout = _parse_layout(fields)
        if layout.frame_shape != frame.shape or layout.sample_type != frame.dtype or layout.pads_much:
            raise InputError("the stored envelope does not fit the samples")
        segments += layout.num_segments
        if 2 * layout.num_segments > fields.bytes_left:  # a place takes two bytes at least
            raise InputError("the stored envelope is damaged: it claims more segments than it holds")
        if segments > DEFAULT_LIMITS.max_segments:
            raise LimitExceededError(f"more than {DEFAULT_LIMITS.max_segments:,} strips or tiles")
        places = []
        for _ in layout.boxes():
            step = fields.varint()
            offset = before + (-(step + 1) // 2 if step & 1 else step // 2)
            places.append(Place(offset, fields.varint()))
            before = offset + places[-1].length
            if offset < 0 or before > size:
                raise InputError("the stored envelope is damaged")
        layouts.append(replace(layout, places=tuple(places)))
    return layouts, size, wrapper, fields.rest()


def _build_layout(layout: Layout) -> bytes:
    padded = layout.padding.rows > 0 or layout.padding.columns > 0
    flags = [layout.little, layout.planar, layout.flat, layout.reverse, padded]
    numbers = (
        layout.height,
        layout.width,
        layout.channels,
        layout.bits,
        _KINDS.index(layout.kind),
        layout.segment_height,
        layout.segment_width,
        sum(flag << bit for bit, flag in enumerate(flags)),
        layout.split,
        layout.predictor,
        layout.codec,
        layout.variant,
    )
    out = b"".join(map(put_varint, numbers))
    if layout.parameters:
        out += _build_parameters(layout.parameters)
    if padded:
        out += b"".join(map(put_varint, layout.padding[:3]))
    return out + put_string(layout.padding.kept) if layout.padding.filling is Filling.KEPT else out


def _parse_layout(fields: Fields) -> Layout:
    height, width, channels, bits, kind, rows, columns, flags, split, predictor, codec, variant = (
        fields.varint() for _ in range(12)
    )
    sides = (height, width, channels, rows, columns)
    if not all(0 < side < _MAX_SIDE for side in sides) or not 1 <= bits <= 64 or kind >= len(_KINDS) or flags > 31:
        raise InputError("the stored layout is damaged")
    if split >= bits or predictor not in list(Predictor) or codec not in list(Codec):
        raise InputError("the stored layout is damaged")
    if bits != 8 * sample_bytes(bits) and (split or predictor == Predictor.FLOAT):
        raise InputError("the stored layout is damaged")
    if variant >= len(VARIANTS) or (codec == Codec.RLE and bits % 8):
        raise InputError("the stored layout is damaged")
    parameters = _parse_parameters(fields) if codec == Codec.DEFLATE else None
    little, planar, flat, reverse, padded = (bool(flags >> bit & 1) for bit in range(5))
    padding = _parse_padding(fields) if padded else Padding(0, 0)
    if padding.rows >= height or padding.columns >= width:
        raise InputError("the stored layout is damaged")
    return Layout(
        height,
        width,
        channels,
        bits,
        _KINDS[kind],
        rows,
        columns,
        (),
        little,
        planar,
        flat,
        reverse,
        split,
        Predictor(predictor),
        Codec(codec),
        parameters,
        variant,
        padding,
    )


def _parse_padding(fields: Fields) -> Padding:
    rows, columns, filling = (fields.varint() for _ in range(3))
    if filling not in list(Filling):
        raise InputError("the stored layout is damaged")
    return Padding(rows, columns, Filling(filling), fields.string() if filling == Filling.KEPT else b"")


def _build_parameters(parameters: Parameters) -> bytes:
    head, *numbers = parameters
    return put_string(head) + b"".join(map(put_varint, numbers))


def _parse_parameters(fields: Fields) -> Parameters:
    head = fields.string()
    level, window, memory, strategy = (fields.varint() for _ in range(4))
    if level > 9 or not 9 <= window <= 15 or not 1 <= memory <= 9 or strategy > 4:
        raise InputError("the stored parameters of deflate are damaged")
    return Parameters(head, level, window, memory, strategy)
