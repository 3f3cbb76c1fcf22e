"""PNG files come back with equal samples and every chunk, or are refused with a clear line."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from conftest import CONTENTS, DATA, other_compressor_png, save_png
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from hpac_cli import images
from hpac_cli.errors import InputError, LimitExceededError, UnsupportedError
from hpac_cli.image import same_frames
from hpac_cli.images import png
from hpac_cli.kept import Kept
from hpac_cli.limits import Limits


def chunks_of(data: bytes) -> list[tuple[bytes, bytes]]:
    """An independent walk over chunks: (type, data) of all but IDAT."""
    at, found = 8, []
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        found.append((kind, b"" if kind == b"IDAT" else body))
        at += 12 + length
        if kind == b"IEND":
            break
    return [c for i, c in enumerate(found) if c[0] != b"IDAT" or found[i - 1][0] != b"IDAT"]


def with_chunk(data: bytes, kind: bytes, body: bytes, before: bytes) -> bytes:
    at = data.index(before) - 4
    return (
        data[:at] + struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) + data[at:]
    )


END = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))
"""A PNG file without any other chunk."""


def palette_png(**options: object) -> bytes:
    picture = PillowImage.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16), "L").convert("P")
    picture.putpalette([(7 * i) % 256 for i in range(768)])
    file = io.BytesIO()
    picture.save(file, "png", **options)
    return file.getvalue()


@given(
    seed=st.integers(0, 999),
    channels=st.integers(1, 4),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    content=st.sampled_from(sorted(CONTENTS)),
)
def test_samples_come_back(seed: int, channels: int, height: int, width: int, content: str) -> None:
    samples = CONTENTS[content](np.random.default_rng(seed), (height, width, channels))
    image = images.read(save_png(samples.squeeze(2) if channels == 1 else samples))
    assert np.array_equal(image.frames[0], samples)
    again = np.asarray(PillowImage.open(io.BytesIO(images.write(image)))).reshape(samples.shape)
    assert np.array_equal(again, samples)


def test_every_chunk_comes_back_in_its_place() -> None:
    data = save_png(np.zeros((5, 7, 3), np.uint8))
    for kind, body, before in (
        (b"gAMA", struct.pack(">I", 45455), b"IDAT"),
        (b"iCCP", b"name\0\0" + zlib.compress(b"profile"), b"IDAT"),
        (b"prVt", b"private before", b"IDAT"),
        (b"eXIf", b"MM\0*\0\0\0\x08\0\0\0\0\0\0", b"IDAT"),
        (b"tEXt", b"Comment\0after", b"IEND"),
        (b"zzZz", b"unknown after", b"IEND"),
    ):
        data = with_chunk(data, kind, body, before)
    assert chunks_of(images.write(images.read(data))) == chunks_of(data)


def test_bytes_after_the_end_come_back() -> None:
    data = save_png(np.zeros((5, 7), np.uint8)) + b"trailer of a camera"
    assert images.write(images.read(data)).endswith(b"IEND\xaeB`\x82trailer of a camera")


def test_palette_images_keep_indices_palette_and_transparency() -> None:
    data = palette_png(transparency=bytes(range(256)))
    image = images.read(data)
    assert np.array_equal(image.frames[0][..., 0], np.arange(256).reshape(16, 16))
    assert chunks_of(images.write(image)) == chunks_of(data)


def test_colour_key_transparency_leaves_samples_alone() -> None:
    data = with_chunk(save_png(np.full((4, 4), 9, np.uint8)), b"tRNS", b"\0\x09", b"IDAT")
    image = images.read(data)
    assert image.frames[0].shape == (4, 4, 1)
    assert chunks_of(images.write(image)) == chunks_of(data)


def test_a_plain_file_of_an_unknown_writer_needs_no_envelope() -> None:
    image = png.from_samples(np.zeros((5, 7, 4), np.uint8))
    assert image.envelope == b""
    assert same_frames(images.read(b"".join(png.write(image))).frames, image.frames)


def test_sixteen_bits_come_back() -> None:
    samples = np.random.default_rng(1).integers(0, 65536, (5, 7), np.uint16)
    image = images.read(save_png(samples))
    assert np.array_equal(image.frames[0][..., 0], samples)


def build_png(
    samples: np.ndarray, depth: int, colour_type: int, *, interlace: int, types: Callable[[int], int]
) -> bytes:
    """An independent, plain writer: Adam7 or not, any filter for any row."""
    height, width, channels = samples.shape
    steps = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    raw, distance = bytearray(), max(1, channels * depth // 8)
    for y0, x0, dy, dx in steps if interlace else ((0, 0, 1, 1),):
        part = samples[y0::dy, x0::dx]
        if not part.size:
            continue
        before = None
        for y, row in enumerate(part.reshape(len(part), -1).tolist()):
            number = 0
            for value in row:
                number = number << depth | value
            bits = len(row) * depth
            line = (number << (-bits % 8)).to_bytes(-(-bits // 8), "big")
            above, kind = before or bytes(len(line)), types(y)
            raw.append(kind)
            for i, value in enumerate(line):
                a, b = line[i - distance] if i >= distance else 0, above[i]
                c = above[i - distance] if i >= distance else 0
                p = a + b - c
                nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
                raw.append((value - (0, a, b, (a + b) // 2, nearest)[kind]) % 256)
            before = line
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, interlace)
    chunks = [(b"IHDR", header), (b"PLTE", bytes(range(24)) * 32)] if colour_type == 3 else [(b"IHDR", header)]
    chunks += [(b"IDAT", zlib.compress(bytes(raw), 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


LEGAL = [(d, t) for t, depths in png._DEPTHS.items() for d in depths]


@given(
    seed=st.integers(0, 999),
    kind=st.sampled_from(LEGAL),
    height=st.integers(1, 12),
    width=st.integers(1, 19),
    interlace=st.integers(0, 1),
)
def test_every_colour_type_and_depth_comes_back(
    seed: int, kind: tuple[int, int], height: int, width: int, interlace: int
) -> None:
    rng, (depth, colour_type) = np.random.default_rng(seed), kind
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour_type]
    samples = rng.integers(0, 1 << depth, (height, width, channels))
    data = build_png(samples, depth, colour_type, interlace=interlace, types=lambda y: int(rng.integers(5)))
    image = images.read(data)
    assert np.array_equal(image.frames[0], samples)
    assert image.identical
    assert images.write(image) == data


def test_the_same_bytes_come_back_from_usual_writers(photograph: np.ndarray) -> None:
    for level in (1, 6, 9):
        assert images.read(save_png(photograph[:64, :64], compress_level=level)).identical


def test_a_stream_of_another_compressor_comes_back_the_same() -> None:
    data, samples = other_compressor_png(), np.arange(60, dtype=np.uint8).reshape(6, 10, 1)
    image = images.read(data)
    assert same_frames(image.frames, (samples,))
    assert images.write(image) == data


def test_a_stream_that_is_not_made_again_is_kept_and_comes_back_fresh_if_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    data, samples, honest = other_compressor_png(), np.arange(60, dtype=np.uint8).reshape(6, 10, 1), png._find_recipe
    monkeypatch.setattr(png, "_find_recipe", lambda coded, *rest: b"" if coded[:] in data else honest(coded, *rest))
    kept = images.read(data)
    assert kept.kept == Kept.DEFLATE
    assert images.write(kept) == data
    image = images.read(data, transcode=True)
    assert not image.identical
    assert image.fidelity == "samples+metadata"
    assert same_frames(images.read(images.write(image), transcode=True).frames, (samples,))


def test_an_animation_keeps_its_other_frames() -> None:
    frames = [PillowImage.fromarray(np.full((6, 6), 40 * i, np.uint8)) for i in range(3)]
    file = io.BytesIO()
    frames[0].save(file, "png", save_all=True, append_images=frames[1:], duration=40)
    image = images.read(file.getvalue())
    assert chunks_of(images.write(image)) == chunks_of(file.getvalue())
    assert image.identical


def test_palettes_are_ordered_by_luminance() -> None:
    assert sorted(images.read(palette_png()).order) == list(range(256))


def is_kept_whole(data: bytes) -> bool:
    """Whether all of a file is in the envelope, and comes back."""
    image = images.read(data)
    return image.identical and not image.frames and images.write(image) == data


def test_a_file_with_an_unknown_critical_chunk_is_kept_whole() -> None:
    assert is_kept_whole(with_chunk(save_png(np.zeros((4, 4), np.uint8)), b"QQQQ", b"", b"IDAT"))


def test_bytes_hidden_behind_the_stream_are_kept() -> None:
    data = other_compressor_png()
    at, end = data.index(b"IDAT"), data.index(b"IEND") - 4
    body = data[at : end - 4] + b"hidden"
    hidden = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    data = data[: at - 4] + hidden + data[end:]
    image = images.read(data)
    assert image.frames
    assert images.write(image) == data


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"GIF89a", "GIF"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"\x89HPAC\r\n", "already"),
    ],
)
def test_other_formats_are_named(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedError, match=name):
        images.read(data)


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a"])
def test_what_is_no_png_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        images.read(data)


def test_every_truncation_is_kept_whole() -> None:
    data = save_png(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    assert all(is_kept_whole(data[:length]) for length in range(8, len(data)))


def test_every_flipped_bit_is_kept_whole() -> None:
    data = save_png(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    for bit in range(64, 8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        assert is_kept_whole(bytes(damaged))


def test_files_with_samples_of_the_wrong_length_are_kept_whole() -> None:
    plain = save_png(np.zeros((4, 4), np.uint8))
    for size in (19, 21, 100_000):
        body = zlib.compress(bytes(size))
        data = with_chunk(plain, b"IDAT", body, b"IDAT")
        at = data.index(b"IDAT", data.index(b"IDAT") + 4) - 4
        end = data.index(b"IEND") - 4
        assert is_kept_whole(data[:at] + data[end:])


def test_too_many_pixels_are_refused() -> None:
    with pytest.raises(LimitExceededError, match="100 x 100"):
        images.read(save_png(np.zeros((100, 100), np.uint8)), Limits(max_pixels=9999))


def test_a_file_of_very_many_chunks_is_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "_MAX_CHUNKS", 2)
    data = save_png(np.zeros((9, 9), np.uint8))
    assert images.read(data).frames
    monkeypatch.setattr(png, "_MAX_CHUNKS", 1)
    image = images.read(data)
    assert image.identical
    assert not image.frames
    assert images.write(image) == data


def test_the_photograph_is_what_pillow_sees(photograph: np.ndarray) -> None:
    assert np.array_equal(images.read((DATA / "kodim23.png").read_bytes()).frames[0], photograph)


def test_bits_that_pad_rows_keep_a_file_whole_that_is_not_called_damaged() -> None:
    rows = b"".join(b"\0" + bytes([number | 1]) for number in range(16))  # rows of 5 bits
    header = struct.pack(">IIBBBBB", 5, 16, 1, 0, 0, 0, 0)
    data = with_chunk(with_chunk(END, b"IDAT", zlib.compress(rows), b"IEND"), b"IHDR", header, b"IDAT")
    assert images.read(data).kept is Kept.DIFFERENT


def test_more_chunks_than_are_looked_at_keep_a_file_whole_that_is_not_called_damaged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(png, "_MAX_CHUNKS", 2)
    data = with_chunk(save_png(np.zeros((4, 4), np.uint8)), b"tEXt", b"a\0b", b"IEND")
    assert images.read(with_chunk(data, b"tEXt", b"c\0d", b"IEND")).kept is Kept.LAYOUT
