"""Which integer tables stand for asinh, exp, the logistic CDF and the focus scale?

Every table is computed with decimal arithmetic, which gives the same digits on every
machine, and travels inside the weights file. Source: docs/format.md, "Tables".
"""

from decimal import ROUND_HALF_UP, Decimal, localcontext

import numpy as np
from numpy.typing import NDArray

NUM_LEVELS = 73
"""Focus levels: level L stands for the scale 2**(L/4 - 1) samples, 0.5 to 131,072."""

ASINH_STEPS = 32
"""Entries of the asinh table per unit of d/scale."""
ASINH_LIMIT = 128
"""d/scale is clamped here."""
ASINH_GAIN = 24
"""Feature = round(24 asinh(d/scale)), clamped to int8."""
RECIPROCAL_BITS = 18

LOGIT_Q = 5
MEAN_Q = 8
SPREAD_Q = 4
POSITION_Q = 6
"""Positions on the sample axis are counted in 1/64 sample."""

NUM_SPREADS = 337
"""Logistic scales: index T stands for 2**(T/16 - 4) samples, 1/16 to 131,072."""
INVERSE_BITS = 20
SIGMOID_STEPS = 256
"""Entries of the logistic table per unit of its argument."""
SIGMOID_LIMIT = 16
SIGMOID_BITS = 18
"""Logistic table entries are in units of 2**-18."""
WEIGHT_BITS = 12
"""Mixture weights sum to 2**12."""
EXP_ENTRIES = 417
"""exp(-i/32) as 16-bit integers, until it rounds to nothing that matters (e**-13)."""

PAIRS_LCM = 60
"""Sums of 1 to 5 neighbour differences are brought to this common denominator."""

TABLE_LENGTHS = {
    "level_threshold": NUM_LEVELS - 1,
    "level_scale": NUM_LEVELS,
    "level_limit": NUM_LEVELS,
    "level_reciprocal": NUM_LEVELS,
    "asinh": ASINH_LIMIT * ASINH_STEPS + 1,
    "spread": NUM_SPREADS,
    "spread_inverse": NUM_SPREADS,
    "exp": EXP_ENTRIES,
    "sigmoid": 2 * SIGMOID_LIMIT * SIGMOID_STEPS + 1,
}

_ONE = Decimal(1)
_TWO = Decimal(2)


def _round(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_HALF_UP))


def _asinh(value: Decimal) -> Decimal:
    return (value + (value * value + _ONE).sqrt()).ln()


def make_tables() -> dict[str, NDArray[np.int32]]:
    """Compute every table of the integer network.

    Returns:
        Name to int32 array:
        ``level_threshold`` (72,): level = number of entries <= the scale sum (in 1/60 sample);
        ``level_scale`` (73,): scale in 1/64 sample;
        ``level_limit`` (73,): largest |d| in samples that the asinh table distinguishes;
        ``level_reciprocal`` (73,): 32/scale in 2**-18;
        ``asinh`` (4097,): round(24 asinh(i/32)), at most 127;
        ``spread`` (337,): logistic scale in 1/64 sample;
        ``spread_inverse`` (337,): 4/scale in 2**-20, that is table steps per 1/64 sample;
        ``exp`` (417,): round(65535 exp(-i/32));
        ``sigmoid`` (8193,): round(2**18 / (1 + exp(-(i - 4096)/256))), ends exactly 0 and 2**18.
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
