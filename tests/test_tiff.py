"""TIFF files come back byte for byte, or with equal samples and tags."""

import io
import struct
import zlib
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from conftest import make_tiff
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from hpac_cli import api, images
from hpac_cli.binary import Fields, put_varint
from hpac_cli.errors import HpacError, InputError, LimitExceededError
from hpac_cli.image import Image
from hpac_cli.images import lzw, splice, tiff
from hpac_cli.images.layout import Codec, Layout
from hpac_cli.images.padding import Filling, Padded, Padding
from hpac_cli.kept import Kept
from hpac_cli.limits import Limits


def tags_of(data: bytes) -> list[dict[int, tuple[int, bytes]]]:
    """An independent walk over classic TIFF's directories: type and value bytes by tag."""
    order = "<" if data[:2] == b"II" else ">"
    sizes = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    found = []
    while at:
        (count,) = struct.unpack_from(f"{order}H", data, at)
        tags = {}
        for i in range(count):
            code, kind, number, _ = struct.unpack_from(f"{order}HHII", data, at + 2 + 12 * i)
            size = sizes[kind] * number
            place = at + 10 + 12 * i
            if size > 4:
                (place,) = struct.unpack_from(f"{order}I", data, place)
            tags[code] = (kind, data[place : place + size])
        found.append(tags)
        (at,) = struct.unpack_from(f"{order}I", data, at + 2 + 12 * count)
    return found


def pages_of(data: bytes) -> list[np.ndarray]:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        return [page.asarray() for page in file.pages]


STORAGE = {256, 257, 258, 259, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325, 339}
MOVED = {259, 273, 279, 324, 325}
"""Tags that say where and how samples lie: compression, offsets, byte counts."""


@given(
    seed=st.integers(0, 999),
    sample_type=st.sampled_from(["u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8"]),
    channels=st.sampled_from([1, 2, 3, 4, 5]),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    planar=st.booleans(),
    tile=st.booleans(),
    order=st.sampled_from("<>"),
    bigtiff=st.booleans(),
    how=st.sampled_from(["none", "deflate", "deflate+predictor", "lzw", "packbits"]),
)
def test_files_come_back_byte_for_byte(
    seed: int,
    sample_type: str,
    channels: int,
    height: int,
    width: int,
    planar: bool,
    tile: bool,
    order: str,
    bigtiff: bool,
    how: str,
) -> None:
    rng, dtype = np.random.default_rng(seed), np.dtype(sample_type)
    shape = (height, width) if channels == 1 else (channels, height, width) if planar else (height, width, channels)
    samples = rng.integers(0, 99, shape).astype(dtype)
    predictor = how == "deflate+predictor" and dtype.kind != "f"
    data = make_tiff(
        samples,
        planarconfig=None if channels == 1 else "separate" if planar else "contig",
        tile=(16, 32) if tile else None,
        rowsperstrip=None if tile else 7,
        byteorder=order,
        bigtiff=bigtiff,
        compression=None if how == "none" else "zlib" if "deflate" in how else how,
        compressionargs={"level": 6} if "deflate" in how else None,
        predictor=predictor,
    )
    image = images.read(data)
    assert image.identical
    assert images.write(image) == data
    if how in ("none", "lzw"):  # imagecodecs may have another zlib, and has a PackBits of its own
        assert image.frames
    fresh = images.read(data, transcode=True)
    assert fresh.frames
    assert same_pixels(images.write(fresh), data)


def same_pixels(ours: bytes, theirs: bytes) -> bool:
    pairs = zip(pages_of(ours), pages_of(theirs), strict=True)
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


def make_packed(samples: np.ndarray, bits: int, order: str = "<") -> bytes:
    """A TIFF file of grey samples, (9, 13), of any number of bits, the lowest black."""
    rows = b"".join(
        int("".join(f"{v:0{bits}b}" for v in row).ljust(-(-13 * bits // 8) * 8, "0"), 2).to_bytes(
            -(-13 * bits // 8), "big"
        )
        for row in samples.tolist()
    )
    tags = ((256, 13), (257, 9), (258, bits), (259, 1), (262, 1), (273, 200), (277, 1), (278, 9), (279, len(rows)))
    entries = b"".join(struct.pack(f"{order}HHII", c, 4, 1, v) for c, v in tags)
    directory = struct.pack(f"{order}H", len(tags)) + entries + bytes(4)
    return ((b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8) + directory).ljust(200, b"\0") + rows


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 7, 10, 12, 14, 24])
def test_packed_samples_come_back(bits: int, order: str) -> None:
    samples = np.random.default_rng(bits).integers(0, 1 << bits, (9, 13), np.uint32)
    image = images.read(make_packed(samples, bits, order))
    assert np.array_equal(image.frames[0][..., 0], samples)
    assert image.identical


@pytest.mark.parametrize(("bits", "white"), [(3, 255), (12, 65535), (24, (1 << 32) - 1)])
def test_the_highest_of_packed_samples_is_white(bits: int, white: int) -> None:
    samples = np.zeros((9, 13), np.uint32)
    samples[1], samples[2] = 1, (1 << bits) - 1
    made = images.convert(images.read(make_packed(samples, bits)), "tiff")
    shown = tifffile.imread(io.BytesIO(made))
    assert shown[:3, 0].tolist() == [0, round(white / ((1 << bits) - 1)), white]


@pytest.mark.parametrize("predictor", [1, 3])
def test_float_predictors_are_undone(predictor: int) -> None:
    samples = np.sqrt(np.arange(300, dtype=np.float32)).reshape(10, 30)
    data = make_tiff(samples, compression="zlib", predictor=predictor)
    assert np.array_equal(images.read(data, transcode=True).frames[0][..., 0], samples)


def test_every_page_is_a_frame() -> None:
    rng = np.random.default_rng(0)
    pages = [rng.integers(0, 4096, (8 + i, 11), np.uint16) for i in range(4)]
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for page in pages:
            writer.write(page, photometric="minisblack", metadata=None)
    image = images.read(file.getvalue())
    assert [frame.shape[0] for frame in image.frames] == [8, 9, 10, 11]
    assert image.identical


def test_sub_directories_are_frames() -> None:
    samples = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(samples, subifds=2, photometric="minisblack", metadata=None)
        writer.write(samples[::2, ::2], photometric="minisblack", metadata=None)
        writer.write(samples[::4, ::4], photometric="minisblack", metadata=None)
    image = images.read(file.getvalue())
    assert sorted(frame.shape[0] for frame in image.frames) == [16, 32, 64]
    assert image.identical


def test_all_tags_come_back() -> None:
    extra = [
        (33550, "d", 3, (10.0, 10.0, 0.0), True),  # GeoTIFF
        (65000, "s", 0, "a private tag", True),
        (34675, "B", 5, (1, 2, 3, 4, 5), True),  # ICC
    ]
    data = make_tiff(
        np.arange(600, dtype=np.uint16).reshape(20, 30), extratags=extra, description="text", compression="lzma"
    )
    again = images.write(images.read(data, transcode=True))
    before, after = tags_of(data), tags_of(again)
    assert [set(page) for page in before] == [set(page) for page in after]
    for ours, theirs in zip(after, before, strict=True):
        assert all(ours[code] == theirs[code] for code in theirs if code not in MOVED)
    assert after[0][259][1] == struct.pack("<H", 8)


@pytest.mark.parametrize("compression", ["lzma", "zstd"])
def test_other_compression_comes_back_deflated_if_asked(compression: str) -> None:
    samples = np.random.default_rng(3).integers(0, 300, (50, 60), np.uint16)
    data = make_tiff(samples, compression=compression, rowsperstrip=9)
    kept = images.read(data)
    assert images.write(kept) == data
    assert kept.kept == {"lzma": Kept.LZMA, "zstd": Kept.ZSTANDARD}[compression]
    image = images.read(data, transcode=True)
    assert not image.identical
    assert image.kept == Kept.NOTHING
    assert image.fidelity == "samples+metadata"
    assert same_pixels(images.write(image), data)


def test_a_missing_decoder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_tiff(np.zeros((5, 5), np.uint8), compression="zstd")
    monkeypatch.setitem(__import__("sys").modules, "imagecodecs", None)
    assert images.write(images.read(data)) == data
    with pytest.raises(HpacError, match=r"pip install 'hpac-cli\[codecs\]'"):
        images.read(data, transcode=True)


@pytest.mark.parametrize("compression", ["jpeg", "webp"])
def test_other_pages_stay_as_they_are(compression: str) -> None:
    samples = np.zeros((64, 64, 3), np.uint8)
    data = make_tiff(samples, compression=compression, photometric="rgb")
    image = images.read(data, transcode=True)
    assert image.frames == ()
    assert image.kept == Kept.LOSSY
    assert images.write(image) == data


def test_photoshops_and_libtiffs_lzw_are_told_apart() -> None:
    from hpac_cli.images import lzw

    rng = np.random.default_rng(5)
    data = rng.integers(0, 256, 30_000, np.uint8).tobytes() + bytes(9000)
    for number, variant in enumerate(lzw.VARIANTS):
        coded = lzw.compress(data, variant)
        assert lzw.decompress(coded, len(data)) == data
        assert lzw.compress(data, lzw.VARIANTS[lzw.find_variant(coded, data) or 0]) == coded, number
    assert bytes(imagecodecs.lzw_decode(lzw.compress(data, lzw.VARIANTS[0]))) == data


def test_libtiffs_packbits_come_back(photograph: np.ndarray) -> None:
    file = io.BytesIO()
    PillowImage.fromarray(photograph[:60, :80]).save(file, "tiff", compression="packbits")
    image = images.read(file.getvalue())
    assert image.frames
    assert images.write(image) == file.getvalue()


def test_a_predictor_that_only_some_readers_heed_keeps_its_page() -> None:
    data = bytearray(make_tiff(np.arange(40, dtype=np.uint8).reshape(5, 8), extratags=[(316, "H", 1, 2, True)]))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        place = file.pages.first.tags[316].offset
    struct.pack_into("<H", data, place, 317)
    assert images.read(bytes(data)).kept == Kept.LAYOUT


@given(data=st.binary(max_size=600), rows=st.integers(1, 5), variant=st.integers(0, 9))
def test_packbits_come_back(data: bytes, rows: int, variant: int) -> None:
    from hpac_cli.images import packbits

    array = np.frombuffer(data[: len(data) // rows * rows], np.uint8).reshape(rows, -1)
    if array.size:
        assert packbits.unpack_runs(packbits.pack_rows(array, variant), array.size) == array.tobytes()


@pytest.mark.parametrize(
    ("codec", "count"),
    [(Codec.NONE, 1), (Codec.PACKBITS, 10), (Codec.LZW, 16), (Codec.RLE, 10), (Codec.JPEG, 1)],
)
def test_each_codec_has_its_own_number_of_variants(codec: Codec, count: int) -> None:
    """Else several envelopes would give one file."""
    layout = Layout(4, 4, 1, 8, "u", 4, 4, (), codec=codec)
    for variant in range(20):
        stored = splice._build_layout(replace(layout, variant=variant))
        with nullcontext() if variant < count else pytest.raises(InputError, match="layout is damaged"):
            splice._parse_layout(Fields(stored, InputError, "the stored envelope"))


def test_every_truncation_is_refused_or_harmless() -> None:
    data = make_tiff(np.arange(48, dtype=np.uint16).reshape(6, 8))
    for length in range(len(data)):
        try:
            image = images.read(data[:length])
        except HpacError:
            continue
        assert images.write(image) == data[:length]


@given(at=st.integers(0, 400), value=st.integers(0, 255))
def test_damage_is_refused_or_harmless(at: int, value: int) -> None:
    data = bytearray(make_tiff(np.arange(96, dtype=np.uint16).reshape(6, 16), compression="zlib", rowsperstrip=2))
    data[at % len(data)] = value
    try:
        image = images.read(bytes(data))
    except HpacError:
        return
    if image.identical:
        assert images.write(image) == bytes(data)


def is_kept_whole(data: bytes) -> bool:
    """Whether all of a file is in the envelope, and comes back, even where it may be written anew."""
    image = images.read(data, transcode=True)
    return image.identical and not image.frames and images.write(image) == data


def test_a_truncated_file_is_kept_whole() -> None:
    assert is_kept_whole(make_tiff(np.zeros((60, 60), np.uint8))[:-100])


def repacked(pages: list[np.ndarray], *, spare: int = 0, shared: bool = False) -> bytes:
    """A TIFF whose streams no zlib makes (stored blocks with one of no bytes between), tags as told.

    Args:
        spare: bytes by which StripByteCounts overstate the first strip, into that of the next page.
        shared: whether all pages point to the first strip.
    """
    out, tags = bytearray(b"II*\0" + bytes(4)), []
    strips = []
    for page in pages:
        plain = page.tobytes()
        stored = b"\0" + struct.pack("<HH", len(plain), 65535 - len(plain)) + plain
        stream = b"\x78\x01\0\0\0\xff\xff" + stored + b"\1\0\0\xff\xff" + zlib.adler32(plain).to_bytes(4, "big")
        strips.append((len(out), len(stream)))
        out += stream
    link = 4
    for index, page in enumerate(pages):
        at, count = strips[0 if shared else index]
        tags = [(256, page.shape[1]), (257, page.shape[0]), (258, 8), (259, 8), (262, 1), (273, at), (277, 1)]
        tags += [(278, page.shape[0]), (279, count + (spare if index == 0 else 0))]
        struct.pack_into("<I", out, link, len(out))
        out += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", code, 4, 1, v) for code, v in tags)
        link = len(out)
        out += bytes(4)
    return bytes(out)


PAGES = [np.arange(2000, dtype=np.uint8).reshape(40, 50), np.arange(7, 2007, dtype=np.uint8).reshape(40, 50)]


def test_pages_that_are_written_anew_keep_their_order_and_samples() -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for page in PAGES:
            writer.write(page, photometric="minisblack", metadata=None, compression="zstd")
    image = images.read(file.getvalue(), transcode=True)
    assert image.fidelity == "samples+metadata"
    assert [frame[..., 0].tolist() for frame in image.frames] == [page.tolist() for page in PAGES]


def test_pages_that_are_coded_and_pages_that_are_kept_come_back() -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for compression in (None, "zstd"):
            writer.write(PAGES[0], photometric="minisblack", metadata=None, compression=compression)
    image = images.read(file.getvalue())
    assert len(image.frames) == 1
    assert image.kept == Kept.ZSTANDARD
    assert images.write(image) == file.getvalue()


@pytest.fixture
def without_corrections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams that begin with a stored block, as those of `repacked`, are not made again."""
    honest = tiff.find_recipe
    monkeypatch.setattr(tiff, "find_recipe", lambda coded: None if coded[2] == 0 else honest(coded))


@pytest.mark.usefixtures("without_corrections")
def test_a_strip_that_is_said_to_reach_into_another_is_not_overwritten() -> None:
    assert is_kept_whole(repacked(PAGES, spare=500))


@pytest.mark.usefixtures("without_corrections")
def test_a_strip_of_two_pages_is_not_written_anew() -> None:
    assert is_kept_whole(repacked(PAGES, shared=True))


@pytest.mark.usefixtures("without_corrections")
def test_files_with_lengths_beside_their_segments_are_not_written_anew() -> None:
    leader = b"GDAL_STRUCTURAL_METADATA_SIZE=000140 bytes\nBLOCK_LEADER=SIZE_AS_UINT4\n"
    assert is_kept_whole(repacked(PAGES).ljust(6000, b"\0").replace(b"\0" * len(leader), leader, 1))


@pytest.mark.usefixtures("without_corrections")
def test_what_is_lost_when_written_anew_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = tiff._write_anew

    def forget_a_byte(data: bytes, page: Any) -> Any:
        fresh, layout = honest(data, page)
        return fresh[:-1] + b"\1", layout

    monkeypatch.setattr(tiff, "_write_anew", forget_a_byte)
    assert is_kept_whole(repacked(PAGES) + b"all that follows")


def test_too_many_pixels_are_refused() -> None:
    with pytest.raises(LimitExceededError, match="100 x 100"):
        images.read(make_tiff(np.zeros((100, 100), np.uint8)), Limits(max_pixels=9999))


def fill(samples: np.ndarray, mode: str) -> np.ndarray:
    """What lies in tiles of 32 x 32 around a picture of (40, 50, 3)."""
    if mode in ("constant", "edge"):
        return np.pad(samples, ((0, 24), (0, 14), (0, 0)), mode)  # type: ignore[call-overload]
    grid = np.random.default_rng(1).integers(0, 200, (64, 64, 3)).astype(samples.dtype)
    grid[:40, :50] = samples
    return grid


@pytest.mark.parametrize("dtype", ["u1", ">u2", "f4"])
@pytest.mark.parametrize("mode", ["constant", "edge", "anything"])
def test_a_frame_is_the_picture_without_what_pads_its_tiles(mode: str, dtype: str) -> None:
    samples = np.random.default_rng(0).integers(0, 200, (40, 50, 3)).astype(dtype)
    grid = fill(samples, mode)
    tiles = [grid[y : y + 32, x : x + 32] for y in (0, 32) for x in (0, 32)]
    order = {"byteorder": ">"} if dtype == ">u2" else {}
    file = io.BytesIO()
    with tifffile.TiffWriter(file, **order) as writer:
        coded = iter([tile.tobytes() for tile in tiles])
        writer.write(coded, shape=(40, 50, 3), dtype=dtype, tile=(32, 32), photometric="rgb", metadata=None)
    image = images.read(file.getvalue())
    assert np.array_equal(image.frames[0], samples)
    assert image.identical
    assert images.write(image) == file.getvalue()
    if mode != "anything":
        assert len(image.envelope) < 500


def test_damaged_padding_is_an_error() -> None:
    with pytest.raises(InputError, match="padding"):
        Padded(np.zeros((2, 2, 1), np.uint8), Padding(1, 1, Filling.KEPT, bytes(4)))


def make_hyperstack(planes: np.ndarray) -> bytes:
    """An ImageJ file of one IFD for all planes, as ImageJ writes those of 4 GB and more."""
    data = bytearray(make_tiff(planes[0], byteorder=">", description=f"ImageJ=1.53\nimages={len(planes)}\nslices=3\n"))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        (at,) = file.pages[0].dataoffsets
    return bytes(data[:at]) + planes.astype(">u2").tobytes()


def test_planes_of_a_hyperstack_in_one_directory_are_frames() -> None:
    planes = np.arange(3 * 20 * 30, dtype=np.uint16).reshape(3, 20, 30)
    data = make_hyperstack(planes)
    image = images.read(data)
    assert np.array_equal(np.stack(image.frames)[..., 0], planes)
    assert image.identical
    assert np.array_equal(pages_of(images.convert(image, "tiff")), planes)


def test_one_plane_of_a_hyperstack_is_converted(tmp_path: Path) -> None:
    planes = np.arange(3 * 20 * 30, dtype=np.uint16).reshape(3, 20, 30)
    (tmp_path / "x.tif").write_bytes(make_hyperstack(planes))
    api.compress(str(tmp_path / "x.tif"), None, api.Session())
    api.decompress_part(
        str(tmp_path / "x.tif.hpac"), str(tmp_path / "part.png"), api.Session(), frame=2, region=(3, 4, 9, 8)
    )
    assert np.array_equal(np.asarray(PillowImage.open(tmp_path / "part.png")), planes[2, 4:12, 3:12])


def test_planes_of_a_hyperstack_that_are_not_there_are_no_frames() -> None:
    image = images.read(make_hyperstack(np.zeros((3, 20, 30), np.uint16))[:-1])
    assert len(image.frames) == 1
    assert image.identical


def test_a_chain_of_directories_without_end_ends() -> None:
    data = bytearray(repacked(PAGES))
    first = struct.unpack_from("<I", data, 4)
    struct.pack_into("<I", data, len(data) - 4, *first)
    assert len(images.read(bytes(data), transcode=True).frames) == 2


def test_more_directories_than_a_file_may_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff, "DEFAULT_LIMITS", Limits(max_frames=1))
    with pytest.raises(LimitExceededError, match="directories"):
        images.read(repacked(PAGES))


def test_pixels_of_all_pages_count_together() -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for _ in range(2):
            writer.write(np.zeros((25, 40), np.uint8), photometric="minisblack", metadata=None)
    with pytest.raises(LimitExceededError, match="2,000 pixels in all"):
        images.read(file.getvalue(), Limits(max_pixels=1500))


def test_more_tiles_than_a_file_may_have_are_refused_at_once() -> None:
    tags = [(256, 16), (257, 1), (258, 8), (259, 1), (262, 1), (277, 1), (322, 1), (323, 1), (324, 8), (325, 1)]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", c, 4, 1, v) for c, v in tags) + bytes(4)
    with pytest.raises(LimitExceededError, match="16 strips or tiles"):
        images.read(b"II*\0" + struct.pack("<I", 8) + directory, Limits(max_segments=15))


def test_pages_that_share_their_samples_come_back() -> None:
    data = bytearray(make_tiff(np.arange(64, dtype=np.uint8).reshape(8, 8)))
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    again = bytes(data[first : first + 2 + 12 * count]) + bytes(4)
    struct.pack_into("<I", data, first + 2 + 12 * count, len(data))
    image = images.read(bytes(data) + again)
    assert len(image.frames) == 1
    assert image.identical
    assert image.kept == Kept.SHARED


def test_more_segments_than_the_envelope_holds_are_refused_at_once() -> None:
    numbers = (1 << 10, 1 << 10, 4, 8, 0, 1, 1, 2, 0, 1, 0, 0)
    envelope = b"".join(map(put_varint, (10, 0, 1, *numbers)))
    with pytest.raises(InputError, match="more segments"):
        images.write(Image((np.zeros((1 << 10, 1 << 10, 4), np.uint8),), "tiff", envelope))


def test_frames_that_zstandard_passes_over_are_kept() -> None:
    data = make_tiff(np.arange(900, dtype=np.uint16).reshape(30, 30), compression="zstd")
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        (end,), (size,) = (
            [a + b for a, b in zip(page.dataoffsets, page.databytecounts, strict=True)],
            page.databytecounts,
        )
        place = page.tags["StripByteCounts"].valueoffset
    assert end == len(data)
    passed_over = struct.pack("<II", 0x184D2A50, 9) + b"by nobody"
    changed = bytearray(data + passed_over)
    struct.pack_into("<I", changed, place, size + len(passed_over))
    assert np.array_equal(tifffile.imread(io.BytesIO(bytes(changed))), tifffile.imread(io.BytesIO(data)))
    assert is_kept_whole(bytes(changed))


def lzw_segment(data: bytes, tail: bytes = b"") -> bytes:
    """LZW as no usual writer makes it: with a clear code before every 100 bytes, so that codes have 9 bits."""
    codes = [code for at in range(0, len(data), 100) for code in (256, *data[at : at + 100])]
    bits = "".join(f"{code:09b}" for code in (*codes, 257))
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big") + tail


@pytest.mark.parametrize("tail", [b"", b"t", b"ta", b"tail"])
def test_no_byte_behind_an_lzw_segment_is_lost(tail: bytes) -> None:
    plain = np.arange(900, dtype=np.uint16).astype(np.uint8).tobytes()
    assert lzw.has_spare_bytes(lzw_segment(plain, tail), 900) == bool(tail)
    assert lzw.has_spare_bytes(lzw_segment(plain + b"x", tail), 900)
    assert all(not lzw.has_spare_bytes(lzw.compress(plain, variant), 900) for variant in lzw.VARIANTS)
    data = make_tiff(np.frombuffer(plain, np.uint8).reshape(30, 30), rowsperstrip=30)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tags = {tag.code: tag.valueoffset for tag in file.pages.first.tags}
    changed, segment = bytearray(data), lzw_segment(plain, tail)
    for code, value in ((259, 5), (273, len(data)), (279, len(segment))):
        struct.pack_into("<H" if code == 259 else "<I", changed, tags[code], value)
    kept = images.read(bytes(changed) + segment)
    assert kept.kept == Kept.LZW
    assert images.write(kept) == bytes(changed) + segment
    image = images.read(bytes(changed) + segment, transcode=True)
    assert image.identical == bool(tail)
    if tail:
        assert images.write(image) == bytes(changed) + segment


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits"])
def test_a_file_that_ends_within_its_samples_is_said_to_be_damaged(compression: str | None) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    assert images.read(make_tiff(noise, compression=compression)[:-100]).kept is Kept.DAMAGED


def test_a_file_that_claims_more_than_deflate_can_hold_is_said_to_be_damaged() -> None:
    data = bytearray(make_tiff(np.zeros((64, 64), np.uint8), compression="zlib", rowsperstrip=64))
    start = int.from_bytes(data[4:8], "little")
    for at in range(start + 2, start + 2 + 12 * int.from_bytes(data[start : start + 2], "little"), 12):
        if int.from_bytes(data[at : at + 2], "little") in (256, 257, 278):  # width, length, rows in a strip
            data[at + 2 : at + 12] = struct.pack("<HII", 4, 1, 10_000)
    assert images.read(bytes(data)).kept is Kept.DAMAGED


def test_a_width_below_zero_is_a_layout_that_is_not_taken() -> None:
    data = bytearray(make_tiff(np.zeros((64, 64), np.uint8), compression="lzw"))
    start = int.from_bytes(data[4:8], "little")
    data[start + 4 : start + 14] = struct.pack("<HIi", 9, 1, -64)  # the type SLONG
    assert images.read(bytes(data)).kept is Kept.LAYOUT
