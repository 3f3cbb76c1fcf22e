"""The channels that a part is told of: earlier frames' and, of the same frame, those that are decoded before it.

Likeness says which two are worth a trial; the trial says whether one pays, or both.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from hpac_cli.container.fields import MAX_CODED_BITS, MAX_GAIN, REFERENCE_GAIN_BITS, Coding, Frame, Part, Reference

from .efforts import KEYFRAME
from .likeness import Fit, Look, fit, told_by_two
from .trial import Trials

_REMEMBERED = 512
"""Channels of earlier frames that are looked at for likeness, but for those of the last frame: they take 64 MB."""
_LISTED = 128
"""Channels of the same frame that are, of those before a part."""
_LEAST_ALIKE, _LEAST_MORE = 0.01, 0.004
"""Of a part's surprises one reference must tell a larger share to be tried, and a second one so much more."""
_LIKE_ITSELF = 0.3
"""The same channel of another frame is taken as it is, unless its surprises are so much larger or smaller."""
_BYTES = 6
"""What a reference takes in the frame's description."""
_LEAST_GAIN = 0.002
"""The share of a part's bytes that references must save."""
_CROPS = 8


Looks = dict[int, Look]
"""At the channels of a frame that can tell or be told anything, by number."""


class _Seen(NamedTuple):
    number: int
    frame: Frame
    looks: Looks
    needs: frozenset[int]
    """Frames without which it cannot be decoded, itself included."""


class _Candidate(NamedTuple):
    reference: Reference
    look: Look
    fit: Fit
    needs: frozenset[int]


class ReferenceSearch:
    """Remembers the frames of a file, in their order, and finds references for the next one."""

    def __init__(self, keyframe: int = KEYFRAME) -> None:
        """Begin before the first frame.

        Args:
            keyframe: frames that one may need to be decoded, itself included; 1 for no references to other frames.
        """
        self._keyframe = keyframe
        self._seen: deque[_Seen] = deque()
        self._num_looks = 0

    def choose(self, number: int, frame: Frame, looks: Looks, trials: Trials, size: str) -> Frame:
        """Give references to the parts of a frame that are smaller with them.

        Args:
            number: of the frame; those before it were shown to remember.
            frame: planned without references; trials know it.
            looks: at each channel of a part that may have references, or be one.
            size: of the networks that are asked.
        """
        needs: frozenset[int] = frozenset([number])
        parts = list(frame.parts)
        for index, part in enumerate(parts):
            if may_refer(part):
                parts[index], needs = self._choose(number, frame, index, looks, trials, size, needs)
        return replace(frame, parts=tuple(parts))

    def remember(self, number: int, frame: Frame, looks: Looks) -> None:
        """Take note of how a frame will be coded."""
        if not looks:
            return  # nothing refers to it
        told = {number - reference.back for part in frame.parts for reference in part.references} - {number}
        needed = (seen.needs for seen in self._seen if seen.number in told) if told else ()
        self._seen.append(_Seen(number, frame, looks, frozenset([number]).union(*needed)))
        self._num_looks += len(looks)
        while len(self._seen) > 1 and self._num_looks > _REMEMBERED:
            self._num_looks -= len(self._seen.popleft().looks)

    def _choose(
        self,
        number: int,
        frame: Frame,
        index: int,
        looks: Looks,
        trials: Trials,
        size: str,
        needs: frozenset[int],
    ) -> tuple[Part, frozenset[int]]:
        part, (channel,) = frame.parts[index], frame.listed[index]
        ours = looks[channel]
        candidates = [
            candidate
            for candidate in (
                *self._within(frame, index, looks, ours),
                *self._before(number, frame, part, channel, ours, needs),
            )
            if candidate.fit.share > _LEAST_ALIKE and _is_in_range(candidate.reference)
        ]
        if not candidates:
            return part, needs
        best = max(candidates, key=lambda c: c.fit.share)
        tried = [(), (best,)]
        second = self._second(ours, best, candidates, needs)
        if second:
            tried.append((best, second))
        asked = replace(part, weights_digest=trials.digest("grey", size))
        sizes = [
            trials.network_bytes(replace(asked, references=tuple(c.reference for c in told)), [channel], _CROPS)
            + _BYTES * len(told)
            for told in tried
        ]
        told = tried[min(range(len(tried)), key=sizes.__getitem__)]
        if min(sizes) > (1 - _LEAST_GAIN) * sizes[0]:
            return part, needs
        needs = needs.union(*(candidate.needs for candidate in told))
        return replace(part, references=tuple(candidate.reference for candidate in told)), needs

    def _second(
        self, ours: Look, best: _Candidate, candidates: Sequence[_Candidate], needs: frozenset[int]
    ) -> _Candidate | None:
        """The one that tells most beside the best."""
        others = [c for c in candidates if c is not best and len(needs | best.needs | c.needs) <= self._keyframe]
        ranked = sorted(others, key=lambda c: c.fit.share, reverse=True)[:8]
        if not ranked:
            return None
        share, second = max(((told_by_two(ours, best.look, c.look), c) for c in ranked), key=lambda pair: pair[0])
        return second if share > best.fit.share + _LEAST_MORE else None

    def _within(self, frame: Frame, index: int, looks: Looks, ours: Look) -> Iterator[_Candidate]:
        """Channels of the same frame that are decoded before a part."""
        near = slice(max(0, index - _LISTED), index)
        for part, listed in zip(frame.parts[near], frame.listed[near], strict=True):
            for channel in listed if can_tell(part) else ():
                look = looks[channel]
                found = fit(ours, look)
                yield _Candidate(_reference(0, channel, found, ours, look), look, found, frozenset())

    def _before(
        self, number: int, frame: Frame, part: Part, channel: int, ours: Look, needs: frozenset[int]
    ) -> Iterator[_Candidate]:
        """The same channel of earlier frames, as many of which may be needed."""
        for seen in reversed(self._seen):
            other = seen.frame
            if (other.width, other.height, other.tile) != (frame.width, frame.height, frame.tile):
                continue
            if channel >= other.channels or len(needs | seen.needs) > self._keyframe:
                continue
            told = other.parts[other.part_of[channel]]
            if not can_tell(told) or channel not in seen.looks:
                continue
            look = seen.looks[channel]
            found = fit(ours, look)
            reference = _reference(number - seen.number, channel, found, ours, look)
            if abs(math.log(found.ratio or 1)) < _LIKE_ITSELF and _counts_alike(part, told):
                reference = replace(reference, gain=1 << REFERENCE_GAIN_BITS, offset=told.offset - part.offset)
            yield _Candidate(reference, look, found, seen.needs)


def _is_in_range(reference: Reference) -> bool:
    return max(abs(reference.gain), abs(reference.offset)) < MAX_GAIN


def may_refer(part: Part) -> bool:
    """Whether a part can have references."""
    return part.channels == 1 and bool(part.weights_digest)


def can_tell(part: Part) -> bool:
    """Whether others can refer to a part."""
    return part.coding is not Coding.CONSTANT and part.bit_depth <= MAX_CODED_BITS


def _counts_alike(part: Part, other: Part) -> bool:
    """Whether values of both are their samples but for an offset."""
    return not part.table and not other.table and part.whole == other.whole


def _reference(back: int, channel: int, found: Fit, ours: Look, other: Look) -> Reference:
    return Reference(
        back, channel, round(found.gain * (1 << REFERENCE_GAIN_BITS)), round(ours.mean - found.gain * other.mean)
    )
