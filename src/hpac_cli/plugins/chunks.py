"""Chunks of large arrays as images: one chunk, one .hpac container."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import hpac_cli
from hpac_cli.errors import UnsupportedError

_MAX_CHANNELS = 4


def encode_chunk(chunk: NDArray[Any], effort: int, tile: int) -> bytes:
    """Encode a chunk.

    Args:
        chunk: (H, W) or (..., H, W, C) with up to 4 channels, an image or a stack of them; (..., H, W), a
            stack of planes; one dimension is one row.
        effort: 1 to 9.
        tile: side in pixels; 0 for one that suits the chunk.

    Raises:
        UnsupportedError: neither integers nor floats of up to 64 bits, or empty.
    """
    if chunk.dtype.kind == "b":
        chunk = chunk.view(np.uint8)
    if chunk.dtype.kind not in "uif" or not chunk.size:
        raise UnsupportedError(
            f"chunk of type {chunk.dtype} and shape {chunk.shape}; hpac takes integers and floats of up to 64 bits"
        )
    return hpac_cli.encode(_to_image(chunk), effort=effort, tile=tile)


def decode_chunk(data: bytes) -> NDArray[Any]:
    """Decode a chunk to its samples in C order and in the byte order that they had, one dimension."""
    return np.ascontiguousarray(hpac_cli.decode(data)).reshape(-1)


def _to_image(chunk: NDArray[Any]) -> NDArray[Any]:
    if chunk.ndim < 2:
        return chunk.reshape(1, -1)
    if chunk.ndim == 2:
        return chunk
    if chunk.shape[-1] <= _MAX_CHANNELS:
        return chunk if chunk.ndim == 3 else chunk.reshape(-1, *chunk.shape[-3:])
    return chunk.reshape(-1, *chunk.shape[-2:], 1)
