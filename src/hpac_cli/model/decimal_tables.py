"""How the integer tables are computed: in decimal arithmetic, which gives the same digits on every machine.

python -m hpac_cli.model.decimal_tables FILE writes them. Source: docs/format.md, "Tables".
"""

import sys
from decimal import ROUND_HALF_UP, Decimal, localcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .files import write_arrays
from .tables import (
    ASINH_GAIN,
    ASINH_LIMIT,
    ASINH_STEPS,
    EXP_ENTRIES,
    FORMAT,
    INVERSE_BITS,
    LOGIT_Q,
    NUM_LEVELS,
    NUM_SPREADS,
    PAIRS_LCM,
    POSITION_Q,
    RECIPROCAL_BITS,
    SIGMOID_BITS,
    SIGMOID_LIMIT,
    SIGMOID_STEPS,
)

_ONE = Decimal(1)
_TWO = Decimal(2)


def _round(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_HALF_UP))


def _asinh(value: Decimal) -> Decimal:
    return (value + (value * value + _ONE).sqrt()).ln()


def make_tables() -> dict[str, NDArray[np.int32]]:
    """Compute every table of the integer network.

    Returns:
        Name to int32 array, in the order of TABLE_LENGTHS, which says what they are.
    """
    with localcontext() as context:
        context.prec = 50
        scales = [_TWO ** (Decimal(level) / 4 - 1) for level in range(NUM_LEVELS)]
        thresholds = [_round(PAIRS_LCM * _TWO ** (Decimal(2 * level - 1) / 8 - 1)) for level in range(1, NUM_LEVELS)]
        spreads = [_TWO ** (Decimal(t) / 16 - 4) for t in range(NUM_SPREADS)]
        half = SIGMOID_LIMIT * SIGMOID_STEPS
        top = 1 << SIGMOID_BITS
        upper = [_round(top / (_ONE + (-Decimal(i) / SIGMOID_STEPS).exp())) for i in range(half + 1)]
        upper[half] = top
        columns: dict[str, list[int]] = {
            "level_threshold": thresholds,
            "level_scale": [_round(s * (1 << POSITION_Q)) for s in scales],
            "level_limit": [_round(s * ASINH_LIMIT) for s in scales],
            "level_reciprocal": [_round(ASINH_STEPS * (1 << RECIPROCAL_BITS) / s) for s in scales],
            "asinh": [
                min(127, _round(ASINH_GAIN * _asinh(Decimal(i) / ASINH_STEPS)))
                for i in range(ASINH_LIMIT * ASINH_STEPS + 1)
            ],
            "spread": [_round(s * (1 << POSITION_Q)) for s in spreads],
            "spread_inverse": [_round(4 * (1 << INVERSE_BITS) / s) for s in spreads],
            "exp": [_round(65535 * (-Decimal(i) / (1 << LOGIT_Q)).exp()) for i in range(EXP_ENTRIES)],
            "sigmoid": [top - v for v in reversed(upper)] + upper[1:],
        }
    return {name: np.array(values, dtype=np.int32) for name, values in columns.items()}


if __name__ == "__main__":
    write_arrays(Path(sys.argv[1]), {"format": FORMAT}, make_tables())
