"""numcodecs codec "hpac", for zarr arrays of format 2."""

from typing import Any

from numcodecs.abc import Codec
from numcodecs.compat import ensure_ndarray, ndarray_copy

from hpac_cli.api import DEFAULT

from .chunks import decode_chunk, encode_chunk


class Hpac(Codec):  # type: ignore[misc]
    """Lossless image compression of integer and float chunks; plugins.chunks says which shapes are images."""

    codec_id = "hpac"

    def __init__(self, effort: int = DEFAULT, tile: int = 0) -> None:
        """Choose effort and tiles.

        Args:
            effort: 1 to 9: higher is smaller and takes longer.
            tile: side in pixels, even, 8 to 1024; 0 for one that suits the chunk.
        """
        self.effort, self.tile = effort, tile

    def encode(self, buf: Any) -> bytes:
        """Encode a chunk as it lies in memory: one in Fortran's order as its transpose."""
        chunk = ensure_ndarray(buf)
        fortran = chunk.flags.f_contiguous and not chunk.flags.c_contiguous
        return encode_chunk(chunk.T if fortran else chunk, self.effort, self.tile)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Decode a chunk to its samples as they lay in memory."""
        samples = decode_chunk(bytes(ensure_ndarray(buf)))
        return samples if out is None else ndarray_copy(samples, out)
