"""Where most is to be gained: connected regions of tiles, the densest first, growing to the whole image."""

import heapq
from collections.abc import Sequence

from .material import Place


def grow_regions(places: Sequence[Place], density: Sequence[float], shares: Sequence[float]) -> list[list[int]]:
    """Grow a connected region of tiles from the densest one, always by its densest neighbour.

    Where a region cannot grow further (its frame is used up) it goes on from the densest tile that is left.

    Args:
        places: tiles, of any frames and parts.
        density: bits per sample of each, by the weights as shipped.
        shares: of all tiles that the stages train on, ascending.

    Returns:
        For each share the numbers of its tiles; each list begins with the one before.
    """
    at = {place[:4]: number for number, place in enumerate(places)}
    region: list[int] = []
    known: set[int] = set()
    for start in sorted(at.values(), key=lambda number: -density[number]):
        border = [] if start in known else [(-density[start], start)]
        known.add(start)
        while border:
            _, here = heapq.heappop(border)
            region.append(here)
            frame, part, row, column = places[here][:4]
            for y, x in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                other = at.get((frame, part, y, x))
                if other is not None and other not in known:
                    known.add(other)
                    heapq.heappush(border, (-density[other], other))
    return [region[: max(1, round(share * len(region)))] for share in shares]
