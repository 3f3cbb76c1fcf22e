"""Turning a tile before a network codes it, and back, in eight ways: transposed or not, flipped along either axis or not.

The network sees more of one side than of the other, so pictures whose structure has a direction are
coded in fewer bits one way round than another. Source: docs/format.md, "T: tile".
"""

from typing import Any

from numpy.typing import NDArray

UPSIDE_DOWN, LEFT_TO_RIGHT, TRANSPOSED = 1, 2, 4
"""Bits of an orientation. Transposing comes first."""

Coded = NDArray[Any]
"""(H, W, ...)."""


def turn(values: Coded, orientation: int) -> Coded:
    """Turn (H, W, ...) values; the result is a view."""
    return _flip(values.swapaxes(0, 1) if orientation & TRANSPOSED else values, orientation)


def turn_back(values: Coded, orientation: int) -> Coded:
    """Undo turn; the result is a view."""
    flipped = _flip(values, orientation)
    return flipped.swapaxes(0, 1) if orientation & TRANSPOSED else flipped


def turned_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Height and width of what turn makes of values of this height and width."""
    return (size[1], size[0]) if orientation & TRANSPOSED else size


def _flip(values: Coded, orientation: int) -> Coded:
    down = -1 if orientation & UPSIDE_DOWN else 1
    right = -1 if orientation & LEFT_TO_RIGHT else 1
    return values[::down, ::right]
