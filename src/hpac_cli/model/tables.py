"""The integer tables that stand for asinh, exp, the logistic CDF and the focus scale.

They are the same for all networks, and normative: docs/format.md, "Tables". A file holds them, so
that no start computes them; decimal_tables.py says how they are computed.
"""

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hpac_cli.errors import ModelError

from .files import read_arrays, weights_folder

FORMAT = "hpac-tables-1"
TABLES_FILE = "tables.safetensors"
TABLES_SHA256 = "030c96d6c7e82b21d0a22abc6f6037d9ab399a1dd37745f349bc67d53e47c2b5"
"""Of all entries as int32, little endian, table after table in the order of TABLE_LENGTHS."""

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
"""Entries of every table, in the order in which they are packed.

``level_threshold``: level = number of entries <= the scale sum (in 1/60 sample);
``level_scale``: scale in 1/64 sample;
``level_limit``: largest |d| in samples that the asinh table distinguishes;
``level_reciprocal``: 32/scale in 2**-18;
``asinh``: round(24 asinh(i/32)), at most 127;
``spread``: logistic scale in 1/64 sample;
``spread_inverse``: 4/scale in 2**-20, that is table steps per 1/64 sample;
``exp``: round(65535 exp(-i/32));
``sigmoid``: round(2**18 / (1 + exp(-(i - 4096)/256))), ends exactly 0 and 2**18.
"""


@lru_cache(maxsize=1)
def load_tables() -> dict[str, NDArray[np.int32]]:
    """Load every table; the arrays are shared and cannot be written to.

    Returns:
        Name to int32 array, in the order of TABLE_LENGTHS.

    Raises:
        ModelError: the file is missing or damaged.
    """
    path = weights_folder() / TABLES_FILE
    _, arrays = read_arrays(path, FORMAT)
    found = {name: (array.dtype, array.shape) for name, array in arrays.items()}
    expected = {name: (np.dtype(np.int32), (length,)) for name, length in TABLE_LENGTHS.items()}
    if found != expected or tables_sha256(arrays) != TABLES_SHA256:
        raise ModelError(f"{path}: the tables are damaged; install hpac again")
    tables = {name: arrays[name] for name in TABLE_LENGTHS}
    for table in tables.values():
        table.flags.writeable = False
    return tables


def tables_sha256(tables: dict[str, NDArray[np.int32]]) -> str:
    """Identify tables, in hexadecimal."""
    return hashlib.sha256(b"".join(tables[name].astype("<i4").tobytes() for name in TABLE_LENGTHS)).hexdigest()
