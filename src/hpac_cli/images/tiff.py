"""TIFF to `Image`: where the samples of every page lie, found with tifffile.

Pages are coded whose segments can be made again byte for byte; all others stay in the file as they are. Where the
user asks for it, pages of other lossless compression are written anew, deflated, into an otherwise equal file.
Source: TIFF 6.0; TIFF Technical Notes 1 to 3; the BigTIFF design.
"""

import contextlib
import io
import itertools
import logging
import lzma
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hpac_cli.errors import DecoderMissingError, HpacError, InputError, LimitExceededError
from hpac_cli.image import Image, Samples
from hpac_cli.kept import Kept
from hpac_cli.limits import DEFAULT_LIMITS, Limits, Tally

from . import lzw
from .deflate import MAX_INFLATION, compress_anew, decompress, find_correction, find_recipe
from .layout import Codec, Layout, Packer, Place, Predictor, count_frames, reverse_bits, unpack
from .lzw import find_variant
from .packbits import NUM_VARIANTS, pack_rows, unpack_runs
from .padding import Padding
from .source import Source
from .splice import cut

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NONE, _LZW, _PACKBITS, _LZMA, _ZSTD = 1, 5, 32773, 34925, 50000
_DEFLATES = (8, 32946)
_ADOBE_DEFLATE = 8
_KEPT = {
    _LZW: Kept.LZW,
    _PACKBITS: Kept.PACKBITS,
    **dict.fromkeys(_DEFLATES, Kept.DEFLATE),
    _LZMA: Kept.LZMA,
    _ZSTD: Kept.ZSTANDARD,
}
"""Lossless compression that can be undone, and why pages stay as they are where it is not made again."""
_BEYOND = {
    **dict.fromkeys((2, 3, 4, 32771), Kept.FAX),
    **dict.fromkeys((6, 7, 33003, 33004, 33005, 34712, 34892, 50001), Kept.LOSSY),
}
"""Compression that is not undone: fax; JPEG, JPEG 2000 and WebP, which tell only inside whether anything was lost."""
_KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}
_GDAL_LEADERS, _HEAD_BYTES = b"BLOCK_LEADER=", 4096
"""Says that the length of each segment stands before it too, where no tag points (GDAL's cloud-optimised files)."""

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIPS, _CHANNELS, _ROWS, _STRIP_COUNTS, _PLANAR, _PREDICTOR = 273, 277, 278, 279, 284, 317
_TILE_WIDTH, _TILE_LENGTH, _TILES, _TILE_COUNTS, _SAMPLE_FORMAT = 322, 323, 324, 325, 339
_SUBSAMPLING, _DEPTH, _COLOUR_MAP, _EXTRA_SAMPLES = 530, 32997, 320, 338
REWRITTEN = (_COMPRESSION, _STRIPS, _STRIP_COUNTS, _TILES, _TILE_COUNTS)
"""Tags that change where a page is written anew."""
_YCBCR = 6


def is_tiff(data: bytes) -> bool:
    """Whether the data begins as TIFF or BigTIFF does."""
    return data[:4] in _MAGIC


def read(file: Source, limits: Limits, *, rewrite: bool) -> Image:
    """Read a TIFF file; every page, sub-IFD and pyramid level that can be coded is a frame.

    Args:
        rewrite: write pages anew whose segments cannot be made as they were; else these stay in the file as they are.

    Raises:
        InputError: damaged.
        DecoderMissingError: the decoder of zstd is not installed.
        LimitExceededError: larger than limits allow.
    """
    file.stream.seek(0)
    pages, kept = _parse(file.stream, len(file), limits)
    fresh, layouts, odd = _make_layouts(file, pages, rewrite=rewrite and _GDAL_LEADERS not in file[:_HEAD_BYTES])
    return cut("tiff", fresh, layouts, kept=odd or kept)


def count_codable(file: BinaryIO, size: int, limits: Limits) -> tuple[int, Kept]:
    """Bytes of the segments of all pages that may be coded, and why others, if any, are not; none are read.

    Args:
        file: seeks; size: its bytes.

    Raises:
        InputError: damaged.
        LimitExceededError: larger than limits allow.
    """
    pages, kept = _parse(file, size, limits)
    return sum(place.length for page in pages for place in page.layout.places), kept


def from_samples(frames: tuple[Samples, ...]) -> bytes:
    """Write frames as pages of an uncompressed TIFF file."""
    import tifffile

    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=sum(frame.nbytes for frame in frames) > 4_000_000_000) as writer:
        for frame in frames:
            colours = "rgb" if frame.shape[2] in (3, 4) and frame.dtype.kind == "u" else "minisblack"
            page = frame[..., 0] if frame.shape[2] == 1 else frame
            alpha = ["unassalpha"] if frame.shape[2] in (2, 4) and frame.dtype.kind == "u" else None
            planar = None if page.ndim == 2 else "contig"
            writer.write(page, photometric=colours, planarconfig=planar, extrasamples=alpha, metadata=None)
    return file.getvalue()


@dataclass(frozen=True)
class Colours:
    """What a page's samples mean."""

    photometric: int
    extra: tuple[int, ...]
    """ExtraSamples: what channels beyond the colours are."""
    colours: NDArray[np.uint8] | None
    """The palette, (N, 3) RGB, if there is one."""


def find_colours(file: BinaryIO, offsets: Sequence[int]) -> list[Colours]:
    """Read what the samples mean that begin at these bytes of a TIFF file.

    Raises:
        InputError: damaged.
        LimitExceededError: more directories than any file may have.
    """
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    wanted, found, pages = set(offsets), dict[int, Colours](), 0
    try:
        with tifffile.TiffFile(file, name="picture.tif") as opened:
            for page in walk(opened.pages):
                pages += 1
                if held := wanted.intersection(page.dataoffsets):
                    found.update(dict.fromkeys(held - found.keys(), _colours_of(page)))
                if len(found) == len(wanted):
                    break
            if pages == 1:  # it tells of all planes of a hyperstack
                found = dict.fromkeys(wanted, _colours_of(page))
    except HpacError:
        raise
    except Exception as error:  # tifffile raises whatever the damage leads to
        raise InputError(f"TIFF damaged: {error or type(error).__name__}") from error
    if len(found) < len(wanted):
        raise InputError("TIFF damaged: no directory tells of a frame")
    return [found[offset] for offset in offsets]


def _colours_of(page: Any) -> Colours:
    tags = {tag.code: tag for tag in page.tags}
    table = np.array(tags[_COLOUR_MAP].value if _COLOUR_MAP in tags else (), np.uint16).reshape(-1)
    palette = (table[: len(table) // 3 * 3] >> 8).astype(np.uint8).reshape(3, -1).T if len(table) else None
    return Colours(_number(tags, _PHOTOMETRIC, 1), tuple(_numbers(tags, _EXTRA_SAMPLES)), palette)


@dataclass(frozen=True)
class _Page:
    """What one IFD says of its samples."""

    layout: Layout
    """As if uncompressed; places are those of the coded segments."""
    compression: int
    tags: dict[int, Any]
    """By code, as tifffile found them: value, valueoffset, dtype, count."""
    order: str
    """Of bytes: < or >."""


def _parse(data: BinaryIO, size: int, limits: Limits) -> tuple[list[_Page], Kept]:
    """Describe all pages whose samples may be coded, and say why others, if any, stay as they are."""
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        with tifffile.TiffFile(data, name="picture.tif") as file:
            ifds, tally = list(walk(file.pages)), Tally(limits)
            found = [_read_page(ifd, file.byteorder, size, tally) for ifd in ifds]
            pages = [page for page in found if isinstance(page, _Page)]
            kept = next(
                (reason for reason in found if isinstance(reason, Kept)), Kept.NOTHING if ifds else Kept.NO_SAMPLES
            )
            if len(ifds) == len(pages) == 1 and file.is_imagej:
                images = (file.imagej_metadata or {}).get("images", 1)
                pages += _further_planes(pages[0], int(images), size, tally)
            return pages, kept
    except HpacError:
        raise
    except RecursionError as error:
        raise InputError("TIFF damaged: its directories are nested without end") from error
    except Exception as error:  # tifffile raises whatever the damage leads to
        raise InputError(f"TIFF damaged: {error or type(error).__name__}") from error


def _further_planes(page: _Page, images: int, file_bytes: int, tally: Tally) -> list[_Page]:
    """Planes of an ImageJ hyperstack that no IFD tells of: they follow the first one without a gap.

    None if the file does not hold as many as its description says.
    """
    layout, places = page.layout, page.layout.places
    size = sum(place.length for place in places)
    whole = all(a.offset + a.length == b.offset for a, b in itertools.pairwise(places))
    if page.compression != _NONE or not whole or images < 2 or places[0].offset + images * size > file_bytes:
        return []
    count_frames(layout, tally, images - 1)
    return [
        replace(page, layout=replace(layout, places=tuple(p._replace(offset=p.offset + n * size) for p in places)))
        for n in range(1, images)
    ]


def walk(pages: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Yield every IFD once, sub-IFDs after the page that they belong to; none is read before it is asked for.

    Raises:
        LimitExceededError: there are more than any file may have frames.
    """
    is_chain, seen = seen is None, set() if seen is None else seen
    for each in pages:
        page = each.aspage()
        if page.offset in seen and is_chain:
            return  # each IFD names the next, so from here on all come again, without end
        if page.offset in seen:
            continue
        seen.add(page.offset)
        if len(seen) > DEFAULT_LIMITS.max_frames:
            raise LimitExceededError(f"more than {DEFAULT_LIMITS.max_frames:,} TIFF directories")
        yield page
        if page.subifds:
            yield from walk(page.pages, seen)


def _read_page(ifd: Any, order: str, file_bytes: int, tally: Tally) -> _Page | Kept:
    """Describe one IFD's samples, or say why they stay in the file as they are.

    Raises:
        InputError: segments lie beyond the end of the file.
        LimitExceededError: with this page, larger than limits allow.
    """
    tags = {tag.code: tag for tag in ifd.tags}
    compression = _number(tags, _COMPRESSION, 1)
    if compression != _NONE and compression not in _KEPT:
        return _BEYOND.get(compression, Kept.UNKNOWN)
    tiled = _TILES in tags
    width, height, channels = _number(tags, _WIDTH, 0), _number(tags, _LENGTH, 0), _number(tags, _CHANNELS, 1)
    depths = _numbers(tags, _BITS) or [1]
    formats = _numbers(tags, _SAMPLE_FORMAT) or [1]
    offsets, counts = (
        _numbers(tags, _TILES if tiled else _STRIPS),
        _numbers(tags, _TILE_COUNTS if tiled else _STRIP_COUNTS),
    )
    if not offsets:
        return Kept.NO_SAMPLES
    if not (width and height and channels) or len(set(depths)) > 1 or len(set(formats)) > 1:
        return Kept.LAYOUT
    subsampled = _number(tags, _PHOTOMETRIC, 0) == _YCBCR and (_numbers(tags, _SUBSAMPLING) or [2, 2]) != [1, 1]
    if subsampled or _number(tags, _DEPTH, 1) > 1 or not 1 <= depths[0] <= 64:
        return Kept.LAYOUT
    segment_width = _number(tags, _TILE_WIDTH, 0) if tiled else width
    segment_height = _number(tags, _TILE_LENGTH, 0) if tiled else min(height, _number(tags, _ROWS, height) or height)
    if min(width, height, channels, segment_width, segment_height, *offsets, *counts) < 0:
        return Kept.LAYOUT  # tags may be of signed types
    predictor = _number(tags, _PREDICTOR, 1)
    if predictor != Predictor.NONE and compression in (_NONE, _PACKBITS):
        return Kept.LAYOUT  # some readers apply it, others do not
    kind = _KINDS.get(formats[0], "")
    if not kind or not segment_width or not segment_height or predictor not in list(Predictor):
        return Kept.LAYOUT
    if (kind == "f" and depths[0] not in (16, 32, 64)) or (predictor != 1 and depths[0] not in (8, 16, 32, 64)):
        kind, supported = "u", predictor == 1
        if not supported:
            return Kept.LAYOUT
    if predictor == Predictor.FLOAT and kind != "f":
        return Kept.LAYOUT
    padding = Padding(-height % segment_height if tiled else 0, -width % segment_width)
    layout = Layout(
        height + padding.rows,
        width + padding.columns,
        channels,
        depths[0],
        kind,
        segment_height,
        segment_width,
        (),
        little=order == "<" and depths[0] in (8, 16, 32, 64),  # others are bits in a row, as readers have them
        planar=_number(tags, _PLANAR, 1) == 2 and channels > 1,
        reverse=_number(tags, _FILL_ORDER, 1) == 2,
        predictor=Predictor(predictor),
        padding=padding,
    )
    if layout.pads_much:
        return Kept.LAYOUT
    count_frames(layout, tally)
    expected = [layout.segment_bytes(box) for box in layout.boxes()]
    if compression == _NONE:
        counts = counts if len(counts) == len(offsets) else expected
        if len(offsets) != len(expected) or any(c and c < e for c, e in zip(counts, expected, strict=True)):
            return Kept.LAYOUT
        counts = expected
    if len(offsets) != len(expected) or len(counts) != len(expected):
        return Kept.LAYOUT
    if any(offset + count > file_bytes for offset, count in zip(offsets, counts, strict=True)):
        raise InputError("TIFF truncated: samples lie beyond the end of the file")
    if sum(expected) > MAX_INFLATION * max(1, sum(counts)) + 65536:
        raise InputError(f"TIFF damaged: {sum(counts):,} bytes cannot hold {width} x {height} x {channels} samples")
    return _Page(replace(layout, places=tuple(map(Place, offsets, counts))), compression, tags, order)


def _numbers(tags: dict[int, Any], code: int) -> list[int]:
    """Values of a tag as a list of integers; empty if it is missing or none."""
    value = tags[code].value if code in tags else ()
    values = value if isinstance(value, (tuple, list)) else (value,)
    return [int(v) for v in values] if all(isinstance(v, int) for v in values) else []


def _number(tags: dict[int, Any], code: int, default: int) -> int:
    values = _numbers(tags, code)
    return values[0] if values else default


def _make_layouts(data: Source, pages: list[_Page], *, rewrite: bool) -> tuple[Source, list[Layout], Kept]:
    """Find out how each page can be made again; write those anew for which there is no way, all or none.

    Returns:
        The file, layouts of its pages, and why others, if any, stay as they are.
    """
    found = [_find_layout(data, page) for page in pages]
    made = [layout for layout in found if layout is not None]
    odd = [page.compression for page, layout in zip(pages, found, strict=True) if layout is None]
    kept = max((_KEPT.get(compression, Kept.LAYOUT) for compression in odd), default=Kept.NOTHING)
    fresh, layouts = data, list[Layout]()
    for page, layout in zip(pages, found, strict=True):
        if layout is None and page.compression != _NONE:  # else bits that pad its rows are in use
            fresh, layout = _write_anew(fresh, page) if rewrite else (data, None)
            if layout is None:  # a strange file, of which nothing is changed
                return data, made, kept
        if layout is not None:
            layouts.append(layout)
    return fresh, layouts, Kept.NOTHING if len(layouts) == len(pages) else Kept.LAYOUT


def _find_layout(data: Source, page: _Page) -> Layout | None:
    """How the page's segments can be made byte for byte; None if that is not known."""
    for layout in _candidates(data, page):
        with contextlib.suppress(HpacError, ValueError):
            segments = [*_known(Packer(layout, unpack(layout, data)).matches(data))]
            if len(segments) == len(layout.places):  # what follows a stream within its segment stays in the file
                places = [Place(place.offset, length) for place, length in zip(layout.places, segments, strict=True)]
                return replace(layout, places=tuple(places))
    return None


def _known(sizes: Iterator[int | None]) -> Iterator[int]:
    """All up to the first that is not known."""
    for size in sizes:
        if size is None:
            return
        yield size


def _candidates(data: Source, page: _Page) -> Iterator[Layout]:
    """Ways in which the page's segments may have been made, judged by one of them."""
    layout = page.layout
    if page.compression == _NONE:
        yield layout
    if page.compression not in (_LZW, _PACKBITS, *_DEFLATES):
        return
    box, place = max(zip(layout.boxes(), layout.places, strict=True), key=lambda pair: pair[1].length)
    plain = _decode_segment(data, page, box, place)
    if plain is None:
        return
    coded = data[place.offset : place.offset + place.length]
    if layout.reverse:
        coded = reverse_bits(coded)
    if page.compression == _PACKBITS:
        rows = np.frombuffer(plain, np.uint8).reshape(box[0].stop - box[0].start, -1)
        for variant in range(NUM_VARIANTS):
            if coded.startswith(pack_rows(rows, variant)):
                yield replace(layout, codec=Codec.PACKBITS, variant=variant)
    elif page.compression == _LZW:
        found = find_variant(coded, plain)
        if found is not None:
            yield replace(layout, codec=Codec.LZW, variant=found)
    else:
        corrected = _with_corrections(data, layout, coded)
        if corrected is not None:
            yield corrected


def _with_corrections(data: Source, layout: Layout, typical: bytes) -> Layout | None:
    """How all segments, one of which is `typical`, are deflated; None if that is not worth while."""
    recipe = find_recipe(typical)
    corrections = []
    for place in layout.places:
        coded = data[place.offset : place.offset + place.length]
        correction = find_correction(reverse_bits(coded) if layout.reverse else coded, recipe) if recipe else None
        if correction is None:
            return None
        corrections.append(correction)
    return replace(layout, codec=Codec.DEFLATE, recipe=recipe, corrections=tuple(corrections))


def _write_anew(data: Source, page: _Page) -> tuple[Source, Layout | None]:
    """Write a page's segments as fresh deflate streams into the file, and point its tags to them.

    Segments that became smaller take the places of the old ones, others go to the end. All other
    bytes of the file stay where they were. None if the page has to stay as it is, as where segments are said to
    be longer than their streams: what else lies there is not ours to overwrite.
    """
    plain = replace(page.layout, places=tuple(Place(0, 0) for _ in page.layout.places))
    segments = [
        _decode_segment(data, page, box, place) for box, place in zip(plain.boxes(), page.layout.places, strict=True)
    ]
    if any(segment is None for segment in segments) or any(
        _has_spare_bytes(data, page, box, place) for box, place in zip(plain.boxes(), page.layout.places, strict=True)
    ):
        return data, None
    reverse = page.layout.reverse
    fresh = [compress_anew([segment]) for segment in segments if segment is not None]
    out = bytearray(data[:])
    places = []
    for segment, place in zip(fresh, page.layout.places, strict=True):
        if len(segment) <= place.length:
            out[place.offset : place.offset + place.length] = segment.ljust(place.length, b"\0")
            places.append(Place(place.offset, len(segment)))
        else:
            out[place.offset : place.offset + place.length] = bytes(place.length)
            out += bytes(len(out) % 2)
            places.append(Place(len(out), len(segment)))
            out += segment
    tiled = _TILES in page.tags
    changes = {
        _COMPRESSION: [_ADOBE_DEFLATE],
        _TILES if tiled else _STRIPS: [place.offset for place in places],
        _TILE_COUNTS if tiled else _STRIP_COUNTS: [place.length for place in places],
    }
    if reverse or not all(_patch(out, page, code, values) for code, values in changes.items()):
        return data, None
    again = Source(io.BytesIO(out))
    return again, _with_corrections(again, replace(page.layout, places=tuple(places)), max(fresh, key=len))


def _decode_segment(data: Source, page: _Page, box: tuple[slice, slice, slice], place: Place) -> bytes | None:
    """Undo a segment's compression, but not its predictor; None if it is damaged or too short."""
    coded = data[place.offset : place.offset + place.length]
    expected = page.layout.segment_bytes(box)
    try:
        if page.layout.reverse:
            coded = reverse_bits(coded)
        if page.compression in _DEFLATES:
            plain = decompress(coded, expected)[0]
        elif page.compression == _PACKBITS:
            plain = unpack_runs(coded, expected)
        elif page.compression == _LZW:
            plain = lzw.decompress(coded, expected)
        elif page.compression == _LZMA:
            plain = _decode_lzma(coded, expected)
        else:
            plain = _decode_zstd(coded, expected)
    except DecoderMissingError:
        raise
    except (InputError, LimitExceededError):
        return None
    return plain if len(plain) == expected else None


def _has_spare_bytes(data: Source, page: _Page, box: tuple[slice, slice, slice], place: Place) -> bool:
    """Whether a segment, which is sound, holds bytes that it decodes without."""
    if page.compression == _LZW:
        coded = data[place.offset : place.offset + place.length]
        coded = reverse_bits(coded) if page.layout.reverse else coded
        return lzw.has_spare_bytes(coded, page.layout.segment_bytes(box))
    shorter = place._replace(length=max(0, place.length - 1))
    return _decode_segment(data, page, box, shorter) is not None


def _decode_lzma(coded: bytes, expected: int) -> bytes:
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    try:
        plain = decoder.decompress(coded, expected + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise InputError(f"TIFF damaged: {error}") from error
    if not decoder.eof or decoder.unused_data:
        raise InputError("TIFF damaged: an LZMA segment is longer or shorter than its stream")
    return plain


def _decode_zstd(coded: bytes, expected: int) -> bytes:
    try:
        import imagecodecs
    except ImportError as error:
        raise DecoderMissingError(
            f"TIFF compression {_ZSTD} needs a decoder: pip install 'hpac-cli[codecs]'"
        ) from error
    if _SKIPPABLE.search(coded):  # or bytes like it: then the page stays as it is, which costs less than a loss
        raise InputError("TIFF: a Zstandard segment may hold what no sample is made of")
    try:
        return bytes(imagecodecs.zstd_decode(coded, out=expected))
    except Exception as error:  # it has errors of its own
        raise InputError(f"TIFF damaged: {error}") from error


_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
"""Begins a frame of Zstandard that decoders pass over (RFC 8878, 3.1.2)."""

_FORMATS = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
"""Of integers by TIFF type."""


def _patch(out: bytearray, page: _Page, code: int, values: list[int]) -> bool:
    """Overwrite a tag's values where they lie; False if they do not fit there."""
    tag = page.tags.get(code)
    if tag is None or int(tag.dtype) not in _FORMATS or tag.count != len(values):
        return False
    letter = _FORMATS[int(tag.dtype)]
    if max(values) >= 1 << 8 * struct.calcsize(letter):
        return False
    struct.pack_into(f"{page.order}{len(values)}{letter}", out, tag.valueoffset, *values)
    return True
