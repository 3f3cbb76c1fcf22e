"""The hash that closes a file: of the samples of all its frames."""

import hashlib

import numpy as np

from hpac_cli.image import Samples


def hash_samples(frames: tuple[Samples, ...]) -> bytes:
    """SHA-256 of the samples of all frames, (H, W, C) order, little endian."""
    sha = hashlib.sha256()
    for samples in frames:
        sha.update(np.ascontiguousarray(samples, samples.dtype.newbyteorder("<")).view(np.uint8).data)
    return sha.digest()
