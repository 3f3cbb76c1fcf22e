"""The layout of a frame's samples in a file, in segments: strips, tiles, planes, frames.

Everything that turns samples into a segment's bytes and back, and nothing of any file format.
Source: TIFF 6.0, sections 8, 9 (PackBits), 14 (differencing) and 15 (tiles); TIFF Technical
Note 3 (floating point predictor); DICOM PS3.5, section 8 and annex G; DNG 1.7, "Compression".
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpac_cli.errors import InputError
from hpac_cli.image import Samples
from hpac_cli.limits import Tally

from . import fragments, jpeg_streams, lzw, rle
from .bits import pack_bits, row_bytes, sample_bytes, unpack_bits
from .deflate import Recipe, decompress, rebuild
from .packbits import pack_rows, unpack_runs
from .padding import NO_PADDING, Padded, Padding
from .source import PIECE_BYTES, FileBytes

Rows = NDArray[np.uint8]
Box = tuple[slice, slice, slice]
"""Rows, columns and channels."""

_FREE_PADDING = 1 << 27


class Codec(IntEnum):
    """How a segment's bytes are compressed in the file."""

    NONE = 0
    DEFLATE = 1
    PACKBITS = 2
    LZW = 3
    RLE = 4
    """DICOM's: PackBits for each byte of a sample, behind a table of segments."""
    JPEG = 5
    """A codestream of lossless JPEG or JPEG-LS."""


class Predictor(IntEnum):
    """What is done to a row before that; numbers are TIFF's."""

    NONE = 1
    HORIZONTAL = 2
    FLOAT = 3


class Place(NamedTuple):
    """Where a segment's bytes lie."""

    offset: int
    length: int


class Head(NamedTuple):
    """What a segment of lossless JPEG needs beside its samples."""

    stream: bytes
    """All of the codestream that is not entropy-coded."""
    fragments: tuple[int, ...] = ()
    """Lengths of the items over which it is spread; none if there is but one."""


@dataclass(frozen=True)
class Layout:
    """One frame's segments."""

    height: int
    width: int
    channels: int
    """Of all segments together; where tiles reach beyond the picture, so do height and width."""
    bits: int
    """Of a stored sample, 1 to 64."""
    kind: str
    """u, i or f: unsigned, signed, float."""
    segment_height: int
    segment_width: int
    places: tuple[Place, ...]
    """Of the segments: plane by plane if planar, in raster order."""
    little: bool = True
    """Bytes of a sample come low ones first."""
    planar: bool = False
    flat: bool = False
    """Samples of one bit follow one another over row ends, low bits of a byte first (DICOM)."""
    reverse: bool = False
    """Bits within bytes are reversed (TIFF's FillOrder 2)."""
    split: int = 0
    """If not 0, each stored word is two samples: so many low bits, and the bits above them."""
    predictor: Predictor = Predictor.NONE
    codec: Codec = Codec.NONE
    recipe: Recipe | None = None
    """Of deflate."""
    corrections: tuple[bytes, ...] = ()
    """Of deflate, one for each segment."""
    variant: int = 0
    """Of LZW, a number of lzw.VARIANTS; of PackBits and RLE, below packbits.NUM_VARIANTS."""
    swapped: bool = False
    """The first three channels lie in opposite order: blue, green, red."""
    padding: Padding = NO_PADDING
    """What of that is beyond the picture."""
    heads: tuple[Head, ...] = ()
    """Of lossless JPEG, for each segment."""

    @property
    def sample_type(self) -> np.dtype[Any]:
        """Type of the frame's samples."""
        size = sample_bytes(self.bits)
        return np.dtype(f"{self.kind if self.bits == 8 * size else 'u'}{size}")

    @property
    def sample_shape(self) -> tuple[int, int, int]:
        """Shape of the samples of all segments, padding included; both halves of split words are in it."""
        return self.height, self.width, self.channels * (2 if self.split else 1)

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """Shape of the frame: the picture without padding."""
        height, width, channels = self.sample_shape
        return height - self.padding.rows, width - self.padding.columns, channels

    @property
    def pads_much(self) -> bool:
        """Whether there is so much padding that a small file could claim much memory by it; such pages are not coded."""
        picture = math.prod(self.frame_shape) * self.sample_type.itemsize
        return self.size - picture > max(_FREE_PADDING, 3 * picture)

    @property
    def size(self) -> int:
        """Bytes of the frame's samples."""
        return math.prod(self.sample_shape) * self.sample_type.itemsize

    @property
    def num_segments(self) -> int:
        """Segments, without listing them."""
        planes = self.channels if self.planar else 1
        return planes * -(-self.height // self.segment_height) * -(-self.width // self.segment_width)

    def box(self, number: int) -> Box:
        """What a segment holds."""
        down, across = -(-self.height // self.segment_height), -(-self.width // self.segment_width)
        plane, number = divmod(number, down * across)
        y, x = number // across * self.segment_height, number % across * self.segment_width
        rows = slice(y, min(y + self.segment_height, self.height))
        step = 1 if self.planar else self.channels
        return rows, slice(x, min(x + self.segment_width, self.width)), slice(plane * step, (plane + 1) * step)

    def boxes(self) -> Iterator[Box]:
        """What each segment holds."""
        return map(self.box, range(self.num_segments))

    def parts(self, box: Box, place: Place) -> Iterator[tuple[Box, Place]]:
        """Parts of a segment that can be read and written alone: of one that is not compressed, some rows."""
        rows, columns, channels = box
        if self.codec is not Codec.NONE or self.flat:
            yield box, place
            return
        offset, end = place.offset, place.offset + place.length
        step = max(1, PIECE_BYTES // self.segment_bytes((slice(0, 1), columns, channels)))
        for top in range(rows.start, rows.stop, step):
            part = slice(top, min(top + step, rows.stop)), columns, channels
            length = self.segment_bytes(part) if top + step < rows.stop else end - offset
            yield part, Place(offset, length)
            offset += length

    def segment_bytes(self, box: Box) -> int:
        """Bytes of a segment before compression."""
        height, width, channels = (int(part.stop) - int(part.start) for part in box)
        if self.flat:
            return -(-height * width // 8)
        return height * row_bytes(width * channels, self.bits)


def unpack(layout: Layout, data: FileBytes) -> Samples:
    """Read a frame out of the file's bytes, padding included.

    Raises:
        InputError: a segment is damaged or has the wrong size.
        LimitExceededError: a segment inflates to more than it may.
    """
    words = np.empty((layout.height, layout.width, layout.channels), layout.sample_type)
    for number, (box, place) in enumerate(zip(layout.boxes(), layout.places, strict=True)):
        if layout.codec is Codec.JPEG:
            coded = data[place.offset : place.offset + place.length]
            stream = fragments.join(coded, layout.heads[number].fragments)
            words[box] = _from_codestream(layout, stream, words[box].shape)
            continue
        for part, (offset, length) in layout.parts(box, place):
            expected = layout.segment_bytes(part)
            plain = _decompress(layout, data[offset : offset + length], expected)
            if len(plain) != expected:
                raise InputError(f"a segment holds {len(plain):,} bytes at byte {offset}, not {expected:,}")
            words[part] = _to_samples(layout, plain, words[part].shape)
    if layout.swapped:
        words = _swap(words)
    return _split_words(words, layout) if layout.split else words


class Packer:
    """Writes a frame's segments, each alone and piece by piece."""

    def __init__(self, layout: Layout, frame: Samples | Padded) -> None:
        """Begin with a frame, of which padding is a part here.

        Raises:
            InputError: the frame does not fit the layout.
        """
        if frame.shape != layout.sample_shape or frame.dtype != layout.sample_type:
            raise InputError("the stored layout does not fit the samples")
        self._layout, self._words = layout, frame
        if layout.split or layout.swapped:
            words = frame[:, :, :]
            words = _join_words(words, layout) if layout.split else words
            self._words = _swap(words) if layout.swapped else words

    def segment(self, number: int) -> Iterator[bytes]:
        """Write the segment of this place of the layout."""
        layout, place = self._layout, self._layout.places[number]
        box = layout.box(number)
        if layout.codec is Codec.JPEG:
            head = layout.heads[number]
            stream = _to_codestream(layout, self._words[box], head.stream, place.length)
            yield fragments.separate(stream, head.fragments)
            return
        for part, _ in layout.parts(box, place):
            yield _compress(layout, _to_bytes(layout, self._words[part]), number)

    def matches(self, data: FileBytes) -> Iterator[int | None]:
        """Of each segment, how many bytes it has if its place in a file begins with them; else None."""
        for number, place in enumerate(self._layout.places):
            yield _match(self.segment(number), data, place)


def _match(pieces: Iterable[bytes], data: FileBytes, place: Place) -> int | None:
    size = 0
    for piece in pieces:
        start = place.offset + size
        size += len(piece)
        if size > place.length or data[start : start + len(piece)] != piece:
            return None
    return size


def _swap(words: Samples) -> Samples:
    """Turn round the first three of (H, W, C) channels."""
    return np.concatenate([words[..., 2::-1], words[..., 3:]], axis=2)


def _from_codestream(layout: Layout, coded: bytes, shape: tuple[int, ...]) -> Samples:
    """Samples of one segment; signed ones are of as many bits as the codestream says."""
    spare = 8 * layout.sample_type.itemsize - jpeg_streams.precision_of(coded)
    if spare < 0:
        raise InputError("a lossless JPEG image of more bits than its file says")
    words = jpeg_streams.decode(coded, math.prod(shape)).astype(f"u{layout.sample_type.itemsize}")
    if layout.kind == "i":
        words = (words << words.dtype.type(spare)).view(layout.sample_type) >> layout.sample_type.type(spare)
    return words.reshape(shape)


def _to_codestream(layout: Layout, words: Samples, head: bytes, room: int) -> bytes:
    plain = np.ascontiguousarray(words).view(f"u{words.dtype.itemsize}").astype(np.uint16)
    if layout.kind == "i":
        plain &= np.uint16((1 << jpeg_streams.precision_of(head)) - 1)
    return jpeg_streams.encode(head, plain, room)


def _decompress(layout: Layout, coded: bytes, expected: int) -> bytes:
    if layout.reverse and layout.codec is not Codec.NONE:
        coded = reverse_bits(coded)
    if layout.codec is Codec.DEFLATE:
        return decompress(coded, expected)[0]
    if layout.codec is Codec.PACKBITS:
        return unpack_runs(coded, expected)
    if layout.codec is Codec.LZW:
        return lzw.decompress(coded, expected)
    if layout.codec is Codec.RLE:
        return rle.decompress(coded, layout.height * layout.width, layout.channels, layout.bits // 8)
    return coded


def _compress(layout: Layout, rows: Rows, index: int) -> bytes:
    if layout.codec is Codec.DEFLATE:
        if layout.recipe is None or len(layout.corrections) != len(layout.places):
            raise InputError("the stored layout does not say how its segments are deflated")
        data, most_bytes = rows.tobytes(), layout.places[index].length
        coded = b"".join(rebuild([data], len(data), layout.recipe, layout.corrections[index], most_bytes))
    elif layout.codec is Codec.PACKBITS:
        coded = pack_rows(rows, layout.variant)
    elif layout.codec is Codec.LZW:
        coded = lzw.compress(rows.tobytes(), lzw.VARIANTS[layout.variant])
    elif layout.codec is Codec.RLE:
        coded = rle.compress(rows, layout.channels, layout.bits // 8, layout.variant)
    else:
        return rows.tobytes()
    return reverse_bits(coded) if layout.reverse else coded


def _to_samples(layout: Layout, plain: bytes, shape: tuple[int, ...]) -> Samples:
    height, width, channels = shape
    stored = np.frombuffer(plain, np.uint8)
    if layout.flat:
        return np.unpackbits(stored, bitorder="little")[: height * width].reshape(shape)
    rows = stored.reshape(height, -1)
    if layout.reverse and layout.codec is Codec.NONE:
        rows = _REVERSED[rows]
    if layout.predictor is Predictor.FLOAT:
        rows = _undo_float_predictor(rows, width * channels, channels)
    little = layout.little and layout.predictor is not Predictor.FLOAT
    samples = unpack_bits(rows, layout.bits, width * channels, little=little).reshape(shape)
    if layout.predictor is Predictor.HORIZONTAL:
        samples = np.cumsum(samples, axis=1, dtype=samples.dtype)
        if layout.bits != 8 * samples.dtype.itemsize:
            samples &= samples.dtype.type((1 << layout.bits) - 1)
    return samples.view(layout.sample_type)


def _to_bytes(layout: Layout, samples: Samples) -> Rows:
    height, width, channels = samples.shape
    words = np.ascontiguousarray(samples).view(f"u{samples.dtype.itemsize}")
    if layout.flat:
        return np.packbits(words.reshape(-1), bitorder="little")[None]
    if layout.predictor is Predictor.HORIZONTAL:
        words = np.diff(words, axis=1, prepend=words.dtype.type(0))
    little = layout.little and layout.predictor is not Predictor.FLOAT
    rows = pack_bits(words.reshape(height, width * channels), layout.bits, little=little)
    if layout.predictor is Predictor.FLOAT:
        rows = _apply_float_predictor(rows, width * channels, channels)
    return _REVERSED[rows] if layout.reverse and layout.codec is Codec.NONE else rows


def _undo_float_predictor(rows: Rows, count: int, channels: int) -> Rows:
    lanes = rows.reshape(len(rows), -1, channels)
    planes = np.cumsum(lanes, axis=1, dtype=np.uint8).reshape(len(rows), -1, count)
    return np.ascontiguousarray(planes.transpose(0, 2, 1)).reshape(len(rows), -1)


def _apply_float_predictor(rows: Rows, count: int, channels: int) -> Rows:
    planes = np.ascontiguousarray(rows.reshape(len(rows), count, -1).transpose(0, 2, 1))
    lanes = planes.reshape(len(rows), -1, channels)
    return np.diff(lanes, axis=1, prepend=np.uint8(0)).reshape(len(rows), -1)


def _split_words(words: Samples, layout: Layout) -> Samples:
    """Low bits as numbers of the layout's kind, then the bits above them, as further channels."""
    spare = 8 * words.dtype.itemsize - layout.split
    plain = words.view(f"u{words.dtype.itemsize}")
    low = ((plain << plain.dtype.type(spare)).view(layout.sample_type) >> layout.sample_type.type(spare)).view(
        layout.sample_type
    )
    high = (plain >> plain.dtype.type(layout.split)).view(layout.sample_type)
    return np.concatenate([low, high], axis=2)


def _join_words(frame: Samples, layout: Layout) -> Samples:
    plain: Samples = np.ascontiguousarray(frame).view(f"u{frame.dtype.itemsize}")
    low, high = plain[..., : layout.channels], plain[..., layout.channels :]
    mask = plain.dtype.type((1 << layout.split) - 1)
    words: Samples = ((low & mask) | (high << plain.dtype.type(layout.split))).view(layout.sample_type)
    return words


_REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1], axis=1)[:, 0]


def reverse_bits(data: bytes) -> bytes:
    """Reverse the bits within every byte."""
    return _REVERSED[np.frombuffer(data, np.uint8)].tobytes()


def count_frames(layout: Layout, tally: Tally, frames: int = 1) -> None:
    """Count frames of a layout.

    Raises:
        LimitExceededError: all that were counted are larger than limits allow.
    """
    width, height, channels = layout.width, layout.height, layout.sample_shape[2]
    tally.add(width, height, channels, layout.size, frames=frames, segments=layout.num_segments)
