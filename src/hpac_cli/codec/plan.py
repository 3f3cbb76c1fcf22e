"""The plan of each frame: parts and their networks, references, orientations, cells, repeats, in turn and by trial."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from hpac_cli.container.fields import Coding, Frame, Part
from hpac_cli.image import Image, Samples

from .cell_search import find_cells
from .efforts import KEYFRAME, Effort
from .likeness import look_at
from .networks import Networks
from .orientation_search import choose_orientations
from .parts import frame_bytes, packed_frame_bytes, plan_apart, plan_together, role_of
from .reference_search import Looks, ReferenceSearch, can_tell, may_refer
from .references import Known, Told
from .repetition_search import choose_repeats
from .threads import AHEAD, Threads
from .tiles import Box, choose_tile
from .trial import FEW, Trials
from .values import to_ordered

_FEW_CHANNELS = 8
"""Frames of more are bands, each coded by itself; in others three may be coded together."""
_HELD_BYTES = 12 << 20
"""Of frames that are planned side by side, for each thread."""
_SMALL = _HELD_BYTES // (2 * AHEAD)
"""Bytes of a frame that is planned beside others, which two streams of jobs hold; of larger ones trials are spread over threads."""


class _Proposal(NamedTuple):
    """A frame that is planned but for its references, in one way or two."""

    number: int
    trials: Trials
    ways: list[Frame]


class Planner:
    """Plans the frames of a file: references one after another, since later ones may refer to earlier ones."""

    def __init__(
        self,
        image: Image,
        *,
        networks: Networks,
        effort: Effort,
        tile: int,
        keyframe: int = KEYFRAME,
        threads: int = 1,
    ) -> None:
        """Begin before the first frame.

        Args:
            image: whose frames are planned.
            effort: which networks may code them, and how much is tried.
            tile: side of tiles that a network codes; 0 for one that suits each file of the image.
            keyframe: frames that one may need to be decoded, itself included.
            threads: to spread trials of one frame over.
        """
        self._images, self._networks, self._effort, self._threads = image.frames, networks, effort, threads
        self._tiles, self._orders = [], []
        for picture in image.pictures:
            count = len(picture.frames)
            self._tiles += [tile or choose_tile(picture.frames)] * count
            self._orders += [picture.order] * count
        self._known, self._search = Known((), image.frames), ReferenceSearch(keyframe)

    def plan_all(self, threads: Threads) -> Iterator[Frame]:
        """Decide how each frame is coded, small ones side by side: only references are found for one after another."""
        numbers = range(len(self._images))
        if not self._are_small:
            yield from (self._finish(self._refer(self._propose(number, self._threads))) for number in numbers)
            return
        proposed = threads.spread(partial(self._propose, threads=1), numbers)  # each has its trials in one thread
        yield from threads.spread(self._finish, map(self._refer, proposed))

    @property
    def _are_small(self) -> bool:
        """Whether there are several frames, of which many can be held at once."""
        return len(self._images) > 1 and max(frame.nbytes for frame in self._images) <= _SMALL

    def estimate(self, number: int) -> float:
        """Estimate the bytes that the next frame takes when it is coded as planned, but not turned, without cells and repeats.

        Args:
            number: 0, 1, 2 and so on.
        """
        frame, trials = self._refer(self._propose(number, self._threads))
        if len(frame.parts) == 1 and frame.parts[0].coding is Coding.BYTES:
            return packed_frame_bytes(frame, trials)
        return frame_bytes(frame, trials, FEW)

    def _trials(self, number: int, threads: int) -> Trials:
        def told(part: Part, box: Box) -> Told:
            return self._known.told(number, part, box)

        samples = self._images[number]
        is_float = samples.dtype.kind == "f"
        return Trials(to_ordered(samples), self._networks, self._effort.size, threads, told, is_float=is_float)

    def _propose(self, number: int, threads: int) -> _Proposal:
        """Decide about parts."""
        samples, trials = self._images[number], self._trials(number, threads)
        channels = samples.shape[2]
        ways = []
        if channels <= _FEW_CHANNELS:
            ways.append(plan_together(samples, trials, self._tiles[number], self._orders[number]))
        if not ways or (_may_be_bands(samples) and ways[0].parts[0].weights_digest):
            ways.append(plan_apart(samples, trials, self._tiles[number]))
        return _Proposal(number, trials, ways)

    def _refer(self, proposal: _Proposal) -> tuple[Frame, Trials]:
        """Decide about references, and which way is best; those of all frames before are known."""
        number, trials, ways = proposal
        planned = [self._with_references(number, frame, trials) for frame in ways]
        sizes = [self._estimate(number, frame, trials) if planned[1:] else 0 for frame, _ in planned]
        frame, looks = planned[min(range(len(planned)), key=sizes.__getitem__)]
        self._known.plan(number, frame)
        self._search.remember(number, frame, looks)
        return frame, trials

    def _finish(self, referred: tuple[Frame, Trials]) -> Frame:
        """Decide about orientations, cells and repeats."""
        frame, trials = referred
        frame = choose_orientations(frame, trials, self._effort)
        return choose_repeats(_choose_cells(frame, trials, self._effort), trials, self._effort)

    def _with_references(self, number: int, frame: Frame, trials: Trials) -> tuple[Frame, Looks]:
        self._known.plan(number, frame)
        if not any(may_refer(part) for part in frame.parts) or (len(self._images) == len(frame.parts) == 1):
            return frame, {}
        whole = Box(0, 0, frame.height, frame.width)
        looks = {
            channel: look_at(self._known.values(number, channel, whole))
            for part, listed in zip(frame.parts, frame.listed, strict=True)
            for channel in (listed if can_tell(part) else ())
        }
        return self._search.choose(number, frame, looks, trials, self._effort.tried_by), looks

    def _estimate(self, number: int, frame: Frame, trials: Trials) -> float:
        self._known.plan(number, frame)
        return frame_bytes(frame, trials, FEW)


def _may_be_bands(samples: Samples) -> bool:
    """Whether channels may be smaller one by one, each told of others: all but RGB of 8 bits, with alpha or without."""
    channels = samples.shape[2]
    return channels > 4 or (channels == 3 and samples.dtype.itemsize > 1)


def _choose_cells(frame: Frame, trials: Trials, effort: Effort) -> Frame:
    """Decide how wide the values of each part are. Small networks tell it as well as large ones."""
    parts = []
    for part, channels in zip(frame.parts, frame.channels_of, strict=True):
        if part.weights_digest:
            network = trials.networks.by_digest(trials.digest(role_of(part), effort.tried_by))
            samples = trials.ordered[..., channels]
            cells = find_cells(samples, network, part, one_in=effort.cells_one_in, threads=trials.threads)
            part = replace(part, cells=cells)
        parts.append(part)
    return replace(frame, parts=tuple(parts))
