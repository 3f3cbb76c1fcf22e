"""RGB that was made from luma and chroma is found, coded as these, and comes back exactly."""

import io
from pathlib import Path

import numpy as np
import pytest
from conftest import make_other_photograph
from hypothesis import given
from hypothesis.extra.numpy import arrays
from PIL import Image as PillowImage
from PIL import features
from reference.decoder import decode
from reference.decoder import to_rgb as to_rgb_plainly

import hpac_cli
from hpac_cli import api
from hpac_cli.codec.colours import find_colours, pack_exceptions, put_exceptions, to_rgb, to_triples
from hpac_cli.container.fields import Colours, TileMode
from hpac_cli.errors import ContainerError
from hpac_cli.model.files import weights_folder

MADE = [colours for colours in Colours if colours]
# some of each way to compute them
EACH_WAY = [
    *(Colours.JPEG, Colours.PHOTO_CD, Colours.WEBP, Colours.HEIF),
    *(Colours.LIBYUV_601, Colours.SWSCALE_709_LIMITED, Colours.ROUNDED_709_LIMITED),
]
SWSCALE_YUV = [
    (164, 138, 98),
    (193, 115, 119),
    (24, 77, 96),
    (194, 66, 193),
    (121, 60, 84),
    (131, 66, 182),
    (156, 80, 169),
    (81, 196, 175),
    (231, 86, 75),
    (31, 149, 113),
    (80, 162, 146),
    (102, 92, 127),
]
SWSCALE_RGB = {
    Colours.SWSCALE_601: [
        (121, 181, 181),
        (180, 203, 169),
        (0, 63, 0),
        (255, 168, 84),
        (59, 175, 0),
        (206, 113, 21),
        (213, 142, 70),
        (146, 23, 201),
        (156, 255, 156),
        (9, 33, 68),
        (105, 55, 140),
        (100, 114, 38),
    ],
    Colours.SWSCALE_601_LIMITED: [
        (124, 192, 192),
        (191, 218, 179),
        (0, 54, 0),
        (255, 178, 81),
        (51, 183, 0),
        (219, 113, 7),
        (228, 147, 66),
        (150, 9, 212),
        (165, 255, 165),
        (0, 20, 59),
        (102, 45, 142),
        (98, 114, 27),
    ],
    Colours.SWSCALE_709: [
        (116, 176, 182),
        (178, 199, 168),
        (0, 47, 0),
        (255, 174, 78),
        (51, 153, 0),
        (216, 116, 15),
        (220, 144, 66),
        (155, 45, 207),
        (147, 255, 153),
        (7, 34, 69),
        (108, 64, 143),
        (100, 108, 35),
    ],
    Colours.SWSCALE_709_LIMITED: [
        (118, 184, 193),
        (189, 212, 178),
        (0, 36, 0),
        (255, 185, 76),
        (43, 159, 0),
        (229, 117, 2),
        (236, 151, 61),
        (159, 34, 218),
        (154, 255, 161),
        (0, 19, 61),
        (106, 56, 145),
        (98, 107, 23),
    ],
}


def through(samples: np.ndarray, kind: str, **options: int) -> np.ndarray:
    """What a lossy format's decoder makes of samples."""
    file = io.BytesIO()
    PillowImage.fromarray(samples).save(file, kind, **options)
    return np.asarray(PillowImage.open(file).convert("RGB"))


@pytest.fixture(scope="module")
def made(photograph: np.ndarray) -> dict[Colours, np.ndarray]:
    """A photograph of each history, (96, 130, 3)."""
    part = photograph[150:246, 280:410]
    plain = make_other_photograph(part)
    return {colours: to_rgb(to_triples(plain, colours)[0], colours).astype(np.uint8) for colours in MADE} | {
        Colours.NONE: plain,
        Colours.JPEG: through(plain, "jpeg", quality=92),
        Colours.PHOTO_CD: part,
        Colours.WEBP: through(plain, "webp", quality=85),
    }


@pytest.mark.parametrize("colours", [Colours.NONE, *MADE])
def test_what_made_a_picture_is_found(colours: Colours, made: dict[Colours, np.ndarray]) -> None:
    assert find_colours(made[colours])[0] is colours


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow cannot write AVIF")
@pytest.mark.parametrize(("range_", "colours"), [("full", Colours.LIBYUV_601), ("limited", Colours.LIBYUV_601_LIMITED)])
def test_avif_is_found(range_: str, colours: Colours, made: dict[Colours, np.ndarray]) -> None:
    assert find_colours(through(made[Colours.NONE], "avif", quality=90, range=range_)) == (colours, 1.0)


def test_colours_that_video_makes_are_those_of_libswscale() -> None:
    """What FFmpeg 8 made of these Y, Cb, Cr on x86, where chroma is halved."""
    yuv = np.array(SWSCALE_YUV, np.int32) - [0, 128, 128]
    triples = np.stack([yuv[:, 0] + yuv[:, 2], yuv[:, 0], yuv[:, 0] + yuv[:, 1]], -1).astype(np.int32)
    for colours, rgb in SWSCALE_RGB.items():
        assert np.array_equal(to_rgb(triples, colours), rgb)


@pytest.mark.parametrize("colours", MADE)
def test_nearly_every_pixel_has_luma_and_chroma(colours: Colours, made: dict[Colours, np.ndarray]) -> None:
    triples, is_made = to_triples(made[colours], colours)
    assert is_made.mean() > 0.999
    assert np.array_equal(to_rgb(triples, colours)[is_made], made[colours][is_made])


@pytest.mark.parametrize("colours", MADE)
@given(samples=arrays(np.uint8, (5, 4, 3)))
def test_any_samples_are_made_or_known_to_be_exceptions(colours: Colours, samples: np.ndarray) -> None:
    triples, is_made = to_triples(samples, colours)
    assert triples.min() >= 0
    assert triples.max() <= 255
    rgb = to_rgb(triples, colours)
    put_exceptions(rgb, pack_exceptions(samples, is_made))
    assert np.array_equal(rgb, samples)


@pytest.mark.parametrize("colours", MADE)
def test_the_conversion_is_the_one_of_the_format(colours: Colours) -> None:
    triples = np.random.default_rng(1).integers(0, 256, (400, 3)).astype(np.int32)
    expected = [to_rgb_plainly(int(colours), int(g), int(b - g), int(r - g)) for r, g, b in triples]
    assert np.array_equal(to_rgb(triples, colours), expected)


def test_every_luma_and_chroma_of_jpeg_is_found() -> None:
    y, u, v = np.meshgrid(np.arange(0, 256, 5), np.arange(-120, 121, 7), np.arange(-120, 121, 7), indexing="ij")
    triples = np.stack([y + v, y, y + u], -1)
    triples = triples[((triples >= 0) & (triples < 256)).all(-1)].astype(np.int32)
    rgb = to_rgb(triples, Colours.JPEG)
    inside = ((rgb > 0) & (rgb < 255)).all(-1)
    assert to_triples(rgb, Colours.JPEG)[1][inside].all()


@pytest.mark.parametrize("colours", EACH_WAY)
def test_files_of_luma_and_chroma_decode_in_both_decoders(colours: Colours, made: dict[Colours, np.ndarray]) -> None:
    array = made[colours][:40, :50].copy()
    array[3:5, 7] = 1, 254, 3  # which nothing makes
    array[30, 40:] = 255, 255, 254
    data = hpac_cli.encode(array, tile=32)
    assert api.Session().open(io.BytesIO(data)).header.frames[0].parts[0].colours is colours
    assert np.array_equal(hpac_cli.decode(data), array)
    assert np.array_equal(decode(data, weights_folder())[0], array)


@pytest.mark.parametrize("colours", EACH_WAY)
def test_luma_and_chroma_save_a_tenth_at_least(colours: Colours, made: dict[Colours, np.ndarray]) -> None:
    known = len(hpac_cli.encode(made[colours]))
    hidden = made[colours].copy()
    hidden[::2, ::2, 0] ^= 1  # exceptions enough that nothing is found
    assert find_colours(hidden)[0] is Colours.NONE
    assert known < 0.9 * len(hpac_cli.encode(hidden))


def test_a_tile_of_other_origin_is_coded_as_rgb(made: dict[Colours, np.ndarray], photograph: np.ndarray) -> None:
    """A small picture pasted into a large one."""
    array = np.concatenate([photograph[:256, :256], make_other_photograph(photograph[:32, :256])])
    array = np.concatenate([photograph[:512, 256:512], array[224:]])
    data = hpac_cli.encode(array, tile=64)
    reader = api.Session().open(io.BytesIO(data))
    modes = [tile.mode for tile in reader.tiles()]
    assert TileMode.LUMA_CHROMA in modes
    assert TileMode.NETWORK in modes
    assert np.array_equal(hpac_cli.decode(data), array)


def test_a_file_of_luma_and_chroma_says_so(made: dict[Colours, np.ndarray], tmp_path: Path) -> None:
    path = tmp_path / "x.hpac"
    path.write_bytes(hpac_cli.encode(made[Colours.JPEG]))
    facts = api.inspect(str(path))
    assert facts["frames"][0]["parts"][0]["colours"] == "jpeg"


@pytest.mark.parametrize("packed", [b"\x05", b"\x0b\1\2\3", b"\x00\1\2\3\x0a\1\2\3", b"\x80"])
def test_damaged_exceptions_are_refused(packed: bytes) -> None:
    with pytest.raises(ContainerError):
        put_exceptions(np.zeros((2, 5, 3), np.int32), packed)
