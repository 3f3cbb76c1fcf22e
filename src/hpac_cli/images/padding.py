"""Samples beyond the right and bottom edge of a picture, where tiles reach further than it does.

They are no part of the picture, but of the file: most writers fill them with zeros or repeat the edge; what others
put there is kept.
"""

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
    """Cut the picture out of the (H, W, C) samples of all its tiles; it is a copy."""
    height, width = grid.shape[0] - rows, grid.shape[1] - columns
    picture = grid[:height, :width].copy()
    for filling in (Filling.ZEROS, Filling.EDGE):
        padding = Padding(rows, columns, filling)
        if same_frames((put_on(picture, padding),), (grid,)):
            return picture, padding
    little = grid.dtype.newbyteorder("<")
    kept = grid[:height, width:].astype(little).tobytes() + grid[height:].astype(little).tobytes()
    return picture, Padding(rows, columns, Filling.KEPT, kept)


def put_on(picture: Samples, padding: Padding) -> Samples:
    """Undo take_off.

    Raises:
        InputError: the padding that was kept is of another size.
    """
    height, width, channels = picture.shape
    sides = ((0, padding.rows), (0, padding.columns), (0, 0))
    grid: Samples = np.pad(picture, sides, "edge" if padding.filling is Filling.EDGE else "constant")
    if padding.filling is Filling.KEPT:
        kept = grid.size - picture.size
        if len(padding.kept) != kept * picture.dtype.itemsize:
            raise InputError("the stored padding does not fit the samples")
        samples = np.frombuffer(padding.kept, picture.dtype.newbyteorder("<"))
        right = height * padding.columns * channels
        grid[:height, width:] = samples[:right].reshape(height, padding.columns, channels)
        grid[height:] = samples[right:].reshape(padding.rows, grid.shape[1], channels)
    return grid
