"""Arrays as .npy files: what images become that came from the Python API."""

import io

import numpy as np

from hpac_cli.image import Image, Samples

BIG_ENDIAN = b">"
"""The envelope of an array whose numbers had their high bytes first."""
KINDS = {2: "array2d", 3: "array", 4: "arrays"}
"""By number of dimensions: (H, W), (H, W, C), (N, H, W, C)."""


def to_array(image: Image) -> Samples:
    """Give the samples the shape and byte order that the encoded array had: (H, W), (H, W, C) or (N, H, W, C).

    Other images become (H, W, C) or, with several frames of one shape and type, (N, H, W, C).

    Raises:
        ValueError: no frames, or frames that differ in shape or type.
    """
    samples = _join(image)
    big = image.kind in KINDS.values() and image.envelope == BIG_ENDIAN
    return samples.astype(samples.dtype.newbyteorder(">")) if big else samples


def _join(image: Image) -> Samples:
    if not image.frames:
        raise ValueError("there are no samples")
    if image.kind == "array2d":
        return image.frames[0][..., 0]
    if len(image.frames) == 1 and image.kind != "arrays":
        return image.frames[0]
    if len({(frame.shape, frame.dtype) for frame in image.frames}) > 1:
        raise ValueError("frames differ in shape or type")
    return np.stack(image.frames)


def from_array(array: Samples) -> Image:
    """Take an array of 2 to 4 dimensions as an image; which way round the bytes of its numbers are is remembered."""
    big = array.dtype.newbyteorder("<") != array.dtype
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if array.ndim == 2:
        frames: tuple[Samples, ...] = (array[..., None],)
    else:
        frames = (array,) if array.ndim == 3 else tuple(array)
    return Image(frames, KINDS[array.ndim], BIG_ENDIAN if big else b"")


def write(image: Image) -> bytes:
    """Write the samples as .npy (format 1.0)."""
    file = io.BytesIO()
    np.save(file, to_array(image), allow_pickle=False)
    return file.getvalue()
