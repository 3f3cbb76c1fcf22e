"""The causal window: the neighbours that may be seen, in a cone of slope 2, the same in every layer."""

RADIUS = 3
"""Rows up and columns left that the input window reaches."""


def causal_offsets(radius: int, rows: int, *, centre: bool) -> list[tuple[int, int]]:
    """List the (dy, dx) of a slope-2 causal window in raster order.

    k rows up reach 2k-1 columns right, so sample (y, x) depends only on wavefronts
    before x + 2y.
    """
    return [
        (dy, dx)
        for dy in range(-rows, 1)
        for dx in range(-radius, radius + 1)
        if (dx <= -2 * dy - 1 if dy else dx < 0 or (centre and dx == 0))
    ]


WINDOW = causal_offsets(RADIUS, RADIUS, centre=False)
"""The input window: 22 neighbours."""

NUM_POSITION_FEATURES = 3


def num_features(num_planes: int) -> int:
    """Count the network's inputs per pixel."""
    return num_planes * (len(WINDOW) + 2) + NUM_POSITION_FEATURES
