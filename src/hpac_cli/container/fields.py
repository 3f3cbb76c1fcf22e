"""Chunks and header fields of an .hpac file, declared once for writer and reader."""

import itertools
import lzma
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple

from hpac_cli.binary import Fields, put_signed, put_string, put_varint
from hpac_cli.errors import ContainerError
from hpac_cli.limits import Limits

SIGNATURE = b"\x89HPAC\r\n\x1a\n"
"""High bit, name, and line ends that text-mode copies alter, as in PNG (ISO/IEC 15948, 5.2)."""
VERSION_MAJOR, VERSION_MINOR = 1, 0

HEADER, MEMBERS, METADATA, PIECE, ADAPTER, FRAME, TILE, END = b"H", b"S", b"M", b"P", b"A", b"F", b"T", b"E"
"""Chunk types; upper case is critical, lower case may be skipped."""

MAX_CHUNK_BYTES = 1 << 30
MAX_PIECE_BYTES = 8 << 20
"""Of a file that is kept whole, as much as one chunk holds: such files are never in memory as a whole."""
LZMA_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 1 << 23}]
"""Raw LZMA2 with a dictionary of 8 MiB, for metadata, for files kept whole and for tiles that no network codes."""
DIGEST_BYTES = 8
HASH_BYTES, TINY_HASH_BYTES = (16, 32), (8, 8)
"""How much is kept of the SHA-256 of the samples and of that of the file: as a rule, and in tiny containers."""
TINY_BYTES = 4096
"""Containers shorter than this, but for their end, are tiny: every byte counts. So are files of a series that are."""
MIN_TILE, MAX_TILE, MAX_BYTES_TILE = 8, 1024, 2048
"""Smallest side of tiles, and the largest in frames that a network codes, and in those that none does."""
MAX_CODED_BITS = 16
"""Depth up to which a network codes samples."""
MAX_CELL_BITS = 12
"""Depth up to which values can have cells."""
MAX_ADAPTERS = 16
MAX_KEPT = 64
"""Room for reasons why samples are kept as they are (kept.Kept)."""
ORIENTATIONS = 8
"""Ways to turn a tile: 1 flips it upside down, 2 left to right, 4 swaps rows and columns before that."""


_FREE_BYTES, _GROWTH = 64 << 20, 256


def most_unpacked(packed: int) -> int:
    """So many bytes may come of metadata, or of pieces of a file, that take `packed` bytes: little cannot claim much."""
    return max(_FREE_BYTES, _GROWTH * packed)


SUFFIX_BYTES = re.compile(rb"\.[!#-)+-.0-9;=@-\[\]-{}~]{1,31}")
"""What a suffix may be: a dot, and characters that are text everywhere, lead into no folder or stream (`:` on Windows),
and steer no terminal."""


class Kind(IntEnum):
    """Which kind of source the samples came from; written once, never reused."""

    ARRAY_2D = 0
    ARRAY = 1
    PNG = 2
    TIFF = 3
    DICOM = 4
    ARRAY_FRAMES = 5
    FILE = 6
    """Any other file, kept whole."""
    PNM = 7
    BMP = 8
    NPY = 9
    RAW = 10
    """Samples that lie as the user said."""
    SERIES = 11
    """Several files; each has a kind of its own."""


ARRAYS = (Kind.ARRAY_2D, Kind.ARRAY, Kind.ARRAY_FRAMES)
"""Kinds that come from memory, so that there is no file to be identical to."""

SAMPLE_TYPES = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
"""Types of samples by number: unsigned, signed (two's complement), float (IEEE 754); bytes each."""


class Packing(IntEnum):
    """How metadata, or a piece of a file that is kept whole, is compressed."""

    STORED = 0
    ZLIB = 1
    LZMA = 2


class Coding(IntEnum):
    """How the samples of a part are coded."""

    CONSTANT = 0
    NETWORK = 1
    BYTES = 2
    LUMA_CHROMA = 3


class Colours(IntEnum):
    """What made RGB from luma and chroma, which are coded instead (codec.colours)."""

    NONE = 0
    JPEG = 1
    PHOTO_CD = 2
    WEBP = 3
    HEIF = 4
    LIBYUV_601 = 5
    LIBYUV_601_LIMITED = 6
    LIBYUV_709 = 7
    LIBYUV_709_LIMITED = 8
    SWSCALE_601 = 9
    SWSCALE_601_LIMITED = 10
    SWSCALE_709 = 11
    SWSCALE_709_LIMITED = 12
    ROUNDED_601_LIMITED = 13
    ROUNDED_709 = 14
    ROUNDED_709_LIMITED = 15


class TileMode(IntEnum):
    """How one tile's payload is coded."""

    NETWORK = 0
    DEFLATE = 1
    LZMA = 2
    LZMA_LEFT = 3
    STORED = 4
    WEBP = 5
    LZMA_UP = 6
    LZMA_BOTH = 7
    LUMA_CHROMA = 8


MODES = 16
"""Room for modes in the number that a tile begins with; its orientation lies above."""
NETWORK_MODES = (TileMode.NETWORK, TileMode.LUMA_CHROMA)
"""Those in which a network codes the tile, which may be turned."""


class CodedTile(NamedTuple):
    """One part of one tile as it is coded."""

    mode: TileMode
    payload: bytes
    orientation: int = 0
    """How the tile was turned before a network coded it (ORIENTATIONS)."""


class Piece(NamedTuple):
    """A part of a file that is kept whole, as it is packed."""

    offset: int
    """Where it begins in the file: pieces follow one another without a gap."""
    size: int
    """Its bytes in the file, 1 to MAX_PIECE_BYTES."""
    packing: Packing
    payload: bytes


MAX_WHOLE = 1 << 24
"""Whole numbers that floats of 32 bits hold exactly reach so far from 0."""
MAX_GAIN = 1 << 20
"""Gains, in 2**-REFERENCE_GAIN_BITS, and offsets of references are nearer to 0: their sums fit 64 bits by far."""
REFERENCE_GAIN_BITS = 12
"""Gains of references count in 2**-12."""
MAX_REFERENCES = 2


@dataclass(frozen=True)
class Reference:
    """A channel that is known before a part is decoded, and what makes its values like the part's."""

    back: int
    """In the frame so many before; 0 for the same frame."""
    channel: int
    """Of that frame."""
    gain: int = 1 << REFERENCE_GAIN_BITS
    """In 2**-REFERENCE_GAIN_BITS; may be negative."""
    offset: int = 0
    """In values; may be negative."""


@dataclass(frozen=True)
class Part:
    """Channels that are coded together."""

    channels: int
    bit_depth: int
    """Of the coded values, 0 to 64."""
    weights_digest: bytes = b""
    """Of the network that codes them; empty where none does."""
    offset: int = 0
    """Lowest ordered sample; coded values count from it. Of whole numbers the lowest of them."""
    table: bytes = b""
    """Ordered samples by coded value (codec.values), where they are not simply counted."""
    colours: Colours = Colours.NONE
    cells: bytes = b""
    """How wide its values are (codec.cells), where a network codes them and they are not all the same."""
    repeats: bool = False
    """Whether far repetition is looked for in tiles that a network codes."""
    orientation: int = 0
    """How the encoder turns its tiles; in a file every tile says that for itself."""
    whole: bool = False
    """Whether its samples are floats that hold whole numbers, and are counted as such."""
    references: tuple[Reference, ...] = ()
    """What the network is told of, where it codes one channel."""

    @property
    def coding(self) -> Coding:
        """Constant, by the network, or as bytes."""
        if self.bit_depth == 0:
            return Coding.CONSTANT
        if self.colours:
            return Coding.LUMA_CHROMA
        return Coding.NETWORK if self.weights_digest else Coding.BYTES


@dataclass(frozen=True)
class Frame:
    """Geometry and sample type of one picture of the file, and how its channels are coded."""

    width: int
    height: int
    sample_type: str
    tile: int
    parts: tuple[Part, ...]
    """Networks of three planes code R, G, B as green and differences from it."""
    order: tuple[int, ...] = ()
    """Channels in the order in which parts list them; empty where that is their own."""

    @cached_property
    def listed(self) -> tuple[tuple[int, ...], ...]:
        """Numbers of the channels of each part."""
        channels = self.order or range(self.channels)
        ends = itertools.accumulate((part.channels for part in self.parts), initial=0)
        return tuple(tuple(channels[first:end]) for first, end in itertools.pairwise(ends))

    @cached_property
    def channels_of(self) -> tuple[slice | list[int], ...]:
        """Channels of each part, to index with."""
        return tuple(list(listed) if self.order else slice(listed[0], listed[-1] + 1) for listed in self.listed)

    @cached_property
    def part_of(self) -> tuple[int, ...]:
        """The part that each channel is in."""
        part_of = {channel: number for number, listed in enumerate(self.listed) for channel in listed}
        return tuple(part_of[channel] for channel in range(self.channels))

    @cached_property
    def numbers_of_coded(self) -> tuple[int, ...]:
        """Numbers of the parts that have tiles."""
        return tuple(i for i, part in enumerate(self.parts) if part.coding is not Coding.CONSTANT)

    @cached_property
    def _places_of_coded(self) -> dict[int, int]:
        """Where the parts that have tiles come in each of them."""
        return {part: place for place, part in enumerate(self.numbers_of_coded)}

    def tile_number(self, part: int, y: int, x: int) -> int:
        """Number, among the tile chunks of the frame, of that of a part of the tile at a pixel."""
        across = -(-self.width // self.tile)
        return (y // self.tile * across + x // self.tile) * len(self.numbers_of_coded) + self._places_of_coded[part]

    @property
    def channels(self) -> int:
        """Channels of the frame."""
        return sum(part.channels for part in self.parts)

    @property
    def num_samples(self) -> int:
        """Samples of all channels."""
        return self.width * self.height * self.channels

    @property
    def num_bytes(self) -> int:
        """Bytes of the samples of all channels."""
        return self.num_samples * int(self.sample_type[1:])

    @property
    def coded_parts(self) -> tuple[Part, ...]:
        """Parts that have tiles."""
        return tuple(self.parts[number] for number in self.numbers_of_coded)

    @property
    def num_tiles(self) -> int:
        """Tile chunks."""
        return -(-self.height // self.tile) * -(-self.width // self.tile) * len(self.numbers_of_coded)


@dataclass(frozen=True)
class Adapted:
    """Weights that a file makes of shipped ones; parts name them by the digest of what comes of it."""

    base: bytes
    """Digest of the shipped weights."""
    change: bytes
    """What changes in them (codec.adapters)."""


@dataclass(frozen=True)
class Member:
    """One file of a series, as the container knows it."""

    name: bytes
    """Its path below the series' folder, parts separated by slashes (container.members)."""
    kind: Kind
    identical: bool
    """Whether decoding gives the source file byte for byte."""
    kept: int
    num_frames: int
    """Frames of the container that are its own, following those of the member before; 0 if it is kept whole."""
    size: int
    """Bytes of its envelope, or, if it is kept whole, of the file itself."""


@dataclass(frozen=True)
class Header:
    """What the file holds."""

    kind: Kind
    identical: bool
    """Whether decoding gives the source file byte for byte."""
    frames: tuple[Frame, ...]
    adapters: tuple[Adapted, ...] = ()
    suffix: bytes = b""
    """Of the source file's name, with its dot; empty if it had none (SUFFIX_BYTES)."""
    kept: int = 0
    """Why samples lie in the metadata as the source file has them (kept.Kept); 0 if none do."""
    members: tuple[Member, ...] = ()
    """The files of a series."""

    @property
    def is_series(self) -> bool:
        """Whether it holds several files."""
        return self.kind is Kind.SERIES

    @property
    def is_whole(self) -> bool:
        """Whether it holds one file as it is."""
        return not self.frames and not self.is_series

    @cached_property
    def first_tiles(self) -> tuple[int, ...]:
        """Numbers of the first tile chunks of all frames."""
        return tuple(itertools.accumulate((frame.num_tiles for frame in self.frames), initial=0))

    def frames_of_members(self) -> list[tuple[Frame, ...]]:
        """The frames of each member of a series."""
        frames = iter(self.frames)
        return [tuple(itertools.islice(frames, member.num_frames)) for member in self.members]

    def hash_lengths(self) -> list[int]:
        """Bytes that the container keeps of the SHA-256 of each member of a series."""
        sizes = (
            member.size + sum(frame.num_bytes for frame in frames)
            for member, frames in zip(self.members, self.frames_of_members(), strict=True)
        )
        return [TINY_HASH_BYTES[1] if size < TINY_BYTES else HASH_BYTES[1] for size in sizes]

    @property
    def num_samples(self) -> int:
        """Samples of all frames."""
        return sum(frame.num_samples for frame in self.frames)


def chunk_fields(payload: bytes) -> Fields:
    """Read a chunk's payload field by field."""
    return Fields(payload, ContainerError, "a chunk")


def build_header(header: Header) -> bytes:
    """Write the header chunk's payload."""
    fidelity = header.identical + 2 * header.kept
    return b"".join(map(put_varint, (header.kind, fidelity, len(header.frames)))) + put_string(header.suffix)


def parse_header(payload: bytes) -> tuple[Header, int]:
    """Read the header chunk's payload: the header without frames and adapters, and the number of frames.

    Raises:
        ContainerError: a field is out of range.
    """
    fields = chunk_fields(payload)
    kind, fidelity, num_frames = (fields.varint() for _ in range(3))
    suffix = fields.string()
    fields.end()
    if suffix and not SUFFIX_BYTES.fullmatch(suffix):
        raise ContainerError("what is stored as the suffix of the source's name is none")
    if kind not in list(Kind):
        raise ContainerError(f"source kind {kind} is unknown")
    if fidelity >= 2 * MAX_KEPT:
        raise ContainerError(f"fidelity {fidelity} is unknown")
    kept, identical = divmod(fidelity, 2)
    if kind == Kind.SERIES and (kept or suffix):
        raise ContainerError("a series as a whole has no suffix, nor is it kept as it is")
    return Header(Kind(kind), bool(identical), (), (), suffix, kept), num_frames


def build_adapter(adapted: Adapted) -> bytes:
    """Write an adapter chunk's payload."""
    return adapted.base + adapted.change


def parse_adapter(payload: bytes) -> Adapted:
    """Read an adapter chunk's payload.

    Raises:
        ContainerError: it is too short.
    """
    fields = chunk_fields(payload)
    return Adapted(fields.take(DIGEST_BYTES), fields.rest())


def build_frame(frame: Frame) -> bytes:
    """Write a frame chunk's payload."""
    sample_type = SAMPLE_TYPES.index(frame.sample_type)
    out = b"".join(map(put_varint, (frame.width, frame.height, sample_type, frame.tile, len(frame.parts))))
    out += put_string(b"".join(map(put_varint, frame.order)))
    return out + b"".join(_build_part(part, is_float=frame.sample_type[0] == "f") for part in frame.parts)


def _build_part(part: Part, *, is_float: bool) -> bytes:
    out = put_varint(part.channels) + put_varint(part.coding) + put_varint(part.bit_depth) + part.weights_digest
    if is_float:
        out += put_varint(part.whole)
    out += put_signed(part.offset) if part.whole else put_varint(part.offset)
    out += put_string(part.table)
    if part.colours:
        out += put_varint(part.colours)
    if part.weights_digest:
        out += put_string(part.cells) + put_varint(part.repeats)
    if _may_refer(part):
        out += put_varint(len(part.references))
        for r in part.references:
            out += put_varint(r.back) + put_varint(r.channel) + put_signed(r.gain) + put_signed(r.offset)
    return out


def _may_refer(part: Part) -> bool:
    return part.channels == 1 and bool(part.weights_digest)


def parse_frame(payload: bytes, limits: Limits, earlier: Sequence[Frame] = ()) -> Frame:
    """Read and check a frame chunk's payload.

    Args:
        earlier: frames before this one.

    Raises:
        ContainerError: a field is out of range.
    """
    fields = chunk_fields(payload)
    width, height, sample_type, tile, num_parts = (fields.varint() for _ in range(5))
    if sample_type >= len(SAMPLE_TYPES):
        raise ContainerError(f"sample type {sample_type} is unknown")
    _check_sides(width, height, limits)
    if not 1 <= num_parts <= limits.max_channels:
        raise ContainerError(f"{num_parts} parts: there are 1 to {limits.max_channels}")
    name, order = SAMPLE_TYPES[sample_type], _parse_order(fields.string(), limits)
    parts = tuple(_parse_part(fields, name) for _ in range(num_parts))
    fields.end()
    frame = Frame(width, height, name, tile, parts, order)
    largest = MAX_TILE if any(part.weights_digest for part in parts) else MAX_BYTES_TILE
    if not is_tile(tile, largest):
        raise ContainerError(f"tile size {tile} is not an even number from {MIN_TILE} to {largest}")
    if frame.channels > limits.max_channels:
        raise ContainerError(f"{frame.channels} channels: there are 1 to {limits.max_channels}")
    if order and sorted(order) != list(range(frame.channels)):
        raise ContainerError(f"what is stored as the order of {frame.channels} channels is none")
    for number, part in enumerate(parts):
        for reference in part.references:
            _check_reference(reference, number, (*earlier, frame))
    return frame


def _parse_order(data: bytes, limits: Limits) -> tuple[int, ...]:
    fields, order = chunk_fields(data), []
    while not fields.at_end:
        order.append(fields.varint())
        if len(order) > limits.max_channels:
            raise ContainerError(f"an order of more than {limits.max_channels} channels")
    return tuple(order)


def _check_reference(reference: Reference, number: int, frames: Sequence[Frame]) -> None:
    """Make sure that part `number` of the last frame can have a reference: values of few bits, known before its tiles are.

    Raises:
        ContainerError: it cannot.
    """
    frame, told = frames[-1], frames[-1 - reference.back] if reference.back < len(frames) else None
    if told is None or reference.channel >= told.channels:
        raise ContainerError("a part refers to a channel that does not exist before it")
    at = told.part_of[reference.channel]
    part = told.parts[at]
    if not reference.back and at >= number:
        raise ContainerError("a part refers to a channel that is not decoded before it")
    if (told.width, told.height, told.tile) != (frame.width, frame.height, frame.tile):
        raise ContainerError("a part refers to a frame of another size")
    if part.coding is Coding.CONSTANT or part.bit_depth > MAX_CODED_BITS:
        raise ContainerError("a part refers to one without values of 1 to 16 bits")


def _parse_part(fields: Fields, sample_type: str) -> Part:
    sample_bits = 8 * int(sample_type[1:])
    channels, coding, bit_depth = (fields.varint() for _ in range(3))
    lowest, highest = {
        Coding.CONSTANT: (0, 0),
        Coding.NETWORK: (1, min(MAX_CODED_BITS, sample_bits)),
        Coding.BYTES: (1, sample_bits),
        Coding.LUMA_CHROMA: (8, 8),
    }.get(coding, (1, 0))  # type: ignore[call-overload]
    allowed = {Coding.NETWORK: (1, 3), Coding.LUMA_CHROMA: (3,)}.get(coding, (channels,))  # type: ignore[call-overload]
    if not lowest <= bit_depth <= highest or not channels or channels not in allowed:
        raise ContainerError(f"a part of {channels} channels, {bit_depth} bits and coding {coding} does not exist")
    digest = fields.take(DIGEST_BYTES) if coding in (Coding.NETWORK, Coding.LUMA_CHROMA) else b""
    whole = fields.varint() if sample_type[0] == "f" else 0
    if whole > 1:
        raise ContainerError(f"floats of kind {whole} do not exist")
    offset = fields.signed() if whole else fields.varint()
    if whole and abs(offset) > MAX_WHOLE:
        raise ContainerError(f"whole numbers from {offset} on: they are at most {MAX_WHOLE} from 0")
    part = Part(channels, bit_depth, digest, offset, fields.string(), whole=bool(whole))
    if whole and part.table:
        raise ContainerError("whole numbers have no table")
    if coding == Coding.LUMA_CHROMA:
        colours = fields.varint()
        if not 0 < colours <= max(Colours):
            raise ContainerError(f"colours of kind {colours} do not exist")
        part = replace(part, colours=Colours(colours))
    if digest:
        cells, repeats = fields.string(), fields.varint()
        if repeats > 1:
            raise ContainerError(f"repeats of kind {repeats} do not exist")
        part = replace(part, cells=cells, repeats=bool(repeats))
    if part.cells and bit_depth > MAX_CELL_BITS:
        raise ContainerError(f"cells of values of {bit_depth} bits: there are none of more than {MAX_CELL_BITS}")
    return replace(part, references=_parse_references(fields)) if _may_refer(part) else part


def _parse_references(fields: Fields) -> tuple[Reference, ...]:
    count = fields.varint()
    if count > MAX_REFERENCES:
        raise ContainerError(f"{count} references: there are at most {MAX_REFERENCES}")
    found = tuple(Reference(fields.varint(), fields.varint(), fields.signed(), fields.signed()) for _ in range(count))
    if any(max(abs(reference.gain), abs(reference.offset)) >= MAX_GAIN for reference in found):
        raise ContainerError("a reference's gain or offset is out of range")
    return found


def _check_sides(width: int, height: int, limits: Limits) -> None:
    if not (0 < width <= limits.max_side and 0 < height <= limits.max_side):
        raise ContainerError(f"{width} x {height} pixels: each side is 1 to {limits.max_side}")


def is_tile(side: int, largest: int = MAX_TILE) -> bool:
    """Whether tiles can have this side."""
    return MIN_TILE <= side <= largest and side % 2 == 0


def build_piece(piece: Piece) -> bytes:
    """Write a piece chunk's payload."""
    return b"".join(map(put_varint, (piece.offset, piece.size, piece.packing))) + piece.payload


def parse_piece(payload: bytes) -> Piece:
    """Read and check a piece chunk's payload.

    Raises:
        ContainerError: a field is out of range.
    """
    fields = chunk_fields(payload)
    offset, size, packing = (fields.varint() for _ in range(3))
    if not 0 < size <= MAX_PIECE_BYTES or packing not in list(Packing):
        raise ContainerError(f"a piece of {size:,} bytes, packed in way {packing}, does not exist")
    return Piece(offset, size, Packing(packing), fields.rest())


def build_chunk_head(chunk_type: bytes, payload: bytes) -> bytes:
    """Write a chunk's type and length."""
    return chunk_type + put_varint(len(payload))


def pack_crc(crc: int) -> bytes:
    """Write a CRC-32 (ISO/IEC 15948, annex D), little endian."""
    return struct.pack("<I", crc)
