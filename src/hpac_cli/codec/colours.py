"""Was this RGB made from luma and chroma of 8 bits? Find them, and make exactly that RGB again.

Pictures decoded from JPEG, WebP or a PhotoCD hold few of the RGB triples that there are: those that
some luma and chroma give. Coding these instead costs two to three bits a pixel less, and chroma that
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


class _Conversion(NamedTuple):
    """One way from luma and chroma to RGB."""

    to_rgb: Callable[[Whole, Whole, Whole], tuple[Whole, Whole, Whole]]
    """(Y, U, V) to R, G, B before they are clipped to 8 bits."""
    matrix: tuple[tuple[float, float, float], ...]
    """About the same, as rows of factors of Y, U, V: where to look for them."""
    constant: tuple[float, float, float]
    """What is added to R, G, B, and half of what rounding takes away."""


def _jpeg(y: Whole, u: Whole, v: Whole) -> tuple[Whole, Whole, Whole]:
    half = 1 << 15
    return y + (91881 * v + half >> 16), y + (-22554 * u - 46802 * v + half >> 16), y + (116130 * u + half >> 16)


def _photo_cd(y: Whole, u: Whole, v: Whole) -> tuple[Whole, Whole, Whole]:
    luma, blue, red = 13584 * y, 22179 * u, 18215 * v
    green = luma - 1940 * (blue // 10000) - 5090 * (red // 10000)
    return (luma + red) // 10000, green // 10000, (luma + blue) // 10000


def _webp(y: Whole, u: Whole, v: Whole) -> tuple[Whole, Whole, Whole]:
    luma, u, v = 19077 * y >> 8, u + 128, v + 128
    red, blue = luma + (26149 * v >> 8) - 14234, luma + (33050 * u >> 8) - 17685
    green = luma - (6419 * u >> 8) - (13320 * v >> 8) + 8708
    return red >> 6, green >> 6, blue >> 6


_CONVERSIONS = {
    # ITU-T T.871 (JFIF), in the fixed point of the Independent JPEG Group's decoder
    Colours.JPEG: _Conversion(_jpeg, ((1, 0, 1.402), (1, -0.344136, -0.714136), (1, 1.772, 0)), (0, 0, 0)),
    # Kodak, PhotoYCC, for displays with the primaries of ITU-R BT.709
    Colours.PHOTO_CD: _Conversion(
        _photo_cd, ((1.3584, 0, 1.8215), (1.3584, -0.4303, -0.9271), (1.3584, 2.2179, 0)), (-0.5, -0.15, -0.5)
    ),
    # ITU-R BT.601 of limited range, in the fixed point of libwebp's decoder
    Colours.WEBP: _Conversion(
        _webp, ((1.1644, 0, 1.596), (1.1644, -0.3918, -0.813), (1.1644, 2.0172, 0)), (-19.1, -19.1, -19.1)
    ),
}

_NEARBY = sorted(itertools.product((0, -1, 1), repeat=3), key=lambda step: sum(map(abs, step)))
_BEYOND = (1, 2, 3, 4, 6, 8, 11, 14, 18, 23, 29, 36, 45, 56, 70)
"""How far beyond 0 and 255 clipped samples are looked for."""

_LOOK_AT = 1 << 12
"""Pixels that are enough to tell which conversion made a picture."""
_ENOUGH = 256
"""Colours without which nothing can be told."""
_MOST, NEARLY_ALL = 0.85, 0.98
"""Shares of colours from which on luma and chroma may save more than exceptions cost, and surely do."""


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
    shares = {c: float(_try(pixels, pixels[None], _NEARBY[:7], c)[1].mean()) for c in _CONVERSIONS}
    best = max(shares, key=lambda colours: shares[colours])
    return (best, shares[best]) if shares[best] >= _MOST else (Colours.NONE, 0.0)


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
    inverse = np.linalg.inv(np.array(conversion.matrix)).T
    found = np.rint((instead - np.array(conversion.constant)) @ inverse)[:, None] + np.array(steps)[:, None]
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
