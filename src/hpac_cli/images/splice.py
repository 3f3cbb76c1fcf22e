"""A file with its samples cut out, and the same file with samples put back in.

The envelope holds how the samples of each frame lay in the file (layout.Layout), and all other
bytes as they stood. Whatever is not understood simply stays among those bytes, so nothing of a
file is ever lost, and rebuilding needs no library that knows the file's format.
"""

import bisect
import io
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from hpac_cli.binary import Fields, put_signed, put_string, put_varint
from hpac_cli.errors import HpacError, InputError, LimitExceededError
from hpac_cli.image import Image, Samples, keep_whole
from hpac_cli.kept import Kept
from hpac_cli.limits import DEFAULT_LIMITS

from .bits import sample_bytes
from .deflate import Recipe, compress_raw, rebuild
from .layout import Codec, Head, Layout, Packer, Place, Predictor, unpack
from .lzw import VARIANTS
from .packbits import NUM_VARIANTS
from .padding import Filling, Padded, Padding, take_off
from .source import Source

_KINDS = "uif"
_MAX_SIDE = 1 << 31
_NUM_VARIANTS = {Codec.LZW: len(VARIANTS), Codec.PACKBITS: NUM_VARIANTS, Codec.RLE: NUM_VARIANTS}
"""Of codecs that come in several; other layouts have Variant 0."""
_FREE_GROWTH = 1 << 20
"""Coded segments take no more than this and twice the bytes of their samples."""


@dataclass(frozen=True)
class Wrapper:
    """A file of which everything from `start` on is one raw deflate stream (deflated DICOM)."""

    start: int
    recipe: Recipe
    correction: bytes
    stream_bytes: int
    tail: bytes
    """What follows the stream."""

    def apply(self, data: bytes) -> Iterator[bytes]:
        """Deflate a file, piece by piece.

        Raises:
            InputError: recipe or correction is damaged, or they do not fit the data.
        """
        body = memoryview(data)[self.start :]
        yield data[: self.start]
        yield from rebuild([body], len(body), self.recipe, self.correction, self.stream_bytes)
        yield self.tail


def cut(
    kind: str,
    file: Source,
    layouts: Sequence[Layout],
    wrapper: Wrapper | None = None,
    *,
    kept: Kept = Kept.NOTHING,
    odd: Kept = Kept.DIFFERENT,
) -> Image:
    """Cut frames out of a file; a frame that cannot be put back exactly stays in it.

    Args:
        kind: of files.
        file: the file, or what it inflates to.
        layouts: where frames lie; where two overlap, the first is cut out.
        wrapper: how data is to be deflated; only with layouts of which one at least can be cut out.
        kept: why samples stay in it of which no layout tells.
        odd: why frames stay in it that are not put back exactly.

    Returns:
        Frames and all around them; the file as it is where no frame can be cut out.
    """
    taken: list[Layout] = []
    frames: list[Samples] = []
    free = _Free()
    for layout in layouts:
        try:
            frame = unpack(layout, file)
        except HpacError:
            if layout.codec is Codec.NONE:
                raise
            kept = kept or odd
            continue
        exact = all(
            size == place.length for size, place in zip(Packer(layout, frame).matches(file), layout.places, strict=True)
        )
        if not exact or not free.claim(layout.places):
            kept = kept or (Kept.SHARED if exact else odd)
        else:
            if layout.padding.rows or layout.padding.columns:
                frame, padding = take_off(frame, layout.padding.rows, layout.padding.columns)
                layout = replace(layout, padding=padding)
            taken.append(layout)
            frames.append(frame)
    if not frames:
        assert wrapper is None, "a file that is kept whole is the file itself"
        return keep_whole(file.stream, kind, kept)
    return Image(tuple(frames), kind, _build_envelope(taken, file, wrapper), kept=kept)


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


def write(image: Image) -> Iterator[bytes]:
    """Put the frames back where they were, piece by piece.

    Raises:
        InputError: the envelope is damaged or does not fit the samples.
    """
    layouts, size, wrapper, rest = _parse_envelope(image.envelope, image.frames)
    pieces = _put_back(layouts, image.frames, rest, size)
    yield from pieces if wrapper is None else wrapper.apply(b"".join(pieces))


def _put_back(layouts: Sequence[Layout], frames: Sequence[Samples], rest: bytes, size: int) -> Iterator[bytes]:
    """Segments in the order of their places, and between them what is in none."""
    packers = [
        Packer(layout, Padded(frame, layout.padding) if any(layout.padding[:2]) else frame)
        for layout, frame in zip(layouts, frames, strict=True)
    ]
    segments = sorted(
        (place, frame, number) for frame, layout in enumerate(layouts) for number, place in enumerate(layout.places)
    )
    at = used = 0
    for place, frame, number in segments:
        gap = place.offset - at
        if gap < 0 or used + gap > len(rest):
            raise InputError("the stored envelope is damaged")
        yield rest[used : used + gap]
        used, at = used + gap, place.offset + place.length
        left = place.length
        for piece in packers[frame].segment(number):
            left -= len(piece)
            yield piece
        if left:
            raise InputError("the stored envelope does not fit the samples")
    if at + len(rest) - used != size:
        raise InputError("the stored envelope is damaged")
    yield rest[used:]


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
    try:
        _write_outline(file, rest, [*places, Place(size, 0)])
    except BaseException:
        file.close()
        raise
    if wrapper is not None:
        plain = file.read()
        file.close()
        file = io.BytesIO(plain[: wrapper.start] + compress_raw(plain[wrapper.start :]))
    return layouts, file


def _write_outline(file: BinaryIO, rest: bytes, places: Sequence[Place]) -> None:
    """Write what is in no segment where it belongs.

    Args:
        places: of segments in ascending order, and the end of the file.

    Raises:
        InputError: the envelope is damaged.
    """
    at = used = 0
    for place in places:
        gap = place.offset - at
        if gap < 0 or used + gap > len(rest):
            raise InputError("the stored envelope is damaged")
        file.seek(at)
        file.write(rest[used : used + gap])
        used, at = used + gap, place.offset + place.length
    file.truncate(places[-1].offset)
    file.seek(0)


def _build_envelope(layouts: Sequence[Layout], file: Source, wrapper: Wrapper | None) -> bytes:
    out = bytearray(put_varint(len(file)) + put_varint(wrapper is not None))
    if wrapper:
        out += put_varint(wrapper.start) + _build_recipe(wrapper.recipe) + put_string(wrapper.correction)
        out += put_varint(wrapper.stream_bytes) + put_string(wrapper.tail)
    out += put_varint(len(layouts))
    before = 0
    for layout in layouts:
        out += _build_layout(layout)
        for place in layout.places:
            step = place.offset - before
            out += put_signed(step) + put_varint(place.length)
            before = place.offset + place.length
        for head, one_before in zip(layout.heads, (Head(b""), *layout.heads), strict=False):
            out += put_string(b"" if head.stream == one_before.stream else head.stream)
            out += b"".join(map(put_varint, (len(head.fragments), *head.fragments)))
        out += b"".join(map(put_string, layout.corrections))
    at = 0
    for place in sorted(place for layout in layouts for place in layout.places if place.length):
        out += file[at : place.offset]
        at = place.offset + place.length
    return bytes(out + file[at:])


def _parse_envelope(envelope: bytes, frames: Sequence[Samples]) -> tuple[list[Layout], int, Wrapper | None, bytes]:
    fields = Fields(envelope, InputError, "the stored envelope")
    size, wrapped = fields.varint(), fields.varint()
    wrapper = _parse_wrapper(fields) if wrapped else None
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
            offset = before + fields.signed()
            places.append(Place(offset, fields.varint()))
            before = offset + places[-1].length
            if offset < 0 or before > size:
                raise InputError("the stored envelope is damaged")
        heads: list[Head] = []
        for _ in places if layout.codec is Codec.JPEG else ():
            stream, count = fields.string() or (heads[-1].stream if heads else b""), fields.varint()
            if count > fields.bytes_left:
                raise InputError("the stored layout is damaged")
            heads.append(Head(stream, tuple(fields.varint() for _ in range(count))))
        corrections = [fields.string() for _ in places] if layout.codec is Codec.DEFLATE else []
        layouts.append(replace(layout, places=tuple(places), heads=tuple(heads), corrections=tuple(corrections)))
    return layouts, size, wrapper, fields.rest()


def _build_layout(layout: Layout) -> bytes:
    padded = layout.padding.rows > 0 or layout.padding.columns > 0
    flags = [layout.little, layout.planar, layout.flat, layout.reverse, padded, layout.swapped]
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
    if layout.recipe:
        out += _build_recipe(layout.recipe)
    if padded:
        out += b"".join(map(put_varint, layout.padding[:3]))
    return out + put_string(layout.padding.kept) if layout.padding.filling is Filling.KEPT else out


def _parse_layout(fields: Fields) -> Layout:
    height, width, channels, bits, kind, rows, columns, flags, split, predictor, codec, variant = (
        fields.varint() for _ in range(12)
    )
    sides = (height, width, channels, rows, columns)
    if not all(0 < side < _MAX_SIDE for side in sides) or not 1 <= bits <= 64 or kind >= len(_KINDS) or flags > 63:
        raise InputError("the stored layout is damaged")
    if split >= bits or predictor not in list(Predictor) or codec not in list(Codec):
        raise InputError("the stored layout is damaged")
    if bits != 8 * sample_bytes(bits) and (split or predictor == Predictor.FLOAT):
        raise InputError("the stored layout is damaged")
    if variant >= _NUM_VARIANTS.get(Codec(codec), 1) or (codec == Codec.RLE and bits % 8):
        raise InputError("the stored layout is damaged")
    if codec == Codec.JPEG and (bits > 16 or kind == _KINDS.index("f") or predictor != Predictor.NONE or flags & ~17):
        raise InputError("the stored layout is damaged")
    recipe = _parse_recipe(fields) if codec == Codec.DEFLATE else None
    little, planar, flat, reverse, padded, swapped = (bool(flags >> bit & 1) for bit in range(6))
    if swapped and channels < 3:
        raise InputError("the stored layout is damaged")
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
        recipe,
        (),
        variant,
        swapped,
        padding,
    )


def _parse_padding(fields: Fields) -> Padding:
    rows, columns, filling = (fields.varint() for _ in range(3))
    if filling not in list(Filling):
        raise InputError("the stored layout is damaged")
    return Padding(rows, columns, Filling(filling), fields.string() if filling == Filling.KEPT else b"")


def _build_recipe(recipe: Recipe) -> bytes:
    return put_string(recipe.head) + put_string(recipe.parameters)


def _parse_recipe(fields: Fields) -> Recipe:
    return Recipe(fields.string(), fields.string())


def _parse_wrapper(fields: Fields) -> Wrapper:
    return Wrapper(fields.varint(), _parse_recipe(fields), fields.string(), fields.varint(), fields.string())
