"""The container notices every damage, trusts no length, and stays what it is."""

import io
import resource
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpac_cli.container.build import Writer
from hpac_cli.container.fields import SIGNATURE, Header, Kind, Part, TileMode, put_varint
from hpac_cli.container.parse import Reader
from hpac_cli.errors import ContainerError, LimitExceededError, NewerVersionError
from hpac_cli.limits import DEFAULT_LIMITS, Limits

HEADER = Header(Kind.PNG, 300, 20, 8, 128, (Part(b"weights1", 3), Part(b"weights2", 1)))


def build(header: Header = HEADER, metadata: bytes = b"around", tiles: int = 6) -> bytes:
    stream = io.BytesIO()
    writer = Writer(stream, header)
    writer.metadata(metadata)
    for i in range(tiles):
        writer.tile(TileMode(i % 2), bytes(range(i, i + 5)))
    writer.end(b"h" * 32)
    return stream.getvalue()


def parse(data: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[Reader, list[tuple[TileMode, bytes]]]:
    reader = Reader(io.BytesIO(data), limits)
    return reader, [(tile.mode, tile.payload) for tile in reader.tiles()]


def chunk(kind: bytes, payload: bytes) -> bytes:
    data = kind + put_varint(len(payload)) + payload
    return data + zlib.crc32(data).to_bytes(4, "little")


def test_a_small_file_is_these_bytes() -> None:
    data = build(Header(Kind.ARRAY_2D, 1, 1, 8, 128, (Part(b"weights1", 1),)), b"", 0)
    assert (
        data.hex()
        == (
            "89485041430d0a1a0a0100"  # signature, version
            "48100001010880010101" + "7765696768747331" + "9995c579"  # H
            "4520" + "68" * 32 + "5cc979ce"  # E
        )
    )


def test_everything_comes_back() -> None:
    reader, tiles = parse(build())
    assert (reader.header, reader.metadata, reader.samples_hash) == (HEADER, b"around", b"h" * 32)
    assert tiles == [(TileMode(i % 2), bytes(range(i, i + 5))) for i in range(6)]


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
    minor_version = len(SIGNATURE) + 1
    for bit in range(8 * len(data)):
        if bit // 8 == minor_version:
            continue
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ContainerError):
            parse(bytes(damaged))


@given(data=st.binary(max_size=200))
def test_any_bytes_end_in_our_errors(data: bytes) -> None:
    for prefix in (b"", SIGNATURE + b"\1\0"):
        with pytest.raises((ContainerError, LimitExceededError)):
            parse(prefix + data)


def test_trailing_bytes_are_refused() -> None:
    with pytest.raises(ContainerError, match="after the end"):
        parse(build() + b"x")


def test_tiles_out_of_order_are_refused() -> None:
    data = build(tiles=0)
    end = chunk(b"E", b"h" * 32)
    with pytest.raises(ContainerError, match="out of order"):
        parse(data[: -len(end)] + chunk(b"T", b"\1\0abc") + end)


def test_newer_major_version_is_named() -> None:
    data = bytearray(build())
    data[len(SIGNATURE)] = 2
    with pytest.raises(NewerVersionError, match=r"2\.0 is newer"):
        parse(bytes(data))


def test_newer_minor_version_is_read() -> None:
    data = bytearray(build())
    data[len(SIGNATURE) + 1] = 7
    assert parse(bytes(data))[0].version == (1, 7)


def test_unknown_ancillary_chunks_are_skipped() -> None:
    end = chunk(b"E", b"h" * 32)
    data = build()
    assert len(parse(data[: -len(end)] + chunk(b"x", b"future") + end)[1]) == 6


def test_unknown_critical_chunks_are_refused() -> None:
    end = chunk(b"E", b"h" * 32)
    with pytest.raises(ContainerError, match="unexpected X chunk"):
        parse(build()[: -len(end)] + chunk(b"X", b"future") + end)


def test_text_mode_damage_is_named() -> None:
    with pytest.raises(ContainerError, match="text mode"):
        parse(build().replace(b"\r\n", b"\n"))


@pytest.mark.parametrize(
    "header",
    [
        Header(Kind.PNG, 0, 20, 8, 128, HEADER.parts),
        Header(Kind.PNG, 1 << 25, 20, 8, 128, HEADER.parts),
        Header(Kind.PNG, 300, 20, 9, 128, HEADER.parts),
        Header(Kind.PNG, 300, 20, 8, 127, HEADER.parts),
        Header(Kind.PNG, 300, 20, 8, 2048, HEADER.parts),
        Header(Kind.PNG, 300, 20, 8, 128, ()),
        Header(Kind.PNG, 300, 20, 8, 128, (Part(b"weights1", 2),)),
    ],
)
def test_fields_out_of_range_are_refused(header: Header) -> None:
    with pytest.raises(ContainerError):
        parse(build(header))


def test_too_many_pixels_are_refused_before_allocation() -> None:
    header = Header(Kind.PNG, 1 << 24, 1 << 24, 8, 128, HEADER.parts)
    with pytest.raises(LimitExceededError, match="the limit is"):
        parse(build(header))


def test_metadata_bombs_are_refused() -> None:
    with pytest.raises(LimitExceededError, match="metadata is larger"):
        parse(build(metadata=bytes(2_000_000)), Limits(max_metadata_bytes=1_000_000))


def test_a_length_that_lies_allocates_nothing() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ContainerError, match="truncated"):
        parse(SIGNATURE + b"\1\0H" + put_varint(1 << 30) + b"short")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
