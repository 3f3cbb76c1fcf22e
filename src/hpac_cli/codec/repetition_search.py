"""Whether a frame repeats itself far away, so that looking for it pays: some whole tiles, measured with and without."""

from dataclasses import replace

from hpac_cli.container.fields import Frame, Part

from .efforts import Effort
from .parts import role_of
from .tiles import tile_boxes
from .trial import Channels, Trials

_LEAST_SIDE = 96
"""Frames that are smaller have hardly room to repeat."""
_MOST_TILES = 4
"""Tiles that are measured, one out of two at most: crops would be too small."""
_LEAST_GAIN = 0.003
"""Share of a part that must be saved: decoding takes longer, and the networks that try save more than better ones."""


def choose_repeats(frame: Frame, trials: Trials, effort: Effort) -> Frame:
    """Decide which parts' tiles look for far repetition."""
    if not effort.repeats or min(frame.width, frame.height) < _LEAST_SIDE:
        return frame
    parts = (
        replace(part, repeats=_does_repeat(frame, part, channels, trials, effort)) if part.weights_digest else part
        for part, channels in zip(frame.parts, frame.channels_of, strict=True)
    )
    return replace(frame, parts=tuple(parts))


def _does_repeat(frame: Frame, part: Part, channels: Channels, trials: Trials, effort: Effort) -> bool:
    boxes = list(tile_boxes(frame.height, frame.width, frame.tile))
    count = min(_MOST_TILES, (len(boxes) + 1) // 2)
    tried = [boxes[(2 * k + 1) * len(boxes) // (2 * count)] for k in range(count)]
    by_small = replace(part, weights_digest=trials.digest(role_of(part), effort.repeats))
    without, repeating = (
        trials.tile_bits(replace(by_small, repeats=repeats), channels, tried) for repeats in (False, True)
    )
    return repeating < (1 - _LEAST_GAIN) * without
