"""The tables are the same integers for ever."""

import hashlib

import numpy as np
import pytest

from hpac_cli.intnet.tables import TABLE_LENGTHS, make_tables
from hpac_cli.intnet.weights import load_by_name

TABLES = make_tables()


def test_tables_never_change() -> None:
    sha = hashlib.sha256(b"".join(TABLES[name].astype("<i4").tobytes() for name in sorted(TABLES)))
    assert sha.hexdigest() == "90f372275e53ee04063ae8959fc55fced337984472ff35bb4f8f5232a8bab84b"


@pytest.mark.parametrize("name", ["rgb", "grey"])
def test_shipped_weights_carry_these_tables(name: str) -> None:
    shipped = load_by_name(name).tables()
    assert all(np.array_equal(shipped[table], TABLES[table]) for table in TABLES)


@pytest.mark.parametrize("name", TABLE_LENGTHS)
def test_table_is_monotone(name: str) -> None:
    steps = np.diff(TABLES[name].astype(np.int64))
    assert (steps >= 0).all() or (steps <= 0).all()


def test_sigmoid_is_symmetric_and_ends_exactly() -> None:
    sigmoid = TABLES["sigmoid"]
    assert np.array_equal(sigmoid + sigmoid[::-1], np.full(len(sigmoid), 1 << 18))
    assert (sigmoid[0], sigmoid[-1]) == (0, 1 << 18)
