"""The way round that a part's tiles are coded: the one that codes some crops of them smallest."""

import math
from dataclasses import replace

import numpy as np

from hpac_cli.container.fields import Frame, Part

from .efforts import Effort
from .parts import role_of
from .trial import Channels, Trials
from .turning import TRANSPOSED, UPSIDE_DOWN

_LEAST_TURNED = 1 << 16
"""Pixels of the smallest frames whose tiles are turned; in smaller ones trials take longer than the coding."""
_TURNS = (0, UPSIDE_DOWN, TRANSPOSED, UPSIDE_DOWN | TRANSPOSED)
"""Orientations that are tried. Turning by half a circle changes next to nothing, so the other four are like these."""


def choose_orientations(frame: Frame, trials: Trials, effort: Effort) -> Frame:
    """Decide how each part's tiles are turned."""
    pixels = frame.width * frame.height
    if pixels < _LEAST_TURNED or not effort.crops:
        return frame
    crops = max(effort.crops if pixels >= 1 << 18 else effort.crops // 2, math.isqrt(pixels) // 256)
    parts = (
        _choose_orientation(part, channels, trials, crops, effort.tried_by) if part.weights_digest else part
        for part, channels in zip(frame.parts, frame.channels_of, strict=True)
    )
    return replace(frame, parts=tuple(parts))


def _choose_orientation(part: Part, channels: Channels, trials: Trials, crops: int, size: str) -> Part:
    """Try all orientations by some crops, then the better half by as many more.

    Tiles stay upright unless the crops gain more by turning than the standard error of that gain.
    """
    tried = replace(part, weights_digest=trials.digest(role_of(part), size))
    bits = trials.turned_bits(tried, _TURNS, channels, 2 * crops, slice(0, None, 2))
    better = bits.sum(axis=1).argsort(kind="stable")[: len(_TURNS) // 2]
    rivals = [0, *(int(i) for i in better if i)]
    more = trials.turned_bits(tried, [_TURNS[i] for i in rivals], channels, 2 * crops, slice(1, None, 2))
    bits = np.hstack([bits[rivals], more])
    gains = bits[0] - bits
    best = int(gains.sum(axis=1).argmax())
    error = math.sqrt(2 * crops) * gains[best].std(ddof=1)
    return replace(part, orientation=_TURNS[rivals[best]]) if gains[best].sum() > error else part
