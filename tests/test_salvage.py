"""Salvage gives every undamaged tile and names all others, whatever is lost between them."""

import io
import json
import random
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from conftest import save_png
from PIL import Image as PillowImage

from hpac_cli import api, images
from hpac_cli.codec.salvaged import Lost, decode_salvaged
from hpac_cli.container import salvage as finding
from hpac_cli.container.build import Writer
from hpac_cli.container.fields import Frame, Header, Kind, Part
from hpac_cli.container.salvage import find_undamaged
from hpac_cli.errors import ContainerError, IncompleteError
from hpac_cli.image import Image
from hpac_cli.limits import DEFAULT_LIMITS

FILL = 77


@pytest.fixture(scope="module")
def frames(photograph: np.ndarray) -> tuple[np.ndarray, ...]:
    part = photograph[200:240, 300:348]
    return part, np.dstack([part[..., 0], part[..., 1] // 2]), np.full((5, 5, 1), 3, np.uint8)


@pytest.fixture(scope="module")
def session() -> api.Session:
    return api.Session(api.Options(tile=16))


@pytest.fixture(scope="module")
def data(frames: tuple[np.ndarray, ...], session: api.Session) -> bytes:
    stream = io.BytesIO()
    session.encode(Image(frames, "tiff", b"what lies around the samples", b"h" * 32), stream)
    return stream.getvalue()


def places_of_tiles(data: bytes, session: api.Session) -> list[int]:
    reader = session.open(io.BytesIO(data))
    tiles = [tile.size for tile in reader.tiles()]
    start = len(data) - reader.sizes["end"] - sum(tiles)
    return [start + sum(tiles[:i]) for i in range(len(tiles) + 1)]


def recover(damaged: bytes, session: api.Session) -> tuple[tuple[np.ndarray, ...], list[Lost]]:
    return decode_salvaged(find_undamaged(damaged, DEFAULT_LIMITS), FILL, networks=session.networks)


def assert_all_else_is_right(found: tuple[np.ndarray, ...], lost: list[Lost], frames: tuple[np.ndarray, ...]) -> None:
    expected = [frame.copy() for frame in frames]
    for part in lost:
        box = part.box
        expected[part.frame][box.y : box.y + box.height, box.x : box.x + box.width, list(part.channels)] = FILL
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_an_undamaged_file_loses_nothing(data: bytes, session: api.Session, frames: tuple[np.ndarray, ...]) -> None:
    found, lost = recover(data, session)
    assert_all_else_is_right(found, lost, frames)
    assert not lost


@pytest.mark.parametrize("number", [0, 4, 8])
@pytest.mark.parametrize("part", ["type", "length", "payload", "checksum"])
def test_one_damaged_tile_is_lost_alone(
    data: bytes, session: api.Session, frames: tuple[np.ndarray, ...], number: int, part: str
) -> None:
    places = places_of_tiles(data, session)
    at = {"type": places[number], "length": places[number] + 1, "payload": places[number] + 9}
    damaged = bytearray(data)
    damaged[at.get(part, places[number + 1] - 1)] ^= 0x55
    found, lost = recover(bytes(damaged), session)
    assert_all_else_is_right(found, lost, frames)
    assert len(lost) == 1


def test_removed_and_inserted_bytes_cost_only_the_tiles_they_hit(
    data: bytes, session: api.Session, frames: tuple[np.ndarray, ...]
) -> None:
    places = places_of_tiles(data, session)
    damaged = bytearray(data)
    damaged[places[7] + 5 : places[7] + 5] = b"TTTTTTT" * 30
    del damaged[places[3] - 2 : places[3] + 3]
    found, lost = recover(bytes(damaged), session)
    assert_all_else_is_right(found, lost, frames)
    assert len(lost) == 3


def test_a_truncated_file_gives_what_came_before(
    data: bytes, session: api.Session, frames: tuple[np.ndarray, ...]
) -> None:
    places = places_of_tiles(data, session)
    found, lost = recover(data[: places[6] + 3], session)
    assert_all_else_is_right(found, lost, frames)
    assert len(lost) == len(places) - 1 - 6


def test_damage_before_the_header_does_not_matter(
    data: bytes, session: api.Session, frames: tuple[np.ndarray, ...]
) -> None:
    found, lost = recover(b"xx" + data[2:9] + b"\xff\xff" + data[11:], session)
    assert_all_else_is_right(found, lost, frames)


def test_lost_metadata_are_known_as_lost(data: bytes) -> None:
    at = data.index(b"what lies") if b"what lies" in data else 25
    damaged = bytearray(data)
    damaged[at] ^= 1
    assert find_undamaged(bytes(damaged), DEFAULT_LIMITS).metadata is None
    assert find_undamaged(data, DEFAULT_LIMITS).metadata == b"what lies around the samples"


def test_a_lost_header_is_an_error(data: bytes) -> None:
    damaged = bytearray(data)
    damaged[13] ^= 1
    with pytest.raises(ContainerError, match="header is lost"):
        find_undamaged(bytes(damaged), DEFAULT_LIMITS)


def test_any_damage_ends_in_right_samples_or_an_error(
    data: bytes, session: api.Session, frames: tuple[np.ndarray, ...]
) -> None:
    places = places_of_tiles(data, session)
    for seed in range(10):
        rng = random.Random(seed)
        damaged = bytearray(data)
        for _ in range(3):
            at = rng.randrange(places[0], len(damaged))
            damaged[at : at + rng.randrange(1, 300)] = rng.randbytes(rng.randrange(60))
        assert_all_else_is_right(*recover(bytes(damaged), session), frames)


def test_more_tiles_than_bytes_are_no_salvage() -> None:
    frame = Frame(1, 1 << 24, "u1", 8, (Part(1, 8),))
    stream = io.BytesIO()
    Writer(stream, Header(Kind.ARRAY_2D, False, (frame,)), b"").end(bytes(32), b"")
    with pytest.raises(ContainerError, match="cannot have been"):
        find_undamaged(stream.getvalue(), DEFAULT_LIMITS)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits", "png"])
def test_pictures_of_every_compression_are_salvaged(
    compression: str | None, photograph: np.ndarray, tmp_path: Path, session: api.Session
) -> None:
    """What was compressed cannot be made again of other samples: PNG gets a fresh stream, TIFF becomes a plain one."""
    picture, file = photograph[:96, :96], tmp_path / ("a.png" if compression == "png" else "a.tif")
    if compression == "png":
        file.write_bytes(save_png(picture))
    else:
        tifffile.imwrite(file, picture, compression=compression, photometric="rgb", rowsperstrip=16)
    stream = io.BytesIO()
    session.encode(images.read(file.read_bytes()), stream)
    places = places_of_tiles(stream.getvalue(), session)
    damaged = bytearray(stream.getvalue())
    damaged[places[1] - 5] ^= 1
    (tmp_path / "a.hpac").write_bytes(damaged)
    file.unlink()
    with pytest.raises(IncompleteError, match="samples are lost"):
        api.salvage(str(tmp_path / "a.hpac"), str(file), session, fill=7)
    found = np.asarray(PillowImage.open(file))
    report = json.loads((tmp_path / f"{file.name}.lost.json").read_text())
    wrong = (found != picture).any(axis=2)
    (lost,) = report["lost"]
    assert not wrong[lost["height"] :].any()
    assert (found[: lost["height"], : lost["width"]] == 7).all()
    assert report["metadata_lost"] == (compression in ("zlib", "lzw", "packbits"))


# hashes


def salvage(data: bytes, target: Path) -> tuple[str, dict[str, Any]]:
    """What is said, and the report."""
    source = target.with_name("damaged.hpac")
    source.write_bytes(data)
    with pytest.raises(IncompleteError) as said:
        api.salvage(str(source), str(target), api.Session(), fill=FILL)
    return str(said.value), json.loads(target.with_name(f"{target.name}.lost.json").read_text())


def keep_file(data: bytes, tmp_path: Path) -> bytes:
    """Encode a file that is kept whole."""
    file = tmp_path / "x.bin"
    file.write_bytes(data)
    api.compress(str(file), str(tmp_path / "x.hpac"), api.Session(api.Options(keep_all=True)))
    file.unlink()
    return (tmp_path / "x.hpac").read_bytes()


def test_a_file_of_which_pieces_are_missing_unseen_is_said_to_be_another(tmp_path: Path) -> None:
    whole = keep_file(NOISE, tmp_path)
    other = kept_whole(NOISE[:400])
    piece = other[other.index(b"P") : other.rindex(b"E\x10")]
    damaged = whole[: whole.index(b"P")] + piece + whole[whole.rindex(b"E\x30") :]
    said, report = salvage(damaged, tmp_path / "x.bin")
    assert "does not match" in said
    assert report["bytes_lost"] == []
    assert report["hash_matches"] is False


def test_a_file_that_has_lost_nothing_is_said_to_match(tmp_path: Path) -> None:
    said, report = salvage(keep_file(NOISE, tmp_path) + b"x", tmp_path / "x.bin")
    assert "0 of 9,000 bytes are lost, and the stored SHA-256 matches" in said
    assert report["hash_matches"] is True


def test_tiles_of_another_picture_are_said_not_to_match(photograph: np.ndarray, tmp_path: Path) -> None:
    files = []
    for part in (photograph[:16, :16], photograph[16:32, :16]):
        (tmp_path / "a.png").write_bytes(save_png(part))
        api.compress(str(tmp_path / "a.png"), None, api.Session(api.Options(effort=1, force=True)))
        files.append((tmp_path / "a.png.hpac").read_bytes())
    one, other = files
    (tmp_path / "a.png").unlink()
    session = api.Session()
    start, stop = (places_of_tiles(one, session)[i] for i in (0, -1))
    begin, end = (places_of_tiles(other, session)[i] for i in (0, -1))
    said, report = salvage(one[:start] + other[begin:end] + one[stop:], tmp_path / "a.png")
    assert "0 of 768 samples are lost, yet the stored SHA-256 does not match" in said
    assert report["hash_matches"] is False


# another .hpac file within


def kept_whole(*pieces: bytes) -> bytes:
    stream = io.BytesIO()
    writer = Writer(stream, Header(Kind.FILE, True, (), (), b".bin", 19), b"")
    for piece in pieces:
        writer.piece(piece)
    writer.end(bytes(32), bytes(32))
    return stream.getvalue()


NOISE = random.Random(2).randbytes(9000)
INNER = kept_whole(NOISE[:500])


@pytest.fixture(scope="module")
def around() -> bytes:
    """A file kept whole in three pieces, whose second holds another .hpac file."""
    return kept_whole(NOISE[1000:3000], NOISE[3000:5000] + INNER + NOISE[5000:7000], NOISE[7000:])


@pytest.mark.parametrize("damage", ["body", "length", "inserted"])
def test_a_file_within_a_damaged_piece_is_not_taken_for_the_one_around_it(around: bytes, damage: str) -> None:
    begin = around.index(NOISE[3000:5000])
    damaged = bytearray(around)
    if damage == "inserted":
        damaged[begin + 99 : begin + 99] = b"x"
    else:
        head = around.rindex(b"P", 0, begin - 4)
        damaged[begin + 99 if damage == "body" else head + 1] ^= 1
    found = find_undamaged(bytes(damaged), DEFAULT_LIMITS)
    assert [len(piece) for piece in found.pieces.values()] == [2000, 2000]


def test_the_end_of_a_file_within_does_not_end_the_search() -> None:
    around = kept_whole(NOISE[3000:5000] + INNER[16:] + NOISE[5000:7000], NOISE[7000:])
    at = around.index(NOISE[3000:5000]) + 99
    found = find_undamaged(around[:at] + b"x" + around[at:], DEFAULT_LIMITS)
    assert list(found.pieces.values()) == [NOISE[7000:]]


def test_a_file_within_that_lacks_its_end_is_not_taken_for_ours() -> None:
    around = kept_whole(NOISE[3000:5000] + INNER[:-9] + NOISE[5000:7000], NOISE[7000:])
    at = around.index(NOISE[3000:5000]) + 99
    found = find_undamaged(around[:at] + b"x" + around[at:], DEFAULT_LIMITS)
    assert list(found.pieces.values()) == [NOISE[7000:]]


def test_nothing_behind_the_end_is_ours() -> None:
    other = kept_whole(NOISE[:900], NOISE[900:1500])
    found = find_undamaged(INNER + other[other.rindex(b"P", 0, other.index(NOISE[900:1500]) - 4) :], DEFAULT_LIMITS)
    assert found.pieces == {0: NOISE[:500]}


def test_what_looks_like_an_adapter_behind_a_piece_does_not_spoil_the_header() -> None:
    within = b"A\x02\0x" + zlib.crc32(b"A\x02\0x").to_bytes(4, "little")
    around = kept_whole(NOISE[:1000], NOISE[3000:5000] + within + NOISE[5000:7000])
    at = around.index(NOISE[3000:5000]) + 99
    assert find_undamaged(around[:at] + b"x" + around[at:], DEFAULT_LIMITS).header.is_whole


def test_chunks_within_a_piece_that_is_damaged_are_none_of_ours() -> None:
    within = INNER[12:-9]  # cut at both ends
    damaged = bytearray(kept_whole(NOISE[3000:5000] + within + NOISE[5000:7000], NOISE[7000:]))
    damaged[damaged.index(NOISE[5000:7000])] ^= 1
    assert list(find_undamaged(bytes(damaged), DEFAULT_LIMITS).pieces.values()) == [NOISE[7000:]]


LONG_INNER = kept_whole(NOISE[:500], NOISE[500:1200], NOISE[1200:1500])[16:-9]
"""Cut at both ends."""


def test_pieces_of_a_file_within_a_damaged_piece_are_none_of_ours() -> None:
    around = kept_whole(NOISE[3000:3300] + LONG_INNER, NOISE[7000:])
    at = around.index(NOISE[3000:3300]) + 99
    found = find_undamaged(around[:at] + b"x" + around[at:], DEFAULT_LIMITS)
    assert list(found.pieces.values()) == [NOISE[7000:]]


def test_a_piece_of_a_larger_file_within_a_damaged_piece_is_none_of_ours() -> None:
    larger = kept_whole(bytes(5000), NOISE[:300])
    around = kept_whole(NOISE[3000:3300] + larger[16:-9], NOISE[7000:])
    at = around.index(NOISE[3000:3300]) + 99
    found = find_undamaged(around[:at] + b"x" + around[at:], DEFAULT_LIMITS)
    assert list(found.pieces.values()) == [NOISE[7000:]]


def test_pieces_of_a_file_within_a_piece_that_is_cut_short_are_none_of_ours() -> None:
    around = kept_whole(NOISE[3000:3300], NOISE[3300:3600] + LONG_INNER + NOISE[5000:7000])
    found = find_undamaged(around[:-2000], DEFAULT_LIMITS)
    assert list(found.pieces.values()) == [NOISE[3000:3300]]


def test_pieces_of_a_file_within_the_second_of_two_damaged_pieces_are_none_of_ours() -> None:
    around = kept_whole(NOISE[3000:3300], NOISE[3300:3600] + LONG_INNER, NOISE[7000:])
    for at in (around.index(NOISE[3300:3600]) + 99, around.index(NOISE[3000:3300]) + 99):
        around = around[:at] + b"x" + around[at:]
    assert list(find_undamaged(around, DEFAULT_LIMITS).pieces.values()) == [NOISE[7000:]]


def test_the_header_of_a_file_within_stands_for_no_lost_one() -> None:
    around = kept_whole(NOISE[3000:5000] + INNER + NOISE[5000:7000])
    at = around.index(NOISE[3000:5000]) + 99
    with pytest.raises(ContainerError, match="header is lost"):
        find_undamaged(around[:12] + b"x" + around[13:at] + b"x" + around[at:], DEFAULT_LIMITS)


# work


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of all that salvage takes the checksum of."""
    sizes: list[int] = []

    def crc32(data: bytes) -> int:
        sizes.append(len(data))
        return zlib.crc32(data)

    monkeypatch.setattr(finding, "zlib", SimpleNamespace(crc32=crc32))
    return sizes


def test_a_piece_behind_much_noise_is_found_at_little_cost(checked: list[int]) -> None:
    noise = random.Random(3).randbytes(1 << 20)
    around = kept_whole(noise[: 1 << 19], noise[1 << 19 :])
    found = find_undamaged(around[:99] + b"x" + around[99:], DEFAULT_LIMITS)
    assert found.pieces == {1 << 19: noise[1 << 19 :]}
    assert sum(checked) < 100 * len(around)


def test_heads_that_lie_cost_no_more_than_they_may(checked: list[int]) -> None:
    data = INNER[:16] + b"x" + b"T\xff\x7f\0\0" * 8000
    with pytest.raises(ContainerError):
        find_undamaged(data, DEFAULT_LIMITS)
    assert 200 * len(data) < sum(checked) < 300 * len(data)
