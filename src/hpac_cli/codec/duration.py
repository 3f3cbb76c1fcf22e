"""How long coding will take, estimated before it begins: from pixels, and rates that are measured in some milliseconds."""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from hpac_cli.container.fields import MAX_CODED_BITS, Coding, Frame, Part
from hpac_cli.image import Image, Samples, kind_of_sample

from .networks import Network, Networks
from .tiles import choose_tile
from .whole import estimate_whole, size_of_whole

_SIDE = 64
"""Of the tile that is coded to measure a rate, in pixels."""
_TRIALS = 1.4
"""What planning a frame makes of the time that coding its tiles takes."""


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
        self._known: dict[bytes, _Seconds] = {}

    def decoding(self, frames: Iterable[Frame]) -> float:
        """Estimate the processor seconds that decoding frames takes."""
        return sum(self._of_part(part, frame).decode for frame in frames for part in frame.parts)

    def encoding(self, image: Image, *, verify: bool) -> float:
        """Estimate the processor seconds that encoding an image takes, and decoding it again if it is verified."""
        if not image.frames:
            size = size_of_whole(image)
            rate = _STORED if estimate_whole(image) > 0.98 * size else _PACKED
            return size * (rate.encode + verify * rate.decode)
        tile = choose_tile(image.frames)
        frames = [self._guess(frame, tile) for frame in image.frames]
        coded = sum(self._of_part(part, frame).encode for frame in frames for part in frame.parts)
        return _TRIALS * coded + (self.decoding(frames) if verify else 0)

    def _guess(self, samples: Samples, tile: int) -> Frame:
        """A frame as it is coded at the slowest."""
        height, width, channels = samples.shape
        bits = 8 * samples.dtype.itemsize
        if bits > MAX_CODED_BITS:
            parts: tuple[Part, ...] = (Part(channels, bits),)
        else:
            triples, singles = divmod(channels, 3)
            rgb, grey = self._networks.digest("rgb"), self._networks.digest("grey")
            parts = (Part(3, bits, rgb),) * triples + (Part(1, bits, grey),) * singles
        return Frame(width, height, kind_of_sample(samples.dtype), tile, parts)

    def _of_part(self, part: Part, frame: Frame) -> _Seconds:
        """Of all pixels of a part."""
        pixels, size = frame.width * frame.height, frame.num_bytes * part.channels // frame.channels
        if part.coding in (Coding.CONSTANT, Coding.BYTES):
            rate = _STORED if part.coding is Coding.CONSTANT else _PACKED
            return _Seconds(size * rate.encode, size * rate.decode)
        rate = self._of_network(part.weights_digest)
        return _Seconds(pixels * rate.encode, pixels * rate.decode)

    def _of_network(self, digest: bytes) -> _Seconds:
        if digest not in self._known:
            self._known[digest] = _measure(self._networks.by_digest(digest))
        return self._known[digest]


def _measure(network: Network) -> _Seconds:
    planes = network.coder.planes
    rows, columns, _ = np.indices((_SIDE, _SIDE, planes))
    samples = (rows + columns + np.random.default_rng(0).integers(0, 9, rows.shape)).astype(np.int32)
    words = network.coder.encode(samples, 8)
    return _Seconds(
        _time(lambda: network.coder.encode(samples, 8)) / _SIDE**2,
        _time(lambda: network.coder.decode(words, _SIDE, _SIDE, 8)) / _SIDE**2,
    )


def _time(work: Callable[[], object]) -> float:
    """Processor seconds that it takes, at the second time."""
    work()
    start = time.thread_time()
    work()
    return time.thread_time() - start
