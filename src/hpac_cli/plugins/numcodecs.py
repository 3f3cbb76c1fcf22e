"""numcodecs codec "hpac", for zarr arrays of format 2."""

from typing import Any

from numcodecs.abc import Codec
from numcodecs.compat import ensure_ndarray, ndarray_copy

from .chunks import decode_chunk, encode_chunk


class Hpac(Codec):  # type: ignore[misc]
    """Lossless image compression of integer and float chunks; plugins.chunks says which shapes are images."""

    codec_id = "hpac"

    def __init__(self, tile: int = 0) -> None:
        """Choose the tile side in pixels: even, 8 to 1024; 0 for one that suits the chunk."""
        self.tile = tile

    def encode(self, buf: Any) -> bytes:
        """Encode a chunk."""
        return encode_chunk(ensure_ndarray(buf), self.tile)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Decode a chunk to its samples in C order."""
        samples = decode_chunk(bytes(ensure_ndarray(buf)))
        return samples if out is None else ndarray_copy(samples, out)
