"""Arrays as .npy files: what images become that came from the Python API."""

import io

import numpy as np
from numpy.typing import NDArray

from hpac_cli.image import Image


def to_array(image: Image) -> NDArray[np.uint8]:
    """Give the samples the shape that the encoded array had: (H, W) or (H, W, C)."""
    return image.samples[..., 0] if image.kind == "array2d" else image.samples


def write(image: Image) -> bytes:
    """Write the samples as .npy (format 1.0)."""
    file = io.BytesIO()
    np.save(file, to_array(image), allow_pickle=False)
    return file.getvalue()
