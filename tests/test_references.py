"""References: parts that are told of earlier frames, and of other channels of the same frame."""

import io
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import hpac
from reference.decoder import decode as decode_plainly

from hpac_cli import api
from hpac_cli.codec import decode
from hpac_cli.codec.decode import decode_image
from hpac_cli.codec.efforts import effort_of
from hpac_cli.codec.encode import encode_image
from hpac_cli.codec.networks import Networks
from hpac_cli.codec.partial import decode_region, tiles_needed
from hpac_cli.codec.salvaged import decode_salvaged
from hpac_cli.codec.tile_cache import TileCache
from hpac_cli.codec.tiles import Box
from hpac_cli.container.fields import Adapted, Frame, Header, Kind, Part, Reference, build_frame, parse_frame
from hpac_cli.container.parse import Reader
from hpac_cli.container.salvage import find_undamaged
from hpac_cli.errors import ContainerError
from hpac_cli.image import Image
from hpac_cli.limits import DEFAULT_LIMITS
from hpac_cli.model.files import weights_folder

NETWORKS = Networks()
GREY = NETWORKS.digest("grey-small")
TILE = 16
FILL = 77
BACK = Reference(1, 0)

Change = Callable[[tuple[Frame, ...]], tuple[Frame, ...]]


def encode(images: tuple[np.ndarray, ...], change: Change) -> bytes:
    """Code images with another plan than the encoder's."""
    stream = io.BytesIO()

    def adapt(frames: tuple[Frame, ...]) -> tuple[tuple[Frame, ...], tuple[Adapted, ...]]:
        return change(tuple(replace(frame, tile=TILE) for frame in frames)), ()

    is_array = len({frame.shape for frame in images}) == 1
    image = Image(images, "arrays") if is_array else Image(images, "tiff", file_hash=bytes(32))
    encode_image(image, stream, networks=NETWORKS, effort=effort_of(1), tile=TILE, adapt=adapt)
    return stream.getvalue()


def open_file(data: bytes) -> Reader:
    return Reader(io.BytesIO(data), DEFAULT_LIMITS)


def told(*references: Reference, orientation: int = 0, bit_depth: int = 8, **fields: object) -> Part:
    return Part(1, bit_depth, GREY, orientation=orientation, references=references, **fields)  # type: ignore[arg-type]


def refer(*references: Reference, orientation: int = 0) -> Change:
    """Let every frame but the first, all of one channel, have these references."""

    def change(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
        alone = [replace(frame, parts=(told(orientation=orientation),)) for frame in frames]
        return alone[0], *(replace(f, parts=(told(*references, orientation=orientation),)) for f in alone[1:])

    return change


@pytest.fixture(scope="module")
def slices(photograph: np.ndarray) -> tuple[np.ndarray, ...]:
    """Four frames of one channel, each a little like the one before; four tiles each, of different sizes."""
    return tuple(photograph[100 + n : 121 + n, 200:227, 1:2] for n in range(4))


def assert_comes_back(data: bytes, images: tuple[np.ndarray, ...]) -> None:
    """From the decoder on one thread and on several, and from the second decoder."""
    for threads in (1, 3):
        decoded = decode_image(open_file(data), networks=NETWORKS, threads=threads).frames
        assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(decoded, images, strict=True))
    plain = decode_plainly(data, weights_folder())
    assert all(np.array_equal(a, b.view(a.dtype)) for a, b in zip(plain, images, strict=True))


@pytest.mark.parametrize("orientation", range(8))
def test_frames_that_refer_to_the_one_before_come_back(slices: tuple[np.ndarray, ...], orientation: int) -> None:
    assert_comes_back(encode(slices[:2], refer(BACK, orientation=orientation)), slices[:2])


def test_gains_and_offsets_are_brought_to_the_range_of_the_tile(slices: tuple[np.ndarray, ...]) -> None:
    dark = (slices[0], 255 - slices[1] // 2)
    assert_comes_back(encode(dark, refer(Reference(1, 0, -2048, 255))), dark)


def test_a_frame_refers_to_two(slices: tuple[np.ndarray, ...]) -> None:
    def change(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
        first, second, third = refer(BACK)(frames)
        return first, second, replace(third, parts=(told(BACK, Reference(2, 0)),))

    assert_comes_back(encode(slices[:3], change), slices[:3])


def test_bands_refer_to_each_other_in_their_own_order(photograph: np.ndarray) -> None:
    bands = (np.dstack([photograph[40:60, 50:75], photograph[41:61, 50:75, :1]]),)

    def change(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
        parts = (told(), told(Reference(0, 2)), told(Reference(0, 0), Reference(0, 2)), told(Reference(0, 1)))
        return (
            replace(frames[0], order=(2, 0, 3, 1), parts=parts[:1] + parts[1:2] + (told(Reference(0, 0)), parts[2])),
        )

    assert_comes_back(encode(bands, change), bands)


@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_floats_that_hold_whole_numbers_are_counted(kind: str, photograph: np.ndarray) -> None:
    whole = (photograph[40:90, 50:110, 1:2].astype(int) - 300).astype(kind)
    data = encode((whole,), lambda frames: frames)
    (frame,) = open_file(data).header.frames
    assert frame.parts[0].whole
    assert frame.parts[0].offset == int(whole.min())
    assert_comes_back(data, (whole,))


@pytest.mark.parametrize("odd", [-0.0, np.nan, np.inf, 0.5, 2.0**25])
def test_floats_that_are_no_whole_numbers_are_not(odd: float) -> None:
    floats = (np.arange(600) % 7).astype("f4").reshape(20, 30, 1)
    floats[3, 4] = odd
    data = encode((floats,), lambda frames: frames)
    assert not open_file(data).header.frames[0].parts[0].whole
    (decoded,) = decode_image(open_file(data), networks=NETWORKS).frames
    assert decoded.tobytes() == floats.tobytes()


def test_a_frame_alone_is_decoded_from_what_it_needs(slices: tuple[np.ndarray, ...]) -> None:
    """Frame 3 needs 2 and 0, but not 1, whose tiles are damaged."""

    def change(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
        parts = [(told(),), (told(),), (told(Reference(2, 0)),), (told(BACK),)]
        return tuple(replace(frame, parts=part) for frame, part in zip(frames, parts, strict=True))

    data = encode(slices, change)
    needed = tiles_needed(open_file(data).header, {3: Box(0, 0, 16, 16)}, TileCache(0).get)
    assert [(number, each.frame) for number, each in needed.items()] == [(0, 0), (8, 2), (12, 3)]
    reader = open_file(data)
    sizes = [tile.size for tile in reader.tiles()]
    end = len(data) - reader.sizes["end"]
    damaged = bytearray(data)
    for tile in range(4, 8):
        damaged[end - sum(sizes[tile:]) + 8] ^= 1
    region = decode_region(open_file(bytes(damaged)), 3, Box(2, 3, 17, 20), networks=NETWORKS)
    assert np.array_equal(region, slices[3][2:19, 3:23])


def test_parts_of_one_frame_need_each_other() -> None:
    parts = (told(), told(Reference(0, 0)), told(Reference(0, 1)))
    first = Frame(8, 8, "u1", 8, parts)
    second = Frame(8, 8, "u1", 8, (told(Reference(1, 2)),))
    header = Header(Kind.ARRAY_FRAMES, identical=False, frames=(first, second))
    needed = tiles_needed(header, {1: Box(0, 0, 8, 8)}, TileCache(0).get)
    assert [(each.frame, each.part) for each in needed.values()] == [(0, 0), (0, 1), (0, 2), (1, 0)]


def test_references_of_parts_that_are_not_needed_lead_nowhere(slices: tuple[np.ndarray, ...]) -> None:
    """Frame 3 refers to one channel of frame 2; what the other one refers to lies before all that is decoded."""
    images = (*slices[:2], np.dstack(slices[2:4]), slices[3])

    def change(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
        parts = [(told(),), (told(),), (told(), told(Reference(2, 0))), (told(BACK),)]
        return tuple(replace(frame, parts=part) for frame, part in zip(frames, parts, strict=True))

    decoded = decode_region(open_file(encode(images, change)), 3, None, networks=NETWORKS)
    assert np.array_equal(decoded, images[3])


def test_salvage_loses_what_refers_to_a_lost_tile_and_nothing_else(slices: tuple[np.ndarray, ...]) -> None:
    data = encode(slices, refer(BACK))
    reader = open_file(data)
    sizes = [tile.size for tile in reader.tiles()]
    damaged = bytearray(data)
    damaged[len(data) - reader.sizes["end"] - sum(sizes[6:]) + 8] ^= 1  # the third tile of the second frame
    for threads in (1, 3):
        found, lost = decode_salvaged(
            find_undamaged(bytes(damaged), DEFAULT_LIMITS), FILL, networks=NETWORKS, threads=threads
        )
        assert [(part.frame, part.channels, part.box) for part in lost] == [
            (n, (0,), Box(16, 0, 5, 16)) for n in (1, 2, 3)
        ]
        expected = [frame.copy() for frame in slices]
        for frame in expected[1:]:
            frame[16:21, 0:16] = FILL
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


SMALL = Frame(8, 8, "u1", 8, (Part(1, 8, GREY), Part(1, 0), Part(1, 8)))


@pytest.mark.parametrize(
    ("earlier", "references"),
    [
        ((), (BACK,)),
        ((SMALL,), (Reference(2, 0),)),
        ((SMALL,), (Reference(1, 3),)),
        ((SMALL,), (Reference(1, 1),)),
        ((SMALL,), (Reference(0, 0),)),
        ((replace(SMALL, width=9),), (BACK,)),
        ((replace(SMALL, height=9),), (BACK,)),
        ((replace(SMALL, tile=10),), (BACK,)),
        ((Frame(8, 8, "u4", 8, (Part(1, 17),)),), (BACK,)),
        ((SMALL,), (BACK, BACK, BACK)),
        ((SMALL,), (replace(BACK, gain=1 << 20),)),
        ((SMALL,), (replace(BACK, offset=-(1 << 20)),)),
    ],
)
def test_a_reference_that_cannot_be_is_refused(earlier: tuple[Frame, ...], references: tuple[Reference, ...]) -> None:
    payload = build_frame(Frame(8, 8, "u1", 8, (told(*references),)))
    with pytest.raises(ContainerError):
        parse_frame(payload, DEFAULT_LIMITS, earlier)


def test_a_reference_to_packed_bytes_is_taken() -> None:
    payload = build_frame(Frame(8, 8, "u1", 8, (told(Reference(1, 2)),)))
    assert parse_frame(payload, DEFAULT_LIMITS, (SMALL,)).parts[0].references == (Reference(1, 2),)


@pytest.mark.parametrize("order", [(0,), (0, 0, 1), (0, 1, 3), (0, 1, 2, 3)])
def test_an_order_that_is_none_is_refused(order: tuple[int, ...]) -> None:
    with pytest.raises(ContainerError, match="order"):
        parse_frame(build_frame(replace(SMALL, order=order)), DEFAULT_LIMITS)


def test_weights_that_take_no_references_are_refused_them() -> None:
    """Weights without references, which an adapter could make, are none that are shipped: told by the network's shape."""
    assert NETWORKS.by_digest(GREY).coder.references == 2
    assert NETWORKS.by_digest(NETWORKS.digest("rgb-small")).coder.references == 0


def test_no_frame_needs_more_frames_than_it_may(photograph: np.ndarray) -> None:
    session = api.Session(api.Options(effort=1, tile=64, keyframe=3))
    stream = io.BytesIO()
    frames = tuple(photograph[100 + n : 164 + n, 200:264, 1:2] for n in range(8))
    session.encode(Image(frames, "arrays"), stream)
    header = open_file(stream.getvalue()).header
    whole = Box(0, 0, header.frames[0].height, header.frames[0].width)
    needed = [tiles_needed(header, {number: whole}, TileCache(0).get) for number in range(8)]
    assert max(len({each.frame for each in tiles.values()}) for tiles in needed) == 3


def test_the_encoder_lets_frames_refer_to_those_that_are_like_them(photograph: np.ndarray) -> None:
    """Noisy copies of one picture, told of each other, take much less than alone."""
    rng = np.random.default_rng(1)
    plane = photograph[60:188, 100:228, 1:2].astype(int)
    frames = tuple(np.clip(plane + rng.integers(-2, 3, plane.shape), 0, 255).astype(np.uint8) for _ in range(3))
    sizes = []
    for keyframe in (1, 16):
        stream = io.BytesIO()
        api.Session(api.Options(effort=1, keyframe=keyframe)).encode(Image(frames, "arrays"), stream)
        sizes.append(len(stream.getvalue()))
    assert sizes[1] < 0.93 * sizes[0]
    assert open_file(stream.getvalue()).header.frames[1].parts[0].references[0].back == 1


def test_the_encoder_orders_bands_and_lets_them_refer_to_each_other(photograph: np.ndarray) -> None:
    """Five bands of 16 bits, of which the fourth is like the first, and turned round in value."""
    crop = photograph[60:188, 100:228].astype(np.uint16) * 9
    noise = np.random.default_rng(1).integers(0, 9, (128, 128, 5), dtype=np.uint16)
    bands = np.dstack([crop, 3000 - crop[..., 0] // 2, crop[..., 1] // 3]) + noise
    stream = io.BytesIO()
    api.Session(api.Options(effort=1)).encode(Image((bands,), "array"), stream)
    (frame,) = open_file(stream.getvalue()).header.frames
    told = [(frame.listed[at][0], r.channel, r.gain) for at, part in enumerate(frame.parts) for r in part.references]
    pairs = {(min(ours, other), max(ours, other)): gain for ours, other, gain in told}
    assert pairs[0, 3] < 0
    (decoded,) = decode_image(open_file(stream.getvalue()), networks=NETWORKS).frames
    assert np.array_equal(decoded, bands)


def test_info_says_what_a_part_is_told_of(slices: tuple[np.ndarray, ...], tmp_path: Path) -> None:
    path = tmp_path / "slices.hpac"
    path.write_bytes(encode(slices[:2], refer(BACK)))
    first, second = (frame["parts"][0] for frame in api.inspect(str(path))["frames"])
    assert (first["references"], second["references"]) == ([], [{"frames_back": 1, "channel": 0}])
    assert "told of 1 earlier frame" in hpac("info", path).stdout.decode()


def test_chains_are_decoded_side_by_side(photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two chains of four frames of one tile; each tile waits until one of the other chain is at work too."""
    images = tuple(photograph[100 + n : 100 + n + TILE, 200 : 200 + TILE, 1:2] for n in range(8))

    def change(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
        first, *others = refer(BACK)(frames[:4])
        return (first, *others) * 2

    data = encode(images, change)
    barrier, decode_values = threading.Barrier(2, timeout=30), decode.decode_values

    def met(*args: object) -> np.ndarray:
        barrier.wait()
        return decode_values(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(decode, "decode_values", met)
    decoded = decode_image(open_file(data), networks=NETWORKS, threads=2).frames
    assert all(np.array_equal(a, b) for a, b in zip(decoded, images, strict=True))
