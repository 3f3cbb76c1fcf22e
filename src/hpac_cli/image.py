"""What is an image? Samples, plus all its file needs to come back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Image:
    """An image as the codec sees it."""

    samples: NDArray[np.uint8]
    """(H, W, C), C from 1 to 4."""
    bit_depth: int
    kind: str
    """Where it came from: a key of images.READERS, or "array"."""
    skeleton: bytes = b""
    """What that kind of file needs beside the samples; opaque to the codec."""

    def equals(self, other: "Image") -> bool:
        """Whether samples and everything around them are the same."""
        return (self.kind, self.bit_depth, self.skeleton) == (
            other.kind,
            other.bit_depth,
            other.skeleton,
        ) and np.array_equal(self.samples, other.samples)
