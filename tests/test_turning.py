"""Turned tiles come back upright, and a picture takes about as many bytes whichever way up it is."""

import functools
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from make_golden import turn_parts
from PIL import Image as PillowImage
from test_container import build

from hpac_cli import api
from hpac_cli.adapt.material import Material
from hpac_cli.codec.efforts import effort_of
from hpac_cli.codec.encode import encode_image
from hpac_cli.codec.heatmap import map_code_lengths
from hpac_cli.codec.networks import Networks
from hpac_cli.codec.partial import decode_region
from hpac_cli.codec.plan import Planner
from hpac_cli.codec.threads import Threads
from hpac_cli.codec.tiles import Box
from hpac_cli.codec.turning import turn, turn_back, turned_size
from hpac_cli.container.fields import ORIENTATIONS, CodedTile, Frame, Header, Kind, Part, TileMode
from hpac_cli.container.parse import Reader
from hpac_cli.errors import ContainerError
from hpac_cli.images.npy import from_array
from hpac_cli.limits import DEFAULT_LIMITS
from hpac_cli.training.planes import to_planes

EACH = pytest.mark.parametrize("orientation", range(ORIENTATIONS))


@pytest.fixture(scope="module")
def directed(photograph: np.ndarray) -> np.ndarray:
    """A picture that is smooth in one direction only, large enough to be turned."""
    wide = PillowImage.fromarray(photograph).resize((3072, 512), PillowImage.Resampling.BICUBIC)
    return np.asarray(wide.crop((1000, 100, 1256, 356)))


def encode(array: np.ndarray, networks: Networks, orientation: int | None = None, tile: int = 0) -> bytes:
    stream = io.BytesIO()
    adapt = None if orientation is None else functools.partial(turn_parts, orientation=orientation)
    effort = replace(effort_of(3), repeats="")  # which saves some of what turning does
    encode_image(from_array(array), stream, networks=networks, effort=effort, adapt=adapt, tile=tile)
    return stream.getvalue()


def decode(data: bytes) -> np.ndarray:
    session = api.Session()
    return session.decode(session.open(io.BytesIO(data))).frames[0]


@EACH
def test_turning_back_undoes_turning(orientation: int) -> None:
    values = np.arange(30).reshape(3, 5, 2)
    assert np.array_equal(turn_back(turn(values, orientation), orientation), values)


@EACH
def test_turned_values_have_the_turned_size(orientation: int) -> None:
    assert turn(np.zeros((3, 5, 2)), orientation).shape[:2] == turned_size((3, 5), orientation)


def test_no_two_orientations_are_the_same() -> None:
    values = np.arange(4).reshape(2, 2)
    assert len({turn(values, orientation).tobytes() for orientation in range(ORIENTATIONS)}) == ORIENTATIONS


@EACH
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_turned_tiles_come_back_upright(
    photograph: np.ndarray, networks: Networks, orientation: int, channels: int
) -> None:
    part = np.dstack([photograph[90:113, 50:87], photograph[190:213, 50:87, 0]])[..., :channels]
    assert np.array_equal(decode(encode(part, networks, orientation, tile=16)), part)


def test_a_region_of_a_turned_picture(directed: np.ndarray, networks: Networks) -> None:
    reader = api.Session().open(io.BytesIO(encode(directed[:50, :60], networks, 5, tile=32)))
    region = decode_region(reader, 0, Box(7, 30, 20, 25), networks=networks)
    assert np.array_equal(region, directed[7:27, 30:55])


@pytest.mark.parametrize("way", [1, 4, 6])
def test_a_picture_takes_about_as_much_whichever_way_up_it_is(
    directed: np.ndarray, networks: Networks, way: int
) -> None:
    upright, turned = (len(encode(np.ascontiguousarray(a), networks)) for a in (directed, turn(directed, way)))
    assert abs(turned / upright - 1) < 0.005


def test_turning_makes_a_directed_picture_smaller(directed: np.ndarray, networks: Networks) -> None:
    across = np.ascontiguousarray(turn(directed, 4))
    assert len(encode(across, networks)) < 0.995 * len(encode(across, networks, 0))


def test_info_counts_turned_tiles(photograph: np.ndarray, networks: Networks, tmp_path: Path) -> None:
    file = tmp_path / "turned.hpac"
    file.write_bytes(encode(photograph[:40, :40], networks, 3, tile=32))
    assert api.inspect(str(file), DEFAULT_LIMITS)["turned_tiles"] == 4


def test_the_same_plan_from_one_thread_and_from_two(directed: np.ndarray, networks: Networks) -> None:
    one, two = (
        Planner(from_array(directed), networks=networks, effort=effort_of(3), tile=128, threads=threads)
        for threads in (1, 2)
    )
    assert list(one.plan_all(Threads(1))) == list(two.plan_all(Threads(1)))


def test_the_code_lengths_of_a_turned_picture_lie_where_its_pixels_do(
    photograph: np.ndarray, networks: Networks
) -> None:
    half_noise = photograph[:256, :256].copy()
    half_noise[:, :128] = np.random.default_rng(1).integers(0, 256, (256, 128, 3))
    for array in (half_noise, np.ascontiguousarray(half_noise.swapaxes(0, 1))):
        noisy = (slice(None), slice(128)) if array is half_noise else (slice(128), slice(None))
        bits = map_code_lengths(array, networks=networks, effort=effort_of(3), tile=128)
        assert bits[noisy].sum() > 0.6 * bits.sum()


def test_an_adapter_is_trained_on_crops_as_they_are_coded(photograph: np.ndarray) -> None:
    part = photograph[:40, :60]
    frame = Frame(60, 40, "u1", 64, (Part(3, 8, b"weights1", orientation=6),))
    material = Material([part], [frame], b"weights1")
    planes = material.crop(material.places[0], 0.5, 0.5, 64).planes
    coded = np.ascontiguousarray(turn(part, 6).transpose(2, 0, 1)).astype(np.int32)
    assert torch.equal(planes[:, 0], to_planes(torch.from_numpy(coded)))


def container(tile: CodedTile) -> Reader:
    header = Header(Kind.ARRAY_2D, False, (Frame(8, 8, "u1", 8, (Part(1, 8, b"weights1"),)),))
    return Reader(io.BytesIO(build(header, b"", [tile])), DEFAULT_LIMITS)


def test_a_tile_keeps_its_orientation() -> None:
    (tile,) = container(CodedTile(TileMode.NETWORK, b"words", 7)).tiles()
    assert (tile.mode, tile.orientation, tile.payload) == (TileMode.NETWORK, 7, b"words")


@pytest.mark.parametrize("tile", [CodedTile(TileMode.DEFLATE, b"", 1), CodedTile(TileMode.NETWORK, b"", 8)])
def test_orientations_that_do_not_exist_are_refused(tile: CodedTile) -> None:
    with pytest.raises(ContainerError, match="unknown mode"):
        list(container(tile).tiles())
