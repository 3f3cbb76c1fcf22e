"""Luma and chroma of 8 bits that RGB was made from: found, and made into exactly that RGB again.

Pictures decoded from JPEG, WebP, AVIF, HEIF, video or a PhotoCD hold few of the RGB triples that there are: those
that some luma and chroma give. Coding these instead costs two to three bits a pixel less, and chroma that
was interpolated can be seen to be. A triple is written as (Y + V, Y, Y + U), U and V the signed
chroma of blue and red, so that the planes that are coded (training.planes) are Y, V and U.
Pixels that nothing gives are exceptions, written beside. Source: docs/format.md, "Colours".
"""

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpac_cli.binary import Fields, put_varint
from hpac_cli.container.fields import Colours
from hpac_cli.errors import ContainerError

Whole = NDArray[np.int32]


_Rgb = tuple[Whole, Whole, Whole]
_ToRgb = Callable[[Whole, Whole, Whole], _Rgb]
"""(Y, U, V) to R, G, B before they are clipped to 8 bits."""


class _Matrix(NamedTuple):
    """Factors of an integer conversion: of luma, then of chroma by what it goes to."""

    luma: int
    red_v: int
    green_u: int
    green_v: int
    blue_u: int


def _rounded(bits: int, black: int, m: _Matrix) -> _ToRgb:
    """Convert as most decoders do, rounding each sum once."""

    def to_rgb(y: Whole, u: Whole, v: Whole) -> _Rgb:
        luma = m.luma * (y - black) + (1 << bits >> 1)
        red, green, blue = m.red_v * v, m.green_u * u + m.green_v * v, m.blue_u * u
        return luma + red >> bits, luma + green >> bits, luma + blue >> bits

    return to_rgb


def _libyuv(added: int, m: _Matrix) -> _ToRgb:
    """Convert as libyuv does, and with it browsers, Android and libavif: luma is cut to 1/64 first."""

    def to_rgb(y: Whole, u: Whole, v: Whole) -> _Rgb:
        luma = (257 * m.luma * y >> 16) + added
        return luma + m.red_v * v >> 6, luma + m.green_u * u + m.green_v * v >> 6, luma + m.blue_u * u >> 6

    return to_rgb


def _swscale(black: int, m: _Matrix) -> _ToRgb:
    """Convert as FFmpeg's libswscale does where chroma is halved: every product is cut to a whole number."""

    def to_rgb(y: Whole, u: Whole, v: Whole) -> _Rgb:
        luma = m.luma * (y - black) >> 13
        green = luma + (m.green_u * u >> 13) + (m.green_v * v >> 13)
        return luma + (m.red_v * v >> 13), green, luma + (m.blue_u * u >> 13)

    return to_rgb


def _photo_cd(y: Whole, u: Whole, v: Whole) -> _Rgb:
    """Convert PhotoYCC for displays with the primaries of ITU-R BT.709."""
    luma, blue, red = 13584 * y, 22179 * u, 18215 * v
    green = luma - 1940 * (blue // 10000) - 5090 * (red // 10000)
    return (luma + red) // 10000, green // 10000, (luma + blue) // 10000


def _webp(y: Whole, u: Whole, v: Whole) -> _Rgb:
    """Convert ITU-R BT.601 of limited range, in the fixed point of libwebp."""
    luma, u, v = 19077 * y >> 8, u + 128, v + 128
    red, blue = luma + (26149 * v >> 8) - 14234, luma + (33050 * u >> 8) - 17685
    green = luma - (6419 * u >> 8) - (13320 * v >> 8) + 8708
    return red >> 6, green >> 6, blue >> 6


class _Conversion(NamedTuple):
    """One way from luma and chroma to RGB."""

    to_rgb: _ToRgb
    matrix: NDArray[np.float64]
    """About the same, as rows of factors of Y, U, V: where to look for them."""
    constant: NDArray[np.float64]
    """What is about added to R, G, B."""


def _about(to_rgb: _ToRgb) -> _Conversion:
    """Tell what a conversion is about: its slopes, and the mean of what they leave."""
    # within what 32 bits hold: twice the largest values
    far, steps = 256, np.array([*np.eye(3, dtype=np.int32), np.zeros(3, np.int32)])
    ends = np.stack(to_rgb(*far * steps.T), -1)
    matrix = (ends[:3] - ends[3]).T / far
    grid = np.meshgrid(np.arange(20, 236, 5), np.arange(-60, 61, 7), np.arange(-60, 61, 7))
    values = np.stack(grid, -1).reshape(-1, 3).astype(np.int32)
    left = np.stack(to_rgb(*values.T), -1) - values @ matrix.T
    return _Conversion(to_rgb, matrix, left.mean(0))


_CONVERSIONS = {
    colours: _about(to_rgb)
    for colours, to_rgb in {
        # ITU-T T.871 (JFIF), in the fixed point of the Independent JPEG Group's decoder
        Colours.JPEG: _rounded(16, 0, _Matrix(65536, 91881, -22554, -46802, 116130)),
        Colours.PHOTO_CD: _photo_cd,
        Colours.WEBP: _webp,
        # libheif, where chroma is halved; where it is not, its RGB is JPEG's
        Colours.HEIF: _rounded(8, 0, _Matrix(256, 359, -88, -183, 454)),
        # ITU-R BT.601 and BT.709 of full and of limited range
        Colours.LIBYUV_601: _libyuv(32, _Matrix(16320, 90, -22, -46, 113)),
        Colours.LIBYUV_601_LIMITED: _libyuv(-1160, _Matrix(18997, 102, -25, -52, 128)),
        Colours.LIBYUV_709: _libyuv(32, _Matrix(16320, 101, -12, -30, 119)),
        Colours.LIBYUV_709_LIMITED: _libyuv(-1160, _Matrix(18997, 115, -14, -34, 128)),
        Colours.SWSCALE_601: _swscale(0, _Matrix(8192, 11485, -2819, -5850, 14516)),
        Colours.SWSCALE_601_LIMITED: _swscale(16, _Matrix(9539, 13075, -3209, -6660, 16525)),
        Colours.SWSCALE_709: _swscale(0, _Matrix(8192, 12901, -1534, -3835, 15201)),
        Colours.SWSCALE_709_LIMITED: _swscale(16, _Matrix(9539, 14686, -1747, -4366, 17305)),
        # libswscale where chroma is not halved, and about what any precise decoder gives
        Colours.ROUNDED_601_LIMITED: _rounded(13, 16, _Matrix(9539, 13075, -3209, -6660, 16525)),
        Colours.ROUNDED_709: _rounded(13, 0, _Matrix(8192, 12901, -1534, -3835, 15201)),
        Colours.ROUNDED_709_LIMITED: _rounded(13, 16, _Matrix(9539, 14686, -1747, -4366, 17305)),
    }.items()
}

_NEARBY = sorted(itertools.product((0, -1, 1), repeat=3), key=lambda step: sum(map(abs, step)))
_BEYOND = (1, 2, 3, 4, 6, 8, 11, 14, 18, 23, 29, 36, 45, 56, 70)
"""How far beyond 0 and 255 clipped samples are looked for."""

_LOOK_AT = 1 << 12
"""Pixels that are enough to tell which conversion made a picture."""
_ENOUGH, _FEW = 256, 512
"""Colours without which nothing can be told, and those that tell which conversions are worth all of them."""
_LIKELY, _MOST, NEARLY_ALL = 0.7, 0.85, 0.98
"""Shares of colours from which on a conversion is looked at closer, luma and chroma may save more than exceptions
cost, and surely do."""


def to_rgb(triples: Whole, colours: Colours) -> Whole:
    """Make RGB.

    Args:
        triples: (..., 3) int32: Y + V, Y, Y + U.

    Returns:
        (..., 3) int32, 0 to 255.
    """
    luma = triples[..., 1]
    rgb = _CONVERSIONS[colours].to_rgb(luma, triples[..., 2] - luma, triples[..., 0] - luma)
    return np.clip(np.stack(rgb, -1), 0, 255).astype(np.int32)


def to_triples(rgb: NDArray[Any], colours: Colours) -> tuple[Whole, NDArray[np.bool_]]:
    """Find the luma and chroma of RGB samples.

    Args:
        rgb: (..., 3) integers, 0 to 255.

    Returns:
        (..., 3) int32 triples in 0 to 255, near ones where nothing gives the sample; and whether
        to_rgb makes the sample of it, (...).
    """
    packed = rgb[..., 0].astype(np.int32) << 16 | rgb[..., 1].astype(np.int32) << 8 | rgb[..., 2]
    used, place = np.unique(packed, return_inverse=True)
    wanted = np.stack([used >> 16, used >> 8 & 255, used & 255], -1).astype(np.int32)
    triples, is_found = _find(wanted, colours)
    place = place.reshape(rgb.shape[:-1])
    return triples[place], is_found[place]


def find_colours(rgb: NDArray[Any]) -> tuple[Colours, float]:
    """Tell from some of its pixels what made a picture's RGB.

    Args:
        rgb: (H, W, 3) integers, 0 to 255.

    Returns:
        What gives most of the colours looked at, grey and clipped ones left out, and the share of those
        that it gives; NONE if nothing does, or if there are too few to tell.
    """
    step = max(1, math.isqrt(rgb.size // (3 * _LOOK_AT)))
    pixels = np.unique(rgb[::step, ::step].reshape(-1, 3).astype(np.int32), axis=0)
    pixels = pixels[((pixels > 0) & (pixels < 255)).all(1) & (np.ptp(pixels, axis=1) > 0)]
    if len(pixels) < _ENOUGH:
        return Colours.NONE, 0.0
    few = pixels[:: math.ceil(len(pixels) / _FEW)]
    shares = {c: _share(pixels, c) for c in _CONVERSIONS if _share(few, c) >= _LIKELY}
    best = max(shares, key=lambda colours: shares[colours], default=Colours.NONE)
    return (best, shares[best]) if shares.get(best, 0.0) >= _MOST else (Colours.NONE, 0.0)


def _share(colours_met: Whole, colours: Colours) -> float:
    return float(_try(colours_met, colours_met[None], _NEARBY[:7], colours)[1].mean())


def _find(wanted: Whole, colours: Colours) -> tuple[Whole, NDArray[np.bool_]]:
    """Triples for colours (N, 3), and whether to_rgb makes these of them, (N,)."""
    triples, is_found = _try(wanted, wanted[None], _NEARBY[:1], colours)
    clipped = [side * (wanted == edge) for side, edge in ((-1, 0), (1, 255))]
    beyond = np.stack([wanted + far * side for far in _BEYOND for side in clipped])
    for instead, steps in ((wanted[None], _NEARBY[1:]), (beyond, _NEARBY[:7])):
        left = np.flatnonzero(~is_found)
        if not len(left):
            break
        triples[left], is_found[left] = _try(wanted[left], instead[:, left], steps, colours)
    return triples, is_found


def _try(
    wanted: Whole, instead: Whole, steps: list[tuple[int, ...]], colours: Colours
) -> tuple[Whole, NDArray[np.bool_]]:
    """Try what about gives any of the colours `instead`, (K, N, 3), and steps away from it; take the first."""
    conversion = _CONVERSIONS[colours]
    inverse = np.linalg.inv(conversion.matrix).T
    found = np.rint((instead - conversion.constant) @ inverse)[:, None] + np.array(steps)[:, None]
    luma, blue, red = np.moveaxis(found.reshape(-1, len(wanted), 3), -1, 0)
    triples = np.clip(np.stack([luma + red, luma, luma + blue], -1), 0, 255).astype(np.int32)
    right = (to_rgb(triples, colours) == wanted).all(-1)
    first = right.argmax(0)
    each = np.arange(len(wanted))
    return triples[first, each], right[first, each]


def pack_exceptions(rgb: NDArray[Any], is_made: NDArray[np.bool_]) -> bytes:
    """Write the samples of pixels that to_rgb does not make: for each the pixels since the last, and R, G, B."""
    out, last = bytearray(), -1
    samples = rgb.reshape(-1, 3)
    for place in np.flatnonzero(~is_made).tolist():
        out += put_varint(place - last - 1) + bytes(samples[place].tolist())
        last = place
    return bytes(out)


def put_exceptions(rgb: Whole, packed: bytes) -> None:
    """Undo pack_exceptions: write the samples into (H, W, 3) rgb.

    Raises:
        ContainerError: damaged.
    """
    samples = rgb.reshape(-1, 3)
    fields, place = Fields(packed, ContainerError, "a tile's exceptions"), -1
    while not fields.at_end:
        place += fields.varint() + 1
        if place >= len(samples):
            raise ContainerError("an exception is beyond its tile")
        samples[place] = np.frombuffer(fields.take(3), np.uint8)
