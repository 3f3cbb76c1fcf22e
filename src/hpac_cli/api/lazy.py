"""Frames as arrays that are decoded when they are sliced, and as dask arrays of tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hpac_cli.errors import UnsupportedError

from .optional import require

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .opened import Picture


class FrameArray:
    """One frame of an open file; slicing decodes the tiles that it needs."""

    ndim = 3

    def __init__(self, picture: Picture, number: int, shape: tuple[int, int, int], sample_type: str, tile: int) -> None:
        """Name a frame.

        Args:
            number: counted from 0.
            shape: (H, W, C) as other readers see it.
            sample_type: as "u2".
            tile: side of its tiles, in pixels.
        """
        import numpy as np

        self.picture, self.number, self.shape, self.tile = picture, number, shape, tile
        self.dtype: np.dtype[Any] = np.dtype(sample_type)

    @property
    def chunks(self) -> tuple[int, int, int]:
        """Rows, columns and channels that are decoded together."""
        return min(self.tile, self.shape[0]), min(self.tile, self.shape[1]), self.shape[2]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Decode a part: whole numbers and slices, of any step, for rows, columns and channels."""
        import numpy as np

        keys = _expand(key)
        spans = [
            range(*k.indices(n)) if isinstance(k, slice) else _one(k, n) for k, n in zip(keys, self.shape, strict=True)
        ]
        singles = tuple(axis for axis, each in enumerate(keys) if not isinstance(each, slice))
        if not all(spans):
            empty: NDArray[Any] = np.empty([len(span) for span in spans], self.dtype)
            return empty.squeeze(axis=singles)
        rows, columns, channels = spans
        top, left = min(rows), min(columns)
        region = left, top, max(columns) - left + 1, max(rows) - top + 1
        part = self.picture.read(frame=self.number, region=region)
        chosen = part[np.ix_(np.array(rows) - top, np.array(columns) - left, np.array(channels))]
        wanted: NDArray[Any] = chosen.squeeze(axis=singles)
        return wanted

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Decode all of it."""
        samples = self.picture.read(frame=self.number)
        return samples if dtype is None else samples.astype(dtype, copy=False)


def _expand(key: Any) -> list[Any]:
    """A key for each of three axes.

    Raises:
        IndexError: there are more.
    """
    keys = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in keys:
        at = keys.index(Ellipsis)
        keys[at : at + 1] = [slice(None)] * (FrameArray.ndim + 1 - len(keys))
    keys += [slice(None)] * (FrameArray.ndim - len(keys))
    if len(keys) > FrameArray.ndim:
        raise IndexError(f"{len(keys)} indices for rows, columns and channels")
    return keys


def _one(index: Any, size: int) -> range:
    at = range(size)[index]
    return range(at, at + 1)


def to_dask(frames: Sequence[FrameArray]) -> Any:
    """A dask array of one frame, (H, W, C), or of several, (N, H, W, C); a chunk for each tile.

    Raises:
        MissingPackageError: dask is not installed.
        UnsupportedError: the frames differ in shape or type.
    """
    arrays = require("dask.array", "cluster", "a lazy array")
    if len({(frame.shape, frame.dtype) for frame in frames}) > 1:
        raise UnsupportedError("its pictures differ in shape or type; ask for one frame")
    lazy = [arrays.from_array(frame, chunks=frame.chunks, name=False, asarray=False) for frame in frames]
    return lazy[0] if len(lazy) == 1 else arrays.stack(lazy)
