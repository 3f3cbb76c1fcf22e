"""zarr codec "hpac", for arrays of format 3: it turns chunks into bytes, in the place of "bytes"."""

import asyncio
from dataclasses import dataclass
from typing import Any, Self

from zarr.abc.codec import ArrayBytesCodec

from hpac_cli.api import DEFAULT
from hpac_cli.errors import UnsupportedError

from .chunks import decode_chunk, encode_chunk


@dataclass(frozen=True)
class HpacCodec(ArrayBytesCodec):
    """Lossless image compression of integer and float chunks; plugins.chunks says which shapes are images."""

    effort: int = DEFAULT
    """1 to 9: higher is smaller and takes longer."""
    tile: int = 0
    """Tile side in pixels: even, 8 to 1024; 0 for one that suits the chunk."""
    is_fixed_size = False

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Read the array's metadata."""
        return cls(**data.get("configuration", {}))

    def to_dict(self) -> Any:
        """Write the array's metadata."""
        return {"name": "hpac", "configuration": {"effort": self.effort, "tile": self.tile}}

    async def _encode_single(self, chunk_array: Any, chunk_spec: Any) -> Any:
        data = await asyncio.to_thread(encode_chunk, chunk_array.as_numpy_array(), self.effort, self.tile)
        return chunk_spec.prototype.buffer.from_bytes(data)

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        samples = await asyncio.to_thread(decode_chunk, chunk_bytes.to_bytes())
        wanted = (
            chunk_spec.dtype.to_native_dtype()
        )  # whose byte order need not be that of the array when it was written
        native = samples.astype(samples.dtype.newbyteorder("="), copy=False).view(wanted.newbyteorder("="))
        chunk = native.astype(wanted, copy=False).reshape(chunk_spec.shape)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(chunk)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        """Refuse, as every compressing codec does.

        Raises:
            UnsupportedError: always; zarr asks only of codecs of a fixed size.
        """
        raise UnsupportedError("the size of a compressed chunk depends on its samples; it cannot be told beforehand")
