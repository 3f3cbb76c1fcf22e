"""The core's range coder alone, compiled for this test: its words are constriction's, carries of any length included."""

import ctypes

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import SEEDS

from hpac_cli.core import compile as core
from hpac_cli.entropy.coder import encode_intervals

pytestmark = pytest.mark.skipif(core.machine_compiler() is None, reason="this machine has no compiler")

TOTAL = 1 << 24
DOOR = """\
#include "range_coder.h"
int64_t write_intervals(const uint32_t *left, const uint32_t *width, int64_t number, uint32_t *words);
int64_t write_intervals(const uint32_t *left, const uint32_t *width, int64_t number, uint32_t *words) {
  struct coder coder = start_writing(words, number + 2);
  for (int64_t k = 0; k < number; k++) take_symbol(WRITE, &coder, 0, left[k], width[k]);
  return finish_writing(&coder);
}
/* How many intervals in turn hold the place that the words name; -1 if afterwards words are left or missing. */
int64_t read_intervals(const uint32_t *left, const uint32_t *width, int64_t number, const uint32_t *words,
                       int64_t num_words);
int64_t read_intervals(const uint32_t *left, const uint32_t *width, int64_t number, const uint32_t *words,
                       int64_t num_words) {
  struct coder coder = start_reading(words, num_words);
  for (int64_t k = 0; k < number; k++) {
    const uint64_t place = peek(&coder);
    if (place < left[k] || place >= left[k] + width[k]) return k;
    take_symbol(READ, &coder, 0, left[k], width[k]);
  }
  return is_read_whole(&coder) ? number : -1;
}
"""


class Coder:
    """The compiled functions."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library
        for function in (library.write_intervals, library.read_intervals):
            function.restype = ctypes.c_int64

    def write(self, intervals: np.ndarray) -> bytes:
        left, width = np.ascontiguousarray(intervals.T, np.uint32)
        words = np.zeros(len(left) + 2, np.uint32)
        number = ctypes.c_int64(len(left))
        count = self.library.write_intervals(*map(pointer, (left, width)), number, pointer(words))
        return words[:count].astype("<u4").tobytes()

    def read(self, intervals: np.ndarray, words: bytes) -> int:
        left, width = np.ascontiguousarray(intervals.T, np.uint32)
        numbers = np.frombuffer(words, "<u4").astype(np.uint32)
        number, size = ctypes.c_int64(len(left)), ctypes.c_int64(len(numbers))
        found: int = self.library.read_intervals(*map(pointer, (left, width)), number, pointer(numbers), size)
        return found


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


@pytest.fixture(scope="module")
def coder(tmp_path_factory: pytest.TempPathFactory) -> Coder:
    folder = tmp_path_factory.mktemp("range-coder")
    (folder / "coder.c").write_text(DOOR)
    command = core.find_compiler().command
    library = folder / "coder.library"
    core.run([*command, *core.FLAGS, "-fvisibility=default", "-Wno-unused-function", "-fPIC", "-shared",
              f"-I{core.SOURCES}", str(folder / "coder.c"), "-o", str(library)])  # fmt: skip
    return Coder(ctypes.CDLL(str(library)))


def random_intervals(rng: np.random.Generator, count: int) -> np.ndarray:
    """(N, 2) left ends and widths, most of them narrow or nearly everything; never the dummies' columns."""
    width = (2.0 ** rng.uniform(0, 24, count)).astype(np.int64).clip(1, TOTAL - 2)
    width = np.where(rng.random(count) < 0.2, TOTAL - 1 - width, width)
    return np.stack([1 + (rng.random(count) * (TOTAL - 1 - width)).astype(np.int64), width], 1)


def intervals_around(point: int, num_words: int, rng: np.random.Generator) -> np.ndarray:
    """Intervals with a point of so many words strictly inside, so that a carry may go through all words until the last.

    The last interval lies just above the point, or just below. They end early where the point is in a dummy's column.
    """
    lower, span, bits = 0, (1 << 64) - 1, 64
    found: list[tuple[int, int]] = []
    while True:
        scale = span >> 24
        at = ((point << bits >> 32 * num_words) - lower) // scale
        if not 3 < at < TOTAL - 3:
            return np.array(found or [(1, 1)])
        if bits >= 32 * num_words:
            found.append((at + 1, 1) if rng.random() < 0.7 else (at - 2, 1))
            return np.array(found)
        reach = int(2 ** rng.uniform(1, 12))
        left, right = max(at - reach, 1), min(at + reach, TOTAL - 1)
        found.append((left, right - left))
        lower, span = lower + scale * left, scale * (right - left)
        if span < 1 << 32:
            lower, span, bits = lower << 32, span << 32, bits + 32


@given(seed=SEEDS, count=st.integers(1, 400))
def test_random_intervals(coder: Coder, seed: int, count: int) -> None:
    intervals = random_intervals(np.random.default_rng(seed), count)
    words = coder.write(intervals)
    assert words == encode_intervals(*intervals.T.astype(np.int32))
    assert coder.read(intervals, words) == count


@given(seed=SEEDS, size=st.integers(3, 40), top=st.integers(1, (1 << 32) - 1))
def test_carries_through_many_words(coder: Coder, seed: int, size: int, top: int) -> None:
    """Around a number whose words but the first are 0."""
    intervals = intervals_around(top << 32 * (size - 1), size, np.random.default_rng(seed))
    words = coder.write(intervals)
    assert words == encode_intervals(*intervals.T.astype(np.int32))
    assert coder.read(intervals, words) == len(intervals)


def test_carries_do_go_through_many_words(coder: Coder) -> None:
    """What the test above relies on: of these words some end low, after zeros, and others high, after ones."""
    point = 0x80000000 << 32 * 19
    found = {coder.write(intervals_around(point, 20, np.random.default_rng(seed)))[:64] for seed in range(20)}
    assert found == {bytes(3) + b"\x80" + bytes(60), b"\xff\xff\xff\x7f" + b"\xff" * 60}


@pytest.mark.parametrize("column", [(1, 1), (TOTAL - 2, 1), (1, TOTAL - 2)])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 1000])
def test_outermost_columns(coder: Coder, column: tuple[int, int], count: int) -> None:
    intervals = np.array([column] * count)
    words = coder.write(intervals)
    assert words == encode_intervals(*intervals.T.astype(np.int32))
    assert coder.read(intervals, words) == count


@given(seed=SEEDS, count=st.integers(1, 100))
def test_the_number_of_words_is_checked(coder: Coder, seed: int, count: int) -> None:
    intervals = random_intervals(np.random.default_rng(seed), count)
    words = coder.write(intervals)
    assert coder.read(intervals, words + bytes(8)) == -1
    assert coder.read(intervals, words[:-8]) < count
