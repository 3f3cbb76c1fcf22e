"""How long coding will take, estimated before it begins: from pixels, and rates that are measured in some milliseconds."""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from hpac_cli.container.fields import MAX_CODED_BITS, Coding, Frame, Part
from hpac_cli.image import Image, Samples, kind_of_sample

from .efforts import Effort
from .networks import Network, Networks
from .tiles import choose_tile
from .whole import estimate_whole, size_of_whole

_SIDE = 64
"""Of the tile that is coded to measure a rate, and of crops that a trial codes, in pixels."""
_PLANNING_CROPS = 32
"""Crops of each frame that are coded to choose its networks and values, about."""
_TURNING_CROPS = 7
"""Crops that are coded for each of an effort's: four orientations, and some of them again."""
_PASSES_TO_ADAPT = 2
"""How often an image is coded while weights are adapted to it, beside the training."""


class _Seconds(NamedTuple):
    """Processor time of encoding and decoding, of a pixel by a network or of a byte by a general coder."""

    encode: float
    decode: float


_PACKED = _Seconds(6e-7, 3e-8)
"""A byte that LZMA or WebP packs."""
_STORED = _Seconds(1e-8, 5e-9)
"""A byte that is compressed already, or the same as all others."""


class Rates:
    """Rates of this machine, each measured when it is first needed."""

    def __init__(self, networks: Networks) -> None:
        """Begin with none."""
        self._networks = networks
        self._known: dict[tuple[bytes, bool], _Seconds] = {}

    def decoding(self, frames: Iterable[Frame]) -> float:
        """Estimate the processor seconds that decoding frames takes."""
        return sum(self._of_part(part, frame).decode for frame in frames for part in frame.parts)

    def encoding(self, image: Image, effort: Effort, *, verify: bool) -> float:
        """Estimate the processor seconds that encoding an image takes, and decoding it again if it is verified.

        Training is not counted, where weights are adapted, but coding the image for it is.
        """
        if image.members:
            return sum(self.encoding(picture, effort, verify=verify) for picture in image.pictures)
        if not image.frames:
            size = size_of_whole(image)
            rate = _STORED if estimate_whole(image) > 0.98 * size else _PACKED
            return size * (rate.encode + verify * rate.decode)
        tile = choose_tile(image.frames)
        frames = [self._guess(frame, tile, effort.size) for frame in image.frames]
        passes = 1 if effort.adapt == "off" else 1 + _PASSES_TO_ADAPT
        coding = passes * sum(self._of_part(part, frame).encode for frame in frames for part in frame.parts)
        trials = sum(self._of_trials(frame, tile, effort) for frame in image.frames)
        return coding + trials + (self.decoding(frames) if verify else 0)

    def _of_trials(self, samples: Samples, tile: int, effort: Effort) -> float:
        """Processor seconds of planning a frame: crops of it are coded in several ways, but for what no network codes."""
        height, width, _ = samples.shape
        seconds = 0.0
        for crops, size in (_PLANNING_CROPS, effort.size), (_TURNING_CROPS * effort.crops, effort.tried_by):
            frame = self._guess(samples, tile, size)
            share = min(1.0, crops * _SIDE**2 / (height * width))
            seconds += share * sum(self._of_part(p, frame).encode for p in frame.parts if p.weights_digest)
        return seconds

    def _guess(self, samples: Samples, tile: int, size: str) -> Frame:
        """A frame as it is coded at the slowest by networks of a size, but for far repetition, which few pictures have."""
        height, width, channels = samples.shape
        bits = 8 * samples.dtype.itemsize
        if bits > MAX_CODED_BITS:
            parts: tuple[Part, ...] = (Part(channels, bits),)
        else:
            triples, singles = divmod(channels, 3)
            parts = (Part(3, bits, self._digest("rgb", size)),) * triples if triples else ()
            parts += (Part(1, bits, self._digest("grey", size)),) * singles if singles else ()
        return Frame(width, height, kind_of_sample(samples.dtype), tile, parts)

    def _digest(self, role: str, size: str) -> bytes:
        return self._networks.latest(role, size)

    def _of_part(self, part: Part, frame: Frame) -> _Seconds:
        """Of all pixels of a part."""
        pixels, size = frame.width * frame.height, frame.num_bytes * part.channels // frame.channels
        if part.coding in (Coding.CONSTANT, Coding.BYTES):
            rate = _STORED if part.coding is Coding.CONSTANT else _PACKED
            return _Seconds(size * rate.encode, size * rate.decode)
        rate = self._of_network(part.weights_digest, repeats=part.repeats)
        return _Seconds(pixels * rate.encode, pixels * rate.decode)

    def _of_network(self, digest: bytes, *, repeats: bool) -> _Seconds:
        key = digest, repeats
        if key not in self._known:
            self._known[key] = _measure(self._networks.by_digest(digest), repeats=repeats)
        return self._known[key]


def _measure(network: Network, *, repeats: bool) -> _Seconds:
    planes = network.coder.planes
    rows, columns, _ = np.indices((_SIDE, _SIDE, planes))
    samples = (rows + columns + np.random.default_rng(0).integers(0, 9, rows.shape)).astype(np.int32)
    words = network.coder.encode(samples, 8, repeats=repeats)
    return _Seconds(
        _time(lambda: network.coder.encode(samples, 8, repeats=repeats)) / _SIDE**2,
        _time(lambda: network.coder.decode(words, _SIDE, _SIDE, 8, repeats=repeats)) / _SIDE**2,
    )


def _time(work: Callable[[], object]) -> float:
    """Processor seconds that it takes, at the second time."""
    work()
    start = time.thread_time()
    work()
    return time.thread_time() - start
