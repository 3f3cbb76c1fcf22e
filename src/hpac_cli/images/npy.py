"""Arrays and .npy files: what images become that came from the Python API, and files of their own.

Source: NumPy Enhancement Proposal 1 (versions 1 to 3 of the format).
"""

import io
import math
import re
from typing import Any, NamedTuple

import numpy as np

from hpac_cli.errors import InputError
from hpac_cli.image import Image, RawSamples, Samples, keep_whole
from hpac_cli.kept import Kept
from hpac_cli.limits import Limits

from . import splice
from .raw import cut_frames
from .source import FileBytes, Source

BIG_ENDIAN = b">"
"""The envelope of an array whose numbers had their high bytes first."""
KINDS = {2: "array2d", 3: "array", 4: "arrays"}
"""By number of dimensions: (H, W), (H, W, C), (N, H, W, C)."""

_MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    rb"\{'descr': '([<>|])([uifb])([1248])', 'fortran_order': (True|False), 'shape': \((\d[\d, ]*)\),? *\} *\n"
)
_NO_TYPES = ("f1", "b2", "b4", "b8")
_MOST_AXES = 16
_MOST_CHANNELS = 4
"""The last of three or more dimensions is taken for channels if it is no larger."""


class _Header(NamedTuple):
    size: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def raw(self) -> RawSamples:
        """How the numbers of one frame lie."""
        *_, height, width, channels = self.shape if self._has_channels else (*self.shape, 1)
        kind, bits = self.dtype.kind.replace("b", "u"), 8 * self.dtype.itemsize
        return RawSamples(width, height, channels, bits, kind, self.dtype.newbyteorder("<") == self.dtype)

    @property
    def frames(self) -> int:
        """What the axes before rows and columns count."""
        return math.prod(self.shape[: -3 if self._has_channels else -2])

    @property
    def _has_channels(self) -> bool:
        return len(self.shape) > 2 and self.shape[-1] <= _MOST_CHANNELS


def is_npy(data: bytes) -> bool:
    """Whether the data begins as .npy files do."""
    return data.startswith(_MAGIC)


def read(file: Source, limits: Limits) -> Image:
    """Read a .npy file of two dimensions or more; those before rows and columns count frames.

    Raises:
        InputError: damaged.
        LimitExceededError: larger than limits allow.
    """
    header = _parse_header(file)
    if header is None:
        return keep_whole(file.stream, "npy", Kept.LAYOUT)
    needed, present = header.frames * header.raw.frame_bytes, len(file) - header.size
    if needed > present:
        raise InputError(f".npy truncated: its numbers need {needed:,} bytes, {present:,} are present")
    return splice.cut("npy", file, cut_frames(header.raw, header.frames, header.size, limits))


def _parse_header(data: FileBytes) -> _Header | None:
    """None where numbers lie in a way that is not taken: of other types, in Fortran's order, of one dimension."""
    wide = data[6:7] != b"\x01"
    start = 12 if wide else 10
    size = start + int.from_bytes(data[8:start], "little")
    found = _HEADER.fullmatch(data[start:size])
    if found is None or found[4] == b"True":
        return None
    order, kind, itemsize = (found[number].decode() for number in (1, 2, 3))
    shape = tuple(int(number) for number in found[5].replace(b" ", b"").split(b",") if number)
    if not 2 <= len(shape) <= _MOST_AXES or 0 in shape or kind + itemsize in _NO_TYPES:
        return None
    return _Header(size, np.dtype(order + kind + itemsize), shape)


def _parse_array(data: bytes) -> Samples:
    """The array in a .npy file.

    Raises:
        InputError: damaged.
    """
    header = _parse_header(data)
    if header is None or len(data) - header.size < math.prod(header.shape) * header.dtype.itemsize:
        raise InputError("the stored .npy header does not fit the samples")
    return np.frombuffer(data, header.dtype, math.prod(header.shape), header.size).reshape(header.shape)


def to_array(image: Image) -> Samples:
    """Give the samples the shape and byte order that the array had that was encoded, or is in the .npy file.

    Other images become (H, W, C) or, with several frames of one shape and type, (N, H, W, C).

    Raises:
        ValueError: no frames, or frames that differ in shape or type.
    """
    if image.kind == "npy" and image.frames:
        return _parse_array(b"".join(splice.write(image)))
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
