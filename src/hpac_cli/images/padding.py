"""Samples beyond the right and bottom edge of a picture, where tiles reach further than it does.

They are no part of the picture, but of the file: most writers fill them with zeros or repeat the edge; what others
put there is kept.
"""

import math
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from hpac_cli.errors import InputError
from hpac_cli.image import Samples, same_frames


class Filling(IntEnum):
    """What lies beyond the edge."""

    ZEROS = 0
    EDGE = 1
    """The picture's last column, and below it the last row of all that."""
    KEPT = 2


class Padding(NamedTuple):
    """How far tiles reach beyond the picture, and what they hold there."""

    rows: int
    columns: int
    filling: Filling = Filling.ZEROS
    kept: bytes = b""
    """Samples on the right of the picture, row by row, then all rows below it; little endian. For KEPT only."""


NO_PADDING = Padding(0, 0)


def take_off(grid: Samples, rows: int, columns: int) -> tuple[Samples, Padding]:
    """Cut the picture out of the (H, W, C) samples of all its tiles, in the memory of these, which are lost."""
    height, width = grid.shape[0] - rows, grid.shape[1] - columns
    padding = _describe(grid, height, width)
    flat, row = grid.reshape(-1), width * grid.shape[2]
    for y in range(1, height):  # none is written before it was read
        flat[y * row : (y + 1) * row] = grid[y, :width].reshape(-1)
    return flat[: height * row].reshape(height, width, -1), padding


def _describe(grid: Samples, height: int, width: int) -> Padding:
    """What lies beyond the edge."""
    beyond = grid[:height, width:], grid[height:]
    rows, columns = len(beyond[1]), beyond[0].shape[1]
    fillings = {
        Filling.ZEROS: (np.zeros((1, 1, 1), grid.dtype),) * 2,
        Filling.EDGE: (grid[:height, width - 1 : width], grid[height - 1 : height]),
    }
    for filling, edges in fillings.items():
        if same_frames(beyond, tuple(np.broadcast_to(e, b.shape) for e, b in zip(edges, beyond, strict=True))):
            return Padding(rows, columns, filling)
    little = grid.dtype.newbyteorder("<")
    return Padding(rows, columns, Filling.KEPT, b"".join(part.astype(little).tobytes() for part in beyond))


class Padded:
    """A picture with what lies beyond its edge: an array of which no part is made before it is sliced."""

    def __init__(self, picture: Samples, padding: Padding) -> None:
        """Undo take_off.

        Raises:
            InputError: the padding that was kept is of another size.
        """
        height, width, channels = picture.shape
        self._picture, self._padding, self.dtype = picture, padding, picture.dtype
        self.shape = height + padding.rows, width + padding.columns, channels
        if padding.filling is Filling.KEPT:
            kept = math.prod(self.shape) - picture.size
            if len(padding.kept) != kept * picture.dtype.itemsize:
                raise InputError("the stored padding does not fit the samples")
            samples = np.frombuffer(padding.kept, picture.dtype.newbyteorder("<"))
            right = height * padding.columns * channels
            self._right = samples[:right].reshape(height, padding.columns, channels)
            self._below = samples[right:].reshape(padding.rows, self.shape[1], channels)

    def __getitem__(self, box: tuple[slice, slice, slice]) -> Samples:
        """Rows, columns and channels, without steps."""
        rows, columns = (range(*part.indices(size)) for part, size in zip(box, self.shape[:2], strict=False))
        picture = self._picture[..., box[2]]
        height, width = picture.shape[:2]
        inside = picture[rows.start : rows.stop, columns.start : columns.stop]
        if inside.shape[:2] == (len(rows), len(columns)):
            return inside
        if self._padding.filling is Filling.EDGE:
            return picture[np.ix_(np.minimum(rows, height - 1), np.minimum(columns, width - 1))]
        out = np.zeros((len(rows), len(columns), picture.shape[2]), self.dtype)
        if self._padding.filling is Filling.KEPT:
            beside = self._right[
                rows.start : rows.stop, max(0, columns.start - width) : max(0, columns.stop - width), box[2]
            ]
            out[: len(beside), len(columns) - beside.shape[1] :] = beside
            below = self._below[
                max(0, rows.start - height) : max(0, rows.stop - height), columns.start : columns.stop, box[2]
            ]
            out[len(rows) - len(below) :] = below
        out[: len(inside), : inside.shape[1]] = inside
        return out
