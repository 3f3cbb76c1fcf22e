"""The tables are the same integers for ever, in the file as computed."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from hpac_cli.errors import ModelError
from hpac_cli.model import tables
from hpac_cli.model.decimal_tables import make_tables
from hpac_cli.model.files import weights_folder, write_arrays
from hpac_cli.model.pack import packed_tables
from hpac_cli.model.tables import TABLE_LENGTHS, load_tables, tables_sha256

TABLES = make_tables()


def test_tables_never_change() -> None:
    assert tables_sha256(TABLES) == "030c96d6c7e82b21d0a22abc6f6037d9ab399a1dd37745f349bc67d53e47c2b5"


def test_the_file_holds_what_is_computed() -> None:
    shipped = load_tables()
    assert list(shipped) == list(TABLE_LENGTHS)
    assert all(np.array_equal(shipped[name], TABLES[name]) for name in TABLE_LENGTHS)


def test_tables_are_packed_in_order() -> None:
    packed, at = packed_tables(), 0
    assert packed.dtype == np.int32
    for name, length in TABLE_LENGTHS.items():
        assert np.array_equal(packed[at : at + length], TABLES[name])
        at += length
    assert len(packed) == at


def test_loaded_tables_are_written_to_by_nobody() -> None:
    with pytest.raises(ValueError, match="read-only"):
        load_tables()["exp"][0] = 1


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tables' file that load_tables reads, as in a fresh process."""
    monkeypatch.setattr(tables, "weights_folder", lambda: tmp_path)
    monkeypatch.setattr(tables, "load_tables", tables.load_tables.__wrapped__)
    return Path(shutil.copy(weights_folder() / tables.TABLES_FILE, tmp_path))


def test_tables_of_other_numbers_are_refused(copied: Path) -> None:
    data = bytearray(copied.read_bytes())
    data[-1] ^= 1
    copied.write_bytes(data)
    with pytest.raises(ModelError, match="tables are damaged"):
        tables.load_tables()


def test_tables_of_other_lengths_are_refused(copied: Path) -> None:
    """Even where all entries in a row are the same."""
    moved = dict(TABLES)
    moved["exp"], moved["sigmoid"] = TABLES["exp"][:-1], np.concatenate([TABLES["exp"][-1:], TABLES["sigmoid"]])
    write_arrays(copied, {"format": tables.FORMAT}, moved)
    with pytest.raises(ModelError, match="tables are damaged"):
        tables.load_tables()


def test_missing_tables_are_told(copied: Path) -> None:
    copied.unlink()
    with pytest.raises(ModelError, match=r"tables\.safetensors: cannot read"):
        tables.load_tables()


@pytest.mark.parametrize("name", TABLE_LENGTHS)
def test_table_is_monotone(name: str) -> None:
    steps = np.diff(TABLES[name].astype(np.int64))
    assert (steps >= 0).all() or (steps <= 0).all()


def test_sigmoid_is_symmetric_and_ends_exactly() -> None:
    sigmoid = TABLES["sigmoid"]
    assert np.array_equal(sigmoid + sigmoid[::-1], np.full(len(sigmoid), 1 << 18))
    assert (sigmoid[0], sigmoid[-1]) == (0, 1 << 18)
