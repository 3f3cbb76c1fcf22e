"""numcodecs codec "hpac": zarr arrays of images, each chunk coded as one image or a stack of them."""

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_ndarray, ndarray_copy

import hpac_cli
from hpac_cli.errors import UnsupportedError

_MAX_CHANNELS = 4


class Hpac(Codec):  # type: ignore[misc]
    """Lossless image compression of integer and float chunks.

    Chunks (H, W) and (..., H, W, C) with up to 4 channels are images, or stacks of them; (..., H, W) are
    stacks of planes; one dimension is one row.
    """

    codec_id = "hpac"

    def __init__(self, tile: int = 128) -> None:
        """Choose the tile side in pixels: even, 8 to 1024."""
        self.tile = tile

    def encode(self, buf: Any) -> bytes:
        """Encode a chunk.

        Raises:
            UnsupportedError: neither integers nor floats of up to 64 bits, of another byte order, or empty.
        """
        array = ensure_ndarray(buf)
        if array.dtype.kind == "b":
            array = array.view(np.uint8)
        if array.dtype.kind not in "uif" or not array.dtype.isnative or not array.size:
            raise UnsupportedError(
                f"chunk of type {array.dtype} and shape {array.shape}; hpac takes integers and floats of up to 64 bits, "
                "little endian"
            )
        return hpac_cli.encode(to_image(array), tile=self.tile)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Decode a chunk to its samples in C order."""
        samples = np.ascontiguousarray(hpac_cli.decode(bytes(ensure_ndarray(buf))))
        return samples.reshape(-1) if out is None else ndarray_copy(samples.reshape(-1), out)


def to_image(array: Any) -> Any:
    """Give any array a shape that hpac encodes: (H, W), (H, W, C) or (N, H, W, C)."""
    if array.ndim < 2:
        return array.reshape(1, -1)
    if array.ndim == 2:
        return array
    if array.shape[-1] <= _MAX_CHANNELS:
        return array if array.ndim == 3 else array.reshape(-1, *array.shape[-3:])
    return array.reshape(-1, *array.shape[-2:], 1)
