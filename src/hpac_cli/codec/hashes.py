"""The hash that closes a file: of the samples of all its frames."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from hpac_cli.image import Samples

_PIECE_BYTES = 1 << 20


def hash_samples(frames: tuple[Samples, ...]) -> bytes:
    """SHA-256 of the samples of all frames, (H, W, C) order, little endian; no frame is copied as a whole."""
    sha = hashlib.sha256()
    for samples in frames:
        for piece in _pieces(samples):
            sha.update(piece)
    return sha.digest()


def _pieces(samples: Samples) -> Iterator[Any]:
    """The bytes of one frame, in buffers that follow one another."""
    little = samples.dtype.newbyteorder("<")
    if samples.size and samples.strides[:2] == (0, 0):  # one pixel stands for all (codec.decode)
        pixel = samples[0, 0].astype(little).tobytes()
        count, many = samples.shape[0] * samples.shape[1], max(1, _PIECE_BYTES // len(pixel))
        piece = pixel * min(many, count)
        yield from (piece for _ in range(count // many))
        yield piece[: len(pixel) * (count % many)]
        return
    rows = max(1, _PIECE_BYTES // max(1, samples[:1].nbytes))
    for top in range(0, len(samples), rows):
        yield np.ascontiguousarray(samples[top : top + rows], little).view(np.uint8).data
