"""The container notices every damage, trusts no length, and stays what it is."""

import io
import random
import resource
import zlib
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpac_cli.binary import put_string, put_varint
from hpac_cli.container.build import Writer, pack_metadata
from hpac_cli.container.fields import (
    ARRAYS,
    SIGNATURE,
    TINY_BYTES,
    VERSION_MAJOR,
    VERSION_MINOR,
    CodedTile,
    Frame,
    Header,
    Kind,
    Part,
    TileMode,
    build_header,
    most_unpacked,
    parse_header,
)
from hpac_cli.container.parse import Reader, unpack_metadata
from hpac_cli.container.ranged import RangedReader
from hpac_cli.errors import ContainerError, LimitExceededError, NewerVersionError
from hpac_cli.limits import DEFAULT_LIMITS, Limits

FRAMES = (
    Frame(300, 20, "u1", 128, (Part(3, 8, b"weights1"), Part(1, 8, b"weights2"))),
    Frame(
        5,
        4,
        "i2",
        64,
        (Part(1, 11, b"weights2", 31000), Part(2, 0, offset=7), Part(1, 16), Part(1, 3, b"weights2", 0, b"tab")),
    ),
)
HEADER = Header(Kind.TIFF, True, FRAMES)


TILES = [CodedTile(TileMode(i % 2), bytes(range(i, i + 5))) for i in range(9)]


def build(header: Header = HEADER, metadata: bytes = b"around", tiles: Sequence[CodedTile] = TILES) -> bytes:
    stream = io.BytesIO()
    writer = Writer(stream, header, metadata)
    for tile in tiles:
        writer.tile(tile)
    writer.end(b"h" * 32, b"" if header.kind in ARRAYS else b"f" * 32)
    return stream.getvalue()


def with_frame(**changes: object) -> Header:
    return Header(Kind.PNG, False, (replace(FRAMES[0], **changes),))  # type: ignore[arg-type]


def parse(data: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[Reader, list[tuple[TileMode, bytes]]]:
    reader = Reader(io.BytesIO(data), limits)
    return reader, [(tile.mode, tile.payload) for tile in reader.tiles()]


def chunk(kind: bytes, payload: bytes) -> bytes:
    data = kind + put_varint(len(payload)) + payload
    return data + zlib.crc32(data).to_bytes(4, "little")


@pytest.mark.parametrize("kind", [Reader, RangedReader])
def test_lengths_of_chunks_are_as_short_as_possible(kind: type[Reader | RangedReader]) -> None:
    data = build()
    tile = chunk(b"T", b"\0\0" + TILES[0].payload)
    longer = tile[:1] + bytes([tile[1] | 128, 0]) + tile[2:-4]
    longer += zlib.crc32(longer).to_bytes(4, "little")
    assert tile in data
    assert len(list(kind(io.BytesIO(data), DEFAULT_LIMITS).tiles_of([0]))) == 1
    with pytest.raises(ContainerError, match="damaged"):
        list(kind(io.BytesIO(data.replace(tile, longer)), DEFAULT_LIMITS).tiles_of([0]))


def test_a_small_file_is_these_bytes() -> None:
    frame = Frame(1, 1, "u1", 128, (Part(1, 8, b"weights1"),))
    data = build(Header(Kind.ARRAY_2D, False, (frame,)), b"", [])
    assert (
        data.hex()
        == (
            "89485041430d0a1a0a0100"  # signature, version
            "480400000100" + "23be52be"  # H: an array, not identical, one frame, no suffix
            "4617" + "0101008001" + "0100" + "010108" + "7765696768747331" + "0000000000" + "4c69493e"
            "4508" + "68" * 8 + "0c436880"
        )
    )


def test_everything_comes_back() -> None:
    reader, tiles = parse(build())
    assert (reader.header, reader.metadata) == (HEADER, b"around")
    assert (reader.samples_hash, reader.file_hash) == (b"h" * 8, b"f" * 8)
    assert tiles == [(TileMode(i % 2), bytes(range(i, i + 5))) for i in range(9)]


@pytest.mark.parametrize("data", [b"x", b"abc" * 5000, bytes(range(256)), b"0123456789" * 7000 + bytes(range(256)) * 3])
def test_metadata_come_back_however_they_are_packed(data: bytes) -> None:
    packed = pack_metadata(data)
    assert len(packed) <= len(data) + 1
    assert unpack_metadata(packed, len(data)) == data
    with pytest.raises(LimitExceededError):
        unpack_metadata(packed, len(data) - 1)


def test_larger_files_keep_longer_hashes() -> None:
    reader, _ = parse(build(metadata=random.Random(1).randbytes(TINY_BYTES)))
    assert (reader.samples_hash, reader.file_hash) == (b"h" * 16, b"f" * 32)


def test_sizes_add_up() -> None:
    data = build()
    reader, _ = parse(data)
    assert sum(reader.sizes.values()) == len(data)


def test_every_truncation_is_noticed() -> None:
    data = build()
    for length in range(len(data)):
        with pytest.raises(ContainerError):
            parse(data[:length])


def test_every_flipped_bit_is_noticed() -> None:
    data = build()
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ContainerError):
            parse(bytes(damaged))


@given(data=st.binary(max_size=200))
def test_any_bytes_end_in_our_errors(data: bytes) -> None:
    for prefix in (b"", SIGNATURE + bytes([VERSION_MAJOR, 0])):
        with pytest.raises((ContainerError, LimitExceededError)):
            parse(prefix + data)


def test_trailing_bytes_are_refused() -> None:
    with pytest.raises(ContainerError, match="after the end"):
        parse(build() + b"x")


def test_tiles_out_of_order_are_refused() -> None:
    data = build(tiles=[])
    end = chunk(b"E", b"h" * 8 + b"f" * 8)
    with pytest.raises(ContainerError, match="out of order"):
        parse(data[: -len(end)] + chunk(b"T", b"\1\0abc") + end)


@pytest.mark.parametrize(("major", "minor"), [(VERSION_MAJOR + 1, 0), (VERSION_MAJOR, VERSION_MINOR + 1)])
def test_a_newer_version_is_named(major: int, minor: int) -> None:
    data = build()
    newer = SIGNATURE + bytes([major, minor]) + data[len(SIGNATURE) + 2 :]
    with pytest.raises(NewerVersionError, match=rf"{major}\.{minor} is newer than this program's 1\.0"):
        parse(newer)


def test_there_is_no_version_before_the_first() -> None:
    data = bytearray(build())
    data[len(SIGNATURE)] = 0
    with pytest.raises(ContainerError, match="does not exist"):
        parse(bytes(data))


def test_unknown_ancillary_chunks_are_skipped() -> None:
    end = chunk(b"E", b"h" * 8 + b"f" * 8)
    data = build()
    assert len(parse(data[: -len(end)] + chunk(b"x", b"future") + end)[1]) == 9


def test_unknown_critical_chunks_are_refused() -> None:
    end = chunk(b"E", b"h" * 8 + b"f" * 8)
    with pytest.raises(ContainerError, match="unexpected X chunk"):
        parse(build()[: -len(end)] + chunk(b"X", b"future") + end)


def test_text_mode_damage_is_named() -> None:
    with pytest.raises(ContainerError, match="text mode"):
        parse(build().replace(b"\r\n", b"\n"))


NETWORK = Part(3, 8, b"weights1")


@pytest.mark.parametrize(
    "header",
    [
        with_frame(width=0),
        with_frame(width=1 << 25),
        with_frame(tile=127),
        with_frame(tile=2048),
        with_frame(parts=()),
        with_frame(parts=(replace(NETWORK, channels=2),)),
        with_frame(parts=(replace(NETWORK, bit_depth=9),)),
        with_frame(parts=(replace(NETWORK, bit_depth=17),), sample_type="u4"),
        with_frame(parts=(Part(1, 9),)),
        with_frame(tile=4096, parts=(Part(1, 8),)),
        with_frame(parts=(Part(0, 8),)),
        with_frame(parts=(Part(1 << 17, 0),)),
    ],
)
def test_fields_out_of_range_are_refused(header: Header) -> None:
    with pytest.raises(ContainerError):
        parse(build(header))


def test_too_many_pixels_are_refused_before_allocation() -> None:
    with pytest.raises(LimitExceededError, match="the limit is"):
        parse(build(with_frame(width=1 << 24, height=1 << 24)))


def test_too_many_bytes_of_samples_are_refused_before_allocation() -> None:
    with pytest.raises(LimitExceededError, match="bytes of samples"):
        parse(build(with_frame(width=1 << 13, height=1 << 13, parts=(Part(1, 64),) * 3, sample_type="u8")))


def test_too_many_frames_are_refused() -> None:
    with pytest.raises(LimitExceededError, match="frames; the limit"):
        parse(build(Header(Kind.TIFF, False, FRAMES * 3)), Limits(max_frames=5))


def test_metadata_bombs_are_refused() -> None:
    with pytest.raises(LimitExceededError, match=r"more than|larger than"):
        parse(build(metadata=bytes(2_000_000)), Limits(max_metadata_bytes=1_000_000))


def test_constant_parts_count_as_samples() -> None:
    with pytest.raises(LimitExceededError, match="bytes of samples"):
        parse(build(with_frame(width=1 << 13, height=1 << 13, parts=(Part(3, 0),), sample_type="u8")))


def test_much_metadata_cannot_be_made_of_little() -> None:
    data = bytes((64 << 20) + 1)
    packed = pack_metadata(data)
    assert len(packed) < len(data) // 7
    assert len(data) <= most_unpacked(len(packed))
    assert unpack_metadata(packed, most_unpacked(len(packed))) == data


def test_a_length_that_lies_allocates_nothing() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ContainerError, match="truncated"):
        parse(SIGNATURE + bytes([VERSION_MAJOR, 0]) + b"H" + put_varint(1 << 30) + b"short")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


@pytest.mark.parametrize(
    "suffix", [".", "png", ".a/b", ".a\\b", ".a b", ".\x1b[2J", ".a:b", ".\x9b", ".\u202e", "." + 32 * "a"]
)
def test_suffixes_that_could_do_harm_are_refused(suffix: str) -> None:
    """They end names of files that decoding makes: folders, streams of Windows, control characters, bytes that are no text."""
    payload = bytes([Kind.PNG, 1, 0]) + put_string(suffix.encode("latin-1" if suffix == ".\x9b" else "utf-8"))
    with pytest.raises(ContainerError, match="suffix"):
        parse_header(payload)


@pytest.mark.parametrize("suffix", [b".png", b".PNG", b".113619", b".~1~", b".{x}"])
def test_ordinary_suffixes_are_taken(suffix: bytes) -> None:
    assert parse_header(bytes([Kind.PNG, 1, 0]) + put_string(suffix))[0].suffix == suffix


def test_why_samples_are_kept_comes_back() -> None:
    header = Header(Kind.TIFF, True, (), (), b"", 17)
    assert parse_header(build_header(header)) == (header, 0)
    with pytest.raises(ContainerError, match="fidelity"):
        parse_header(bytes([Kind.PNG, 128, 1, 0]) + put_string(b""))


def test_large_metadata_that_is_compressed_already_is_soon_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = random.Random(0).randbytes(300_000)
    monkeypatch.setattr("lzma.compress", lambda *_, **__: pytest.fail("it was tried all the same"))
    assert len(pack_metadata(noise)) <= len(noise) + 1


def test_no_chunk_is_written_that_no_reader_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(io.BytesIO(), Header(Kind.PNG, True, FRAMES), b"")
    monkeypatch.setattr("hpac_cli.container.build.MAX_CHUNK_BYTES", 1000)
    with pytest.raises(LimitExceededError, match="chunk"):
        writer.tile(CodedTile(TileMode.STORED, bytes(1000)))


@pytest.mark.parametrize(
    ("kind", "frames"),
    [
        (Kind.ARRAY_FRAMES, (Frame(5, 4, "u1", 64, (Part(1, 0),)), Frame(5, 5, "u1", 64, (Part(1, 0),)))),
        (Kind.ARRAY, 2 * (Frame(5, 4, "u1", 64, (Part(1, 0),)),)),
        (Kind.ARRAY_2D, (Frame(5, 4, "u1", 64, (Part(2, 0),)),)),
    ],
)
def test_frames_that_are_no_array_are_refused(kind: Kind, frames: tuple[Frame, ...]) -> None:
    with pytest.raises(ContainerError, match="not those of one array"):
        parse(build(Header(kind, False, frames), b"", ()))
