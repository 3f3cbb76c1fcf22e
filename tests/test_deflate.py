"""Deflate streams come back from their plain bytes, parameters and corrections."""

import random
import signal
import tracemalloc
import zlib

import numpy as np
import pytest
from deflate_streams import odd_stream, plain_bytes

from hpac_cli import deflate
from hpac_cli.deflate import DamagedError, NotWorthError
from hpac_cli.images.deflate import Recipe, find_recipe_and_correction, rebuild


def compressed(plain: bytes, level: int = 6, memory: int = 8, strategy: int = 0, window: int = 15) -> bytes:
    """A raw stream of zlib's."""
    body = zlib.compressobj(level, zlib.DEFLATED, -window, memory, strategy)
    return body.compress(plain) + body.flush()


def made_again(plain: bytes, parameters: bytes, correction: bytes, most: int, piece: int = 1 << 16) -> bytes:
    pieces = (plain[at : at + piece] for at in range(0, len(plain), piece))
    return b"".join(deflate.rebuild(pieces, len(plain), parameters, correction, most))


def analysed(stream: bytes) -> tuple[bytes, bytes]:
    parameters = deflate.find_parameters(stream)
    return parameters, deflate.find_correction(stream, parameters)


@pytest.fixture(scope="module")
def rows(photograph: np.ndarray) -> bytes:
    """Rows of a photograph, filtered as PNG's type 1: differences of pixels."""
    part = photograph[100:200, 100:300].astype(np.int16)
    return np.diff(part, axis=1, prepend=0).astype(np.uint8).tobytes()


@pytest.mark.parametrize("level", range(10))
@pytest.mark.parametrize("strategy", [zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED])
def test_zlib_costs_nothing_at_any_level(rows: bytes, level: int, strategy: int) -> None:
    stream = compressed(rows, level, strategy=strategy)
    parameters, correction = analysed(stream)
    assert made_again(rows, parameters, correction, len(stream)) == stream
    assert len(correction) <= 4


@pytest.mark.parametrize("strategy", [zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED])
def test_zlib_costs_nothing_with_any_strategy(rows: bytes, strategy: int) -> None:
    stream = compressed(rows, strategy=strategy)
    parameters, correction = analysed(stream)
    assert made_again(rows, parameters, correction, len(stream)) == stream
    assert len(correction) <= 4


@pytest.mark.parametrize("window", [9, 10, 12, 14])
@pytest.mark.parametrize("memory", [1, 5, 9])
def test_zlib_costs_little_with_any_window_and_memory(rows: bytes, window: int, memory: int) -> None:
    stream = compressed(rows, window=window, memory=memory)
    parameters, correction = analysed(stream)
    assert made_again(rows, parameters, correction, len(stream)) == stream
    assert len(correction) <= 16


@pytest.mark.parametrize("seed", range(60))
def test_odd_streams_come_back(seed: int) -> None:
    stream, plain = odd_stream(seed)
    parameters = deflate.find_parameters(stream)
    correction = deflate.find_correction(stream, parameters)
    assert made_again(plain, parameters, correction, len(stream)) == stream


def test_any_parameters_give_a_stream_again(rows: bytes) -> None:
    stream = compressed(rows[:20000], 9)
    for matcher in range(14):
        codes_first = matcher == 2
        parameters = bytes([matcher, 15, 15, 0, codes_first, 8, 0, 16, 0, 128, 0, 16, 0])
        correction = deflate.find_correction(stream, parameters)
        assert made_again(rows[:20000], parameters, correction, len(stream)) == stream, matcher


@pytest.mark.parametrize("piece", [1, 777, 40000, 1 << 20])
def test_pieces_of_any_size_give_the_same_stream(rows: bytes, piece: int) -> None:
    plain = rows[:60000] if piece > 1 else rows[:2000]
    stream = compressed(plain)
    assert made_again(plain, *analysed(stream), len(stream), piece) == stream


def test_a_large_stream_slides_through_the_window() -> None:
    rng = np.random.default_rng(1)
    plain = np.cumsum(rng.integers(-2, 3, 1_500_000)).astype(np.uint8).tobytes()
    stream = compressed(plain, 1)
    parameters, correction = analysed(stream)
    assert made_again(plain, parameters, correction, len(stream)) == stream
    assert correction == b""


def test_one_set_of_parameters_serves_several_streams(rows: bytes) -> None:
    parameters = deflate.find_parameters(compressed(rows, 7))
    for at in range(0, len(rows), 20000):
        stream = compressed(rows[at : at + 20000], 7)
        assert deflate.find_correction(stream, parameters) == b""


def test_what_follows_a_stream_is_left_out(rows: bytes) -> None:
    stream = compressed(rows)
    facts = deflate.survey(stream + b"more")
    assert facts.stream_bytes == len(stream)
    assert facts.plain_bytes == len(rows)


@pytest.mark.parametrize("data", [b"", b"\7", b"\x06", b"\0\1\0\0\0", b"\x03", b"\x73\x04\x41\x00\x00"])
def test_what_is_no_stream_is_refused(data: bytes) -> None:
    assert not is_stream(data)
    with pytest.raises(DamagedError):
        deflate.survey(data)


def is_stream(data: bytes) -> bool:
    inflater = zlib.decompressobj(-15)
    try:
        inflater.decompress(data)
    except zlib.error:
        return False
    return inflater.eof


def test_a_stream_cut_anywhere_is_refused(rows: bytes) -> None:
    stream = compressed(rows[:600])
    for size in range(len(stream)):
        with pytest.raises(DamagedError):
            deflate.survey(stream[:size])


def test_damaged_streams_are_refused_or_come_back() -> None:
    rng = random.Random(5)
    for seed in range(80):
        damaged = bytearray(odd_stream(seed)[0])
        if not damaged:
            continue
        for _ in range(3):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        try:
            parameters, correction = analysed(bytes(damaged))
            size = deflate.survey(bytes(damaged)).stream_bytes
        except (DamagedError, NotWorthError):
            continue
        inflater = zlib.decompressobj(-15)
        try:
            plain = inflater.decompress(bytes(damaged))
        except zlib.error:  # zlib refuses codes that are not full, distances beyond its window
            continue
        assert made_again(plain, parameters, correction, size) == damaged[:size]


def test_damaged_corrections_end_in_an_error_or_a_stream() -> None:
    rng = random.Random(6)
    for seed in range(40):
        stream, plain = odd_stream(seed)
        parameters, correction = analysed(stream)
        for _ in range(20):
            damaged = bytearray(correction or b"\0")
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
            try:
                assert len(made_again(plain, parameters, bytes(damaged), len(stream))) <= len(stream)
            except DamagedError:
                continue


def test_random_corrections_end_in_an_error_or_a_stream() -> None:
    rng = random.Random(7)
    plain = plain_bytes(rng, 5000)
    for _ in range(200):
        parameters = bytes([rng.randrange(14), rng.randrange(5) << 5 | 15, 15, rng.randrange(128), rng.randrange(12)])
        numbers = b"".join(rng.randrange(1, 300).to_bytes(2, "little") for _ in range(3)) + bytes([rng.randrange(30)])
        try:
            made = made_again(plain, parameters + numbers, rng.randbytes(rng.randrange(40)), 6000)
        except DamagedError:
            continue
        assert len(made) <= 6000


@pytest.mark.parametrize(
    ("at", "value"), [(0, 14), (1, 0xAF), (1, 7), (1, 18), (2, 8), (2, 16), (3, 128), (4, 12), (11, 0), (12, 0x11)]
)
def test_parameters_out_of_range_are_refused(rows: bytes, at: int, value: int) -> None:
    parameters = bytearray(deflate.find_parameters(compressed(rows)))
    parameters[at] = value
    with pytest.raises(DamagedError):
        list(deflate.rebuild([rows], len(rows), bytes(parameters), b"", len(rows)))


def test_too_many_parameters_are_refused() -> None:
    with pytest.raises(DamagedError):
        list(deflate.rebuild([], 0, bytes(18), b"", 100))


@pytest.mark.parametrize("change", [-1, 1])
def test_other_plain_bytes_than_were_said_are_refused(rows: bytes, change: int) -> None:
    stream = compressed(rows[:3000])
    parameters, correction = analysed(stream)
    with pytest.raises(DamagedError):
        list(deflate.rebuild([rows[: 3000 + change]], 3000, parameters, correction, len(stream)))


def test_a_stream_that_becomes_too_long_is_refused(rows: bytes) -> None:
    stream = compressed(rows)
    parameters, correction = analysed(stream)
    for most in (0, 1, 2, 100, len(stream) - 1):
        with pytest.raises(DamagedError):
            made_again(rows, parameters, correction, most)


def test_empty_blocks_without_end_are_refused() -> None:
    empty = b"\0\0\0\xff\xff"
    with pytest.raises(NotWorthError):
        analysed(empty * 1100 + b"\1\0\0\xff\xff")


def test_a_correction_is_given_back_when_the_source_fails_behind_the_stream(
    rows: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The core has found a correction by then, and nobody else would free it."""

    class Failing:
        def __getitem__(self, part: slice) -> bytes:
            if part.start >= len(stream):
                raise OSError("gone")
            return stream[part]

    class Counting:
        def __getattr__(self, name: str) -> object:
            return free if name == "hpac_deflate_free_bytes" else getattr(library, name)

    def free(found: object) -> None:
        freed.append(bool(found))
        library.hpac_deflate_free_bytes(found)

    stream, library, freed = compressed(rows, 9), deflate._library(), []
    parameters = deflate.find_parameters(stream)
    monkeypatch.setattr(deflate, "_library", Counting)
    with pytest.raises(OSError, match="gone"):
        deflate.find_correction(Failing(), parameters)
    assert freed == [True]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="signals of timers are POSIX")
def test_what_a_signal_raises_while_a_stream_is_read_is_raised() -> None:
    """It comes up wherever the interpreter runs next: as the core calls for the next piece."""
    rng = np.random.default_rng(5)
    stream = zlib.compress(rng.integers(0, 40, 4_000_000, np.uint8).tobytes(), 6)[2:-4]
    parameters = deflate.find_parameters(stream)

    def stop(_number: int, _frame: object) -> None:
        raise InterruptedError("by the timer")

    before = signal.signal(signal.SIGALRM, stop)
    try:
        for delay in (0.01, 0.02, 0.03):
            signal.setitimer(signal.ITIMER_REAL, delay)
            with pytest.raises(InterruptedError, match="by the timer"):
                deflate.find_correction(stream, parameters)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_stream_is_rebuilt_in_little_memory() -> None:
    plain = bytes(20_000_000)
    stream = compressed(plain)
    parameters, correction = analysed(stream)
    assert correction == b""
    pieces = (memoryview(plain)[at : at + 100_000] for at in range(0, len(plain), 100_000))
    tracemalloc.start()
    assert sum(map(len, deflate.rebuild(pieces, len(plain), parameters, correction, len(stream)))) == len(stream)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("raw", [False, True])
def test_heads_and_checksums_come_back(rows: bytes, raw: bool) -> None:
    stream = compressed(rows) if raw else zlib.compress(rows, 9)
    made = find_recipe_and_correction(stream + b"tail", raw=raw)
    assert made is not None
    assert b"".join(rebuild([rows[:50], rows[50:]], len(rows), *made, len(stream))) == stream


def test_a_stream_with_another_head_has_another_recipe(rows: bytes) -> None:
    from hpac_cli.images.deflate import find_correction

    stream = zlib.compress(rows, 9)
    assert find_correction(stream, Recipe(b"\x78\x9c", deflate.find_parameters(stream[2:]))) is None
