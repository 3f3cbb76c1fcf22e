"""Short runs of the coverage-guided fuzzers of native code; docs/reliability.md says how long they ran."""

import os
import resource
import subprocess
from pathlib import Path

import pytest
from fuzzing.build import build, build_deflate, find_clang

from hpac_cli.core import unit_names

CORPUS = Path(__file__).parent / "fuzzing" / "corpus"
SECONDS = 20


@pytest.fixture(scope="module")
def fuzz_tile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clang = find_clang()
    if clang is None:
        pytest.skip("there is no clang with libFuzzer")
    units = list(dict.fromkeys((unit_names()[0], "plain")))
    return build(clang, tmp_path_factory.mktemp("fuzz"), units=units)


def run(fuzz_tile: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    ours = (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    )  # which a process that we start counts as its own, too
    return subprocess.run(
        [fuzz_tile, "-timeout=60", f"-rss_limit_mb={2048 + ours}", *map(str, arguments)],
        cwd=fuzz_tile.parent,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_every_input_of_the_corpus(fuzz_tile: Path) -> None:
    done = run(fuzz_tile, *sorted(CORPUS.iterdir()))
    assert done.returncode == 0, done.stderr[-4000:]


def test_new_inputs(fuzz_tile: Path, tmp_path: Path) -> None:
    done = run(fuzz_tile, f"-max_total_time={SECONDS}", "-max_len=600", "-len_control=0", tmp_path, CORPUS)
    assert done.returncode == 0, done.stderr[-4000:]


def test_new_deflate_streams_and_corrections(tmp_path: Path) -> None:
    clang = find_clang()
    if clang is None:
        pytest.skip("there is no clang with libFuzzer")
    program, found = build_deflate(clang, tmp_path), tmp_path / "found"
    found.mkdir()
    done = run(program, f"-max_total_time={SECONDS}", "-max_len=3000", "-len_control=0", found, tmp_path / "seeds")
    assert done.returncode == 0, done.stderr[-4000:]
