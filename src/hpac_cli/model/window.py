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

REFERENCE_RADIUS = (2, 1)
"""Rows and columns around the same place that are seen of the first and of the second reference."""
NUM_REFERENCE_FEATURES = 3
"""Beside each reference's window: its base and its level, as they differ from the plane's, and whether it is there."""


def reference_window(reference: int) -> list[tuple[int, int]]:
    """List the (dy, dx) that are seen of a reference (0 or 1), in raster order; all of its samples are known."""
    reach = range(-REFERENCE_RADIUS[reference], REFERENCE_RADIUS[reference] + 1)
    return [(dy, dx) for dy in reach for dx in reach]


def num_features(planes: int, references: int = 0) -> int:
    """Count the network's inputs per pixel."""
    of_references = sum(len(reference_window(k)) + NUM_REFERENCE_FEATURES for k in range(references))
    return planes * (len(WINDOW) + 2) + NUM_POSITION_FEATURES + of_references
