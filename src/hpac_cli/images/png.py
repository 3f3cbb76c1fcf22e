"""PNG to `Image` and back: samples, pass by pass if interlaced, and everything around them kept as it stands.

The envelope holds a recipe and a skeleton. The skeleton is the file with its IDAT chunks replaced
by one empty IDAT, so every other chunk, known or not, comes back in its place (frames of an
animation too); a file of IHDR, IDAT and IEND alone has none. The recipe says how to make the
same deflate stream and IDAT chunks again; it is empty where that was not found, and the samples
then come back in a fresh stream.
Source: Portable Network Graphics, ISO/IEC 15948:2004.
"""

import itertools
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpac_cli.binary import Fields, put_string, put_varint
from hpac_cli.errors import InputError, LimitExceededError, UnsupportedError
from hpac_cli.image import Image, Samples, keep_whole
from hpac_cli.kept import Kept
from hpac_cli.limits import Limits, Tally

from .bits import pack_bits, unpack_bits
from .deflate import Inflater, Recipe, compress_anew, find_recipe_and_correction, rebuild
from .filters import (
    ADAM7,
    COLOUR_TYPES,
    NUM_FILTERS,
    SIGNATURE,
    WHOLE,
    band_rows,
    choose_types,
    filter_rows,
    unfilter,
)
from .source import PIECE_BYTES, FileBytes, Joined, Source

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_CRITICAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_LUMA = (299, 587, 114)
_MAX_CHUNKS = 1 << 17
"""Chunks of a file whose samples are coded, and of its IDAT chunks alone; files of more stay whole."""


_CHUNK_BYTES = 12
"""Of a chunk, beside its data."""


class _Chunk(NamedTuple):
    """What a chunk is, and where its data lie in the file, which are read when they are needed."""

    type: bytes
    start: int
    size: int

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.start + self.size + 4

    def data(self, file: FileBytes) -> bytes:
        return file[self.start : self.start + self.size]


_SHORT = 3
"""Bytes of a skeleton that is plain but for depth, colour type and interlace."""


class _Pass(NamedTuple):
    """Rows and columns of the picture that come together."""

    rows: slice
    columns: slice
    height: int
    row_bytes: int


class _Geometry(NamedTuple):
    width: int
    height: int
    depth: int
    colour_type: int
    interlace: int

    @property
    def channels(self) -> int:
        return _CHANNELS[self.colour_type]

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels

    @property
    def pixel_bytes(self) -> int:
        return max(1, self.channels * self.depth // 8)

    def passes(self) -> Iterator[_Pass]:
        """Passes that hold at least one pixel."""
        for y, x, down, right in ADAM7 if self.interlace else WHOLE:
            height, width = -(-(self.height - y) // down), -(-(self.width - x) // right)
            if height > 0 and width > 0:
                row_bytes = -(-width * self.channels * self.depth // 8)
                yield _Pass(slice(y, None, down), slice(x, None, right), height, row_bytes)

    @property
    def inflated_bytes(self) -> int:
        return sum(p.height * (1 + p.row_bytes) for p in self.passes())


def is_png(data: bytes) -> bool:
    """Whether the data begins as PNG does."""
    return data.startswith(SIGNATURE)


def read(file: Source, limits: Limits, *, rewrite: bool) -> Image:
    """Read a PNG file of any colour type and bit depth; of an animation, the default image is coded.

    Args:
        file: never lies in memory as a whole.
        rewrite: put the samples in a fresh stream where theirs cannot be made as it was; else such a file stays whole.

    Raises:
        InputError: damaged.
        UnsupportedError: it has critical chunks that PNG does not define.
        LimitExceededError: larger than limits allow.
    """
    chunks = list(_chunks(file))
    if chunks[-1].type != b"IEND":  # there are too many
        return keep_whole(file.stream, "png", Kept.LAYOUT)
    geometry = _check_header(file, chunks, limits)
    _check_chunks(chunks, geometry)
    bodies = [chunk for chunk in chunks if chunk.type == b"IDAT"]
    around = len(file) - sum(_CHUNK_BYTES + body.size for body in bodies)
    if around > limits.max_metadata_bytes:
        raise LimitExceededError(f"metadata of {around:,} bytes; the limit is {limits.max_metadata_bytes:,}")
    if max(len(bodies), len(chunks) - len(bodies)) > _MAX_CHUNKS:
        return keep_whole(file.stream, "png", Kept.LAYOUT)
    skeleton, coded = _without_pixels(file, bodies), _join_bodies(file, bodies)
    samples, types, used = _decode_samples(coded, geometry)
    if len(coded) - used > limits.max_metadata_bytes:
        return keep_whole(file.stream, "png", Kept.BESIDE)
    recipe = _find_recipe(coded, used, samples, types, geometry, [body.size for body in bodies])
    if not recipe and rewrite:
        fresh = _make_fresh(samples, geometry)
        recipe = _find_recipe(
            fresh, len(fresh), samples, _usual_types_of_all(samples, geometry), geometry, [len(fresh)]
        )
    if not recipe and not rewrite:
        return keep_whole(file.stream, "png", Kept.DEFLATE)
    if skeleton == _plain_skeleton(geometry):
        skeleton = (
            b"" if geometry == _plain_geometry(samples.shape, samples.dtype.itemsize, b"") else bytes(geometry[2:])
        )
    return Image((samples,), "png", put_string(recipe) + skeleton, order=_palette_order(file, chunks, geometry))


def holds_the_same(data: bytes, again: bytes) -> bool:
    """Whether a file whose samples are in a fresh stream holds all that its source holds.

    That is: all chunks but IDAT and all that follows IEND to the byte, nothing in IDAT behind the stream, and
    samples that, filtered as in the source, give to the byte what its stream inflates to.

    Args:
        data: the source, which `read` understands.
        again: what `write` made.
    """
    chunks, other_chunks = list(_chunks(data)), list(_chunks(again))
    bodies, other_bodies = ([c for c in each if c.type == b"IDAT"] for each in (chunks, other_chunks))
    if _without_pixels(data, bodies) != _without_pixels(again, other_bodies):
        return False
    geometry = _parse_header(data, chunks)
    coded, other_coded = _join_bodies(data, bodies), _join_bodies(again, other_bodies)
    samples, types, used = _decode_samples(coded, geometry)
    again_samples, _, _ = _decode_samples(other_coded, geometry)
    inflater = Inflater(coded)
    refiltered = _filter_all(samples, geometry, types)
    exact = all(inflater.read(rows.nbytes) == rows.tobytes() for rows in refiltered)
    return exact and used == len(coded) and np.array_equal(samples, again_samples)


def write(image: Image) -> Iterator[bytes]:
    """Write a PNG file with the samples and everything that the envelope holds, piece by piece.

    Raises:
        InputError: the envelope does not fit the samples.
    """
    if len(image.frames) > 1:
        raise InputError("a stored PNG has several frames")
    (samples,) = image.frames
    recipe, skeleton = open_envelope(image.envelope, samples.shape, samples.dtype.itemsize)
    before, behind = _find_gap(skeleton)
    geometry = _parse_header(skeleton, [next(_chunks(skeleton))])
    if geometry.shape != samples.shape or samples.dtype != _sample_type(geometry):
        raise InputError("the stored PNG header does not fit the samples")
    yield before
    if recipe:
        yield from _follow_recipe(recipe, samples, geometry)
    else:
        yield _build_chunk(b"IDAT", _make_fresh(samples, geometry))
    yield behind


def _find_gap(skeleton: bytes) -> tuple[bytes, bytes]:
    """What stands before and behind the one empty IDAT chunk.

    Raises:
        InputError: there is none, at least not among as many chunks as `read` takes.
    """
    for chunk in _chunks(skeleton):
        if chunk.type == b"IDAT":
            return skeleton[: chunk.start - 8], skeleton[chunk.end :]
    raise InputError("the stored PNG chunks have no place for samples")


def open_envelope(envelope: bytes, shape: tuple[int, ...], itemsize: int) -> tuple[bytes, bytes]:
    """Read what a PNG file needs beside its samples.

    Args:
        shape: (H, W, C) of the samples; itemsize: their bytes.

    Returns:
        The recipe for its deflate stream, or nothing, and the whole file but for the pixels: IDAT is empty.

    Raises:
        InputError: the envelope is damaged.
    """
    fields = Fields(envelope or b"\0", InputError, "the stored envelope")
    recipe, skeleton = fields.string(), fields.rest()
    if len(skeleton) in (0, _SHORT):
        skeleton = _plain_skeleton(_plain_geometry(shape, itemsize, skeleton))
    return recipe, skeleton


def forget_recipe(envelope: bytes) -> bytes:
    """An envelope whose samples come back in a fresh stream.

    Raises:
        InputError: the envelope is damaged.
    """
    fields = Fields(envelope or b"\0", InputError, "the stored envelope")
    fields.string()
    return put_string(b"") + fields.rest()


def read_colours(
    envelope: bytes, shape: tuple[int, ...], itemsize: int
) -> tuple[int, NDArray[np.uint8] | None, tuple[int, ...] | None]:
    """What a file's samples mean: bits, the palette as (N, 3) RGB or (N, 4) RGBA, and samples that are transparent.

    Raises:
        InputError: the envelope is damaged.
    """
    _, skeleton = open_envelope(envelope, shape, itemsize)
    chunks = [*itertools.takewhile(lambda chunk: chunk.type != b"IDAT", _chunks(skeleton))]
    geometry = _parse_header(skeleton, chunks)
    found: dict[bytes, bytes] = {}
    for chunk in chunks:
        found.setdefault(chunk.type, chunk.data(skeleton))
    colours, clear = found.get(b"PLTE", b""), found.get(b"tRNS", b"")
    if geometry.colour_type == 3:
        palette = np.frombuffer(colours[: len(colours) // 3 * 3], np.uint8).reshape(-1, 3)
        if clear:
            alpha = np.frombuffer(clear[: len(palette)].ljust(len(palette), b"\xff"), np.uint8)
            palette = np.concatenate([palette, alpha[:, None]], axis=1)
        return geometry.depth, palette, None
    if geometry.colour_type not in (0, 2) or len(clear) != 2 * geometry.channels:
        return geometry.depth, None, None
    mask = (1 << geometry.depth) - 1
    return geometry.depth, None, tuple(value & mask for value in struct.unpack(f">{geometry.channels}H", clear))


def from_samples(samples: Samples) -> Image:
    """Make a plain PNG image of samples.

    Args:
        samples: (H, W, C) uint8 or uint16, C from 1 to 4.
    """
    return Image((samples,), "png")


def _sample_type(geometry: _Geometry) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
    return np.dtype(np.uint16) if geometry.depth == 16 else np.dtype(np.uint8)


def _palette_order(file: Source, chunks: list[_Chunk], geometry: _Geometry) -> tuple[int, ...]:
    """Indices of a palette from dark to light."""
    if geometry.colour_type != 3:
        return ()
    colours = np.frombuffer(next(c.data(file) for c in chunks if c.type == b"PLTE"), np.uint8).reshape(-1, 3)
    order = np.argsort(colours.astype(np.int64) @ np.array(_LUMA), kind="stable").tolist()
    return (*order, *range(len(colours), 256))


def _decode_samples(coded: Joined, geometry: _Geometry) -> tuple[Samples, bytes, int]:
    """Decode the samples, which must be exactly as many as the header says.

    Returns:
        The samples, the filter types of all passes, and how many bytes the zlib stream has.
    """
    samples = np.empty(geometry.shape, _sample_type(geometry))
    inflater, types = Inflater(coded), []
    try:
        for each in geometry.passes():
            target = samples[each.rows, each.columns]
            types.append(_decode_pass(inflater, target, each.row_bytes, geometry))
        return samples, b"".join(types), inflater.finish()
    except InputError as error:
        raise InputError(f"PNG damaged: {error}") from error


def _decode_pass(inflater: Inflater, target: Samples, row_bytes: int, geometry: _Geometry) -> bytes:
    """Fill the (H, W, C) samples of one pass; return its filter types."""
    height, band = len(target), band_rows(1 + row_bytes)
    previous, types = np.zeros((1, row_bytes), np.uint8), []
    for top in range(0, height, band):
        part = target[top : top + band]
        size = len(part) * (1 + row_bytes)
        data = inflater.read(size)
        if len(data) != size:
            raise InputError("its samples inflate to fewer than they should")
        rows = np.frombuffer(data, np.uint8).reshape(len(part), -1)
        if rows[:, 0].max() >= NUM_FILTERS:
            raise InputError(f"row filter {rows[:, 0].max()} does not exist")
        pixels = unfilter(rows, previous, geometry.pixel_bytes)
        part[...] = unpack_bits(pixels, geometry.depth, part.shape[1] * geometry.channels).reshape(part.shape)
        previous = pixels[-1:]
        types.append(rows[:, 0].tobytes())
    return b"".join(types)


class _Band(NamedTuple):
    """Rows of a pass that follow one another, before filtering."""

    now: NDArray[np.uint8]
    """(H, N)."""
    up: NDArray[np.uint8]
    """The row above each; of zeros at the top of a pass."""

    def usual_types(self, geometry: _Geometry) -> NDArray[np.uint8]:
        """The filters that libpng would choose: none for palettes and less than 8 bits, else by size."""
        if geometry.colour_type == 3 or geometry.depth < 8:
            return np.zeros(len(self.now), np.uint8)
        return choose_types(self.now, self.up, geometry.pixel_bytes)


def _bands(samples: Samples, geometry: _Geometry) -> Iterator[_Band]:
    """All passes, band by band."""
    for each in geometry.passes():
        part, band = samples[each.rows, each.columns], band_rows(each.row_bytes)
        above = np.zeros((1, each.row_bytes), np.uint8)
        for top in range(0, each.height, band):
            rows = part[top : top + band]
            now = pack_bits(rows.reshape(len(rows), -1), geometry.depth)
            yield _Band(now, np.concatenate([above, now[:-1]]))
            above = now[-1:]


def _make_fresh(samples: Samples, geometry: _Geometry) -> bytes:
    return compress_anew(_filter_all(samples, geometry, b""))


def _find_recipe(
    coded: Joined | bytes, used: int, samples: Samples, types: bytes, geometry: _Geometry, sizes: list[int]
) -> bytes:
    """Find out how to make the same IDAT chunks from the samples; empty if that is not worth while."""
    made = find_recipe_and_correction(coded)
    if made is None:
        return b""
    recipe, correction = made
    usual = _usual_types_of_all(samples, geometry) == types
    numbers = b"".join(map(put_varint, (len(sizes), *sizes)))
    strings = (recipe.parameters, correction, coded[used:], b"" if usual else types)
    return recipe.head + numbers + b"".join(map(put_string, strings))


def _usual_types_of_all(samples: Samples, geometry: _Geometry) -> bytes:
    """The usual filter types of all passes."""
    return b"".join(band.usual_types(geometry).tobytes() for band in _bands(samples, geometry))


def _filter_all(samples: Samples, geometry: _Geometry, filters: bytes) -> Iterator[NDArray[np.uint8]]:
    """Filter all passes, band by band; without filter types by the usual ones.

    Raises:
        InputError: there are not as many types as rows.
    """
    at = 0
    for band in _bands(samples, geometry):
        given = np.frombuffer(filters, np.uint8)[at : at + len(band.now)]
        types = given if filters else band.usual_types(geometry)
        if len(types) != len(band.now):
            raise InputError("the stored envelope is damaged")
        yield filter_rows(band.now, band.up, geometry.pixel_bytes, types)
        at += len(types)


def _follow_recipe(recipe: bytes, samples: Samples, geometry: _Geometry) -> Iterator[bytes]:
    """Make the IDAT chunks as the recipe says, piece by piece."""
    fields = Fields(recipe, InputError, "the stored recipe")
    head, count = fields.take(2), fields.varint()
    if count > _MAX_CHUNKS:
        raise InputError("the stored recipe claims more chunks than there can be")
    sizes = [fields.varint() for _ in range(count)]
    parameters, correction, tail, filters = (fields.string() for _ in range(4))
    pieces, most_bytes = _filter_all(samples, geometry, filters), sum(sizes) - len(tail)
    stream = rebuild(pieces, geometry.inflated_bytes, Recipe(head, parameters), correction, most_bytes)
    yield from _cut_into_chunks(sizes, itertools.chain(stream, [tail]))


def _cut_into_chunks(sizes: list[int], pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Make IDAT chunks of these sizes of bytes that come in pieces of any.

    Raises:
        InputError: there are fewer or more bytes.
    """
    waiting, following = memoryview(b""), iter(pieces)
    for size in sizes:
        yield size.to_bytes(4, "big") + b"IDAT"
        checksum = zlib.crc32(b"IDAT")
        while size:
            while not waiting and (piece := next(following, None)) is not None:
                waiting = memoryview(piece)
            part, waiting = bytes(waiting[:size]), waiting[size:]
            if not part:
                raise InputError("the stored recipe does not fit the samples")
            checksum, size = zlib.crc32(part, checksum), size - len(part)
            yield part
        yield checksum.to_bytes(4, "big")
    if waiting or any(following):
        raise InputError("the stored recipe does not fit the samples")


def _chunks(file: FileBytes) -> Iterator[_Chunk]:
    """Walk over chunks up to IEND, or so many that they are not read."""
    at = len(SIGNATURE)
    for _ in range(2 * _MAX_CHUNKS):
        head = file[at : at + 8]
        if len(head) < 8:
            raise InputError(f"PNG truncated at byte {len(file)}: there is no IEND chunk")
        chunk = _Chunk(head[4:], at + 8, int.from_bytes(head[:4], "big"))
        if chunk.end > len(file):
            raise InputError(
                f"PNG truncated: the {_show(chunk.type)} chunk at byte {at} declares {chunk.size:,} bytes, {max(0, len(file) - at - 12):,} are present"
            )
        if _checksum_of(chunk, file) != int.from_bytes(file[chunk.end - 4 : chunk.end], "big"):
            raise InputError(f"PNG damaged: the checksum of the {_show(chunk.type)} chunk at byte {at} does not match")
        yield chunk
        if chunk.type == b"IEND":
            return
        at = chunk.end


def _checksum_of(chunk: _Chunk, file: FileBytes) -> int:
    """CRC-32 of a chunk's type and data."""
    checksum, end = zlib.crc32(chunk.type), chunk.start + chunk.size
    for at in range(chunk.start, end, PIECE_BYTES):
        checksum = zlib.crc32(file[at : min(at + PIECE_BYTES, end)], checksum)
    return checksum


def _show(name: bytes) -> str:
    return name.decode("ascii", "backslashreplace")


def _build_chunk(name: bytes, body: bytes) -> bytes:
    return b"".join((struct.pack(">I", len(body)), name, body, struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))))


def _parse_header(file: FileBytes, chunks: list[_Chunk]) -> _Geometry:
    if not chunks or chunks[0].type != b"IHDR" or chunks[0].size != 13:
        raise InputError("PNG damaged: it does not begin with an IHDR chunk of 13 bytes")
    header = struct.unpack(">IIBBBBB", chunks[0].data(file))
    width, height, depth, colour_type, compression, filtering, interlace = header
    if (
        not width
        or not height
        or depth not in _DEPTHS.get(colour_type, ())
        or compression
        or filtering
        or interlace > 1
    ):
        raise InputError(
            f"PNG damaged: IHDR says {width} x {height}, depth {depth}, colour type {colour_type}, methods {compression}, {filtering}, {interlace}"
        )
    return _Geometry(width, height, depth, colour_type, interlace)


def _check_header(file: Source, chunks: list[_Chunk], limits: Limits) -> _Geometry:
    geometry = _parse_header(file, chunks)
    Tally(limits).add(geometry.width, geometry.height, geometry.channels, geometry.inflated_bytes)
    return geometry


def _check_chunks(chunks: list[_Chunk], geometry: _Geometry) -> None:
    names = [chunk.type for chunk in chunks]
    for name in names:
        if name[:1].isupper() and name not in _CRITICAL:
            raise UnsupportedError(f"PNG with an unknown critical chunk {_show(name)}")
    if names.count(b"IHDR") != 1 or names.count(b"PLTE") > 1:
        raise InputError("PNG damaged: IHDR or PLTE occurs more than once")
    if b"IDAT" not in names:
        raise InputError("PNG damaged: there is no IDAT chunk")
    first, count = names.index(b"IDAT"), names.count(b"IDAT")
    if names[first : first + count] != [b"IDAT"] * count:
        raise InputError("PNG damaged: its IDAT chunks are not in one run")
    palettes = [chunk.size for chunk in chunks[:first] if chunk.type == b"PLTE"]
    if geometry.colour_type == 3 and not palettes:
        raise InputError("PNG damaged: a palette image without PLTE before its samples")
    if any(size % 3 or not 0 < size <= 768 for size in palettes):
        raise InputError("PNG damaged: PLTE is not 1 to 256 colours")


def _without_pixels(file: FileBytes, bodies: list[_Chunk]) -> bytes:
    """The file with its IDAT chunks, which are in one run, replaced by an empty one."""
    return file[: bodies[0].start - 8] + _build_chunk(b"IDAT", b"") + file[bodies[-1].end : len(file)]


def _join_bodies(file: FileBytes, bodies: list[_Chunk]) -> Joined:
    """What the IDAT chunks hold."""
    return Joined(file, [(body.start, body.size) for body in bodies])


def _plain_geometry(shape: tuple[int, ...], itemsize: int, short: bytes) -> _Geometry:
    """What a short skeleton says, or what samples alone need."""
    height, width, channels = shape
    depth, colour_type, interlace = short or (8 * itemsize, COLOUR_TYPES[channels], 0)
    return _Geometry(width, height, depth, colour_type, interlace)


def _plain_skeleton(geometry: _Geometry) -> bytes:
    width, height, depth, colour_type, interlace = geometry
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, interlace)
    return b"".join([SIGNATURE, *map(_build_chunk, (b"IHDR", b"IDAT", b"IEND"), (header, b"", b""))])
