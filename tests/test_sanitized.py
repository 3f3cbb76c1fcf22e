"""The core runs through golden files without a find of AddressSanitizer or UndefinedBehaviorSanitizer."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fuzzing.build import LEFT_OUT

from hpac_cli.core import compile as core
from hpac_cli.core import unit_names

TESTS = Path(__file__).parent
UNITS = list(dict.fromkeys((unit_names()[0], "plain")))


def runtime(compiler: core.Compiler) -> str:
    """Path of the library that a process must load first; skips where there is none."""
    found = core.run([*compiler.command, "-print-file-name=libasan.so"]).strip()
    if not Path(found).is_absolute():
        pytest.skip("gcc has no AddressSanitizer here")
    return found


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of the package whose core has sanitizers, and the path of their runtime."""
    try:
        gcc = core.native_compiler("gcc")
    except core.CompileError:
        pytest.skip("there is no gcc")
    folder = tmp_path_factory.mktemp("sanitized")
    preloaded = runtime(gcc)
    shutil.copytree(core.SOURCES.parent, folder / "src" / "hpac_cli", ignore=shutil.ignore_patterns("*.so", "*.pyc"))
    shutil.copytree(TESTS.parent / "weights", folder / "weights")
    core.build(gcc, folder / "src" / "hpac_cli" / "core", (*core.SANITIZE, *LEFT_OUT), UNITS)
    return folder / "src", preloaded


def run(package: tuple[Path, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    source, preloaded = package
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(source), str(TESTS)]),
        "LD_PRELOAD": preloaded,
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter's own
    }
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_sanitizers_end_a_process_that_reads_beyond_an_array(package: tuple[Path, str]) -> None:
    """Else the next test would find nothing, whatever the core did."""
    code = (
        "from hpac_cli import core; import numpy as np; from hpac_cli.model.index import load_by_name;"
        "from hpac_cli.model.pack import packed, packed_tables;"
        "coder = core.TileCoder(packed(load_by_name('grey-medium')), packed_tables(), 'plain');"
        "tile = core._Tile(height=8, width=8, depth=8);"
        "core._library().hpac_encode(coder._handle, core.byref(tile), core._pointer(np.zeros(60, np.int32)),"
        "core._pointer(np.zeros(16, np.uint32)), 1000)"
    )
    found = run(package, "-c", code)
    assert "AddressSanitizer: heap-buffer-overflow" in found.stderr


def test_damaged_lossless_jpeg_through_the_sanitized_core(package: tuple[Path, str]) -> None:
    code = "import test_jpeg_streams as t\nfor i in range(300): t.damage_something(i * 37, i * 11 % 256, i * 53)"
    done = run(package, "-c", code)
    assert done.returncode == 0, done.stderr[-4000:]


def test_damaged_segments_through_the_sanitized_core(package: tuple[Path, str]) -> None:
    done = run(package, "-c", "import test_segments as t\nfor seed in range(200): t.damage_something(seed)")
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize("unit", UNITS)
def test_golden_files_through_the_sanitized_core(package: tuple[Path, str], unit: str) -> None:
    done = run(package, str(TESTS / "sanitized.py"), unit)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.startswith(unit)


def test_deflate_streams_through_the_sanitized_library(package: tuple[Path, str]) -> None:
    done = run(package, str(TESTS / "sanitized_deflate.py"))
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == "deflate\n"
