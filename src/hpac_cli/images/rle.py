"""DICOM's run length encoding of one frame.

Source: DICOM PS3.5, annex G.
"""

import struct

import numpy as np
from numpy.typing import NDArray

from hpac_cli.errors import InputError

from .packbits import pack_rows, unpack_runs

_HEADER = "<16I"


def decompress(coded: bytes, pixels: int, channels: int, size: int) -> bytes:
    """Decode a frame to little endian samples of `size` bytes, channels interleaved.

    Raises:
        InputError: the frame is damaged.
    """
    if len(coded) < 64:
        raise InputError("an RLE frame is shorter than its header")
    count, *offsets = struct.unpack_from(_HEADER, coded)
    if count != channels * size or count > 15:
        raise InputError(f"an RLE frame has {count} segments, not {channels * size}")
    ends = [*offsets[1:count], len(coded)]
    planes = [unpack_runs(coded[a:b], pixels) for a, b in zip(offsets[:count], ends, strict=True)]
    if any(len(plane) != pixels for plane in planes):
        raise InputError("an RLE segment is shorter than its frame")
    stacked = np.frombuffer(b"".join(planes), np.uint8).reshape(channels, size, pixels)
    return np.ascontiguousarray(stacked[:, ::-1].transpose(2, 0, 1)).tobytes()


def compress(rows: NDArray[np.uint8], channels: int, size: int, variant: int) -> bytes:
    """Code a frame; rows are (H, N) little endian bytes of interleaved samples."""
    planes = rows.reshape(len(rows), -1, channels, size)[..., ::-1].transpose(2, 3, 0, 1)
    segments = []
    for plane in planes.reshape(-1, *planes.shape[2:]):
        segment = pack_rows(np.ascontiguousarray(plane), variant)
        segments.append(segment + bytes(len(segment) % 2))
    offsets = np.cumsum([64, *map(len, segments)])[:-1].tolist()
    header = struct.pack(_HEADER, len(segments), *offsets, *[0] * (15 - len(segments)))
    return header + b"".join(segments)


def holds_only_samples(coded: bytes, pixels: int) -> bool:
    """Whether a frame's bytes are its segments, and theirs the code of so many bytes, with a zero to make them even."""
    if len(coded) < 64:
        return False
    count, *offsets = struct.unpack_from(_HEADER, coded)
    if not 0 < count <= 15 or offsets[0] != 64 or any(offsets[count:]):
        return False
    segments = [coded[a:b] for a, b in zip(offsets[:count], [*offsets[1:count], len(coded)], strict=True)]
    return all(
        len(unpack_runs(segment[:-2], pixels)) < pixels
        and (segment.endswith(b"\0") or len(unpack_runs(segment[:-1], pixels)) < pixels)
        for segment in segments
    )
