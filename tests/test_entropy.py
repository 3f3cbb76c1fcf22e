"""Integer distributions become words and come back; the coder's arithmetic is pinned."""

import constriction
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpac_cli.entropy.coder import SymbolDecoder, check_columns, encode_intervals, leave_room, make_rows
from hpac_cli.errors import ContainerError

TOTAL = 1 << 24


def random_edges(rng: np.random.Generator, num_symbols: int, count: int) -> np.ndarray:
    inner = np.sort(rng.integers(0, TOTAL + 1, (num_symbols - 1, count)), 0)
    return np.concatenate([np.zeros((1, count)), inner, np.full((1, count), TOTAL)]).astype(np.int32)


def intervals(edges: np.ndarray, symbols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    reduced = leave_room(edges, len(edges) - 1)
    low, high = (np.take_along_axis(reduced, (symbols + k)[None], 0)[0] for k in (0, 1))
    return low + symbols + 1, high - low + 1


@given(seed=st.integers(0, 2**32 - 1), num_symbols=st.integers(2, 62), count=st.integers(0, 200))
def test_symbols_come_back(seed: int, num_symbols: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    edges, symbols = random_edges(rng, num_symbols, count), rng.integers(0, num_symbols, count)
    decoder = SymbolDecoder(encode_intervals(*intervals(edges, symbols)))
    assert np.array_equal(decoder.decode(make_rows(edges)) - 1, symbols)
    assert decoder.is_exhausted()


def test_intervals_move_the_coder_as_full_tables_do() -> None:
    rng = np.random.default_rng(7)
    edges, symbols = random_edges(rng, 24, 500), rng.integers(0, 24, 500)
    encoder = constriction.stream.queue.RangeEncoder()
    encoder.encode(
        (symbols + 1).astype(np.int32), constriction.stream.model.Categorical(perfect=False), make_rows(edges)
    )
    assert encode_intervals(*intervals(edges, symbols)) == encoder.get_compressed().astype("<u4").tobytes()


def test_every_table_entry_is_number_plus_one() -> None:
    """Pins the one line where floats meet the coder: a scale of exactly 1."""
    left = np.array([1, 1, 5_000_000, TOTAL - 2], np.int32)
    width = np.array([1, TOTAL - 2, 1, 1], np.int32)
    assert encode_intervals(left, width).hex() == "4c0100007b69a94a000400fe"


@given(seed=st.integers(0, 2**32 - 1), num_symbols=st.integers(2, 62))
def test_leaving_room_keeps_order_and_total(seed: int, num_symbols: int) -> None:
    reduced = leave_room(random_edges(np.random.default_rng(seed), num_symbols, 50), num_symbols)
    assert (np.diff(reduced, axis=0) >= 0).all()
    assert (reduced[-1] == TOTAL - num_symbols - 2).all()


def test_cut_words_are_refused() -> None:
    with pytest.raises(ContainerError, match="multiple of 4"):
        SymbolDecoder(b"12345")


@pytest.mark.parametrize("column", [0, 3])
def test_dummies_are_refused(column: int) -> None:
    with pytest.raises(ContainerError, match="damaged"):
        check_columns(np.array([1, column], np.int32), 2)
