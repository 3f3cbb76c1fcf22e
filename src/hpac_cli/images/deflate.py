"""With which parameters was a deflate stream made? Found by trial, so that it can be made again.

Most writers use zlib; its output follows from the data, level, window, memory level and
strategy. Other compressors are not reproduced, and `find_parameters` says so.
Source: RFC 1950 and 1951; zlib's manual, deflateInit2.
"""

import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from hpac_cli.errors import InputError, LimitExceededError

_PIECE = 1 << 16
"""Bytes that are compressed before the stream is compared so far."""
_LEVELS = ((1, 0), (5, 4, 3, 2), (6,), (9, 8, 7))
"""Levels by the two bits that a zlib header has for them."""
_ALL_LEVELS = (6, 9, 1, 2, 3, 4, 5, 7, 8, 0)
_MEMORY = (8, 9)
_MATCHING = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED)
_SIMPLE = (zlib.Z_RLE, zlib.Z_HUFFMAN_ONLY, zlib.Z_FIXED)
"""Strategies for which zlib writes the two bits of the lowest level."""


class Parameters(NamedTuple):
    """What zlib needs to make the same stream again."""

    head: bytes
    """The two bytes that begin a zlib stream; empty for raw deflate."""
    level: int
    window_bits: int
    memory: int
    strategy: int


FRESH = Parameters(b"\x78\xda", 9, 15, 9, zlib.Z_DEFAULT_STRATEGY)
"""For streams that are made anew."""


def compress(data: bytes, parameters: Parameters) -> bytes:
    """Compress to a zlib stream, or to raw deflate if parameters have no head."""
    return compress_pieces([data], parameters)


def compress_pieces(pieces: Iterable[Any], parameters: Parameters) -> bytes:
    """Compress buffers that follow one another, to one stream."""
    body, adler, coded = _compressor(parameters), 1, [parameters.head]
    for piece in pieces:
        adler = zlib.adler32(piece, adler)
        coded.append(body.compress(piece))
    coded.append(body.flush())
    return b"".join([*coded, adler.to_bytes(4, "big")] if parameters.head else coded)


def decompress(coded: bytes, limit: int, *, raw: bool = False) -> tuple[bytes, bytes]:
    """Inflate one stream; return the data, at most `limit` bytes, and what follows the stream.

    Raises:
        InputError: damaged, or cut short.
        LimitExceededError: it holds more.
    """
    inflater = zlib.decompressobj(-15 if raw else 15)
    try:
        data = inflater.decompress(coded, limit + 1)
    except zlib.error as error:
        raise InputError(f"its samples cannot be inflated ({error})") from error
    if len(data) > limit:
        raise LimitExceededError(f"its samples inflate to more than {limit:,} bytes")
    if not inflater.eof:
        raise InputError(f"its samples end after {len(data):,} bytes, within the deflate stream")
    return data, inflater.unused_data


class Inflater:
    """Inflates a zlib stream in steps, so that its data never lie in memory as a whole."""

    def __init__(self, coded: memoryview) -> None:
        self._coded, self._at = coded, 0
        self._inflater = zlib.decompressobj()
        self._waiting = b""

    def read(self, count: int) -> bytes:
        """Inflate so many bytes; fewer only at the end of the stream.

        Raises:
            InputError: damaged, or cut short.
        """
        parts: list[bytes] = []
        while count and not self._inflater.eof:
            part = self._step(count)
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def finish(self) -> int:
        """Return how many bytes the stream has, of those given.

        Raises:
            InputError: damaged, cut short, or it holds more data than were read.
        """
        while not self._inflater.eof:
            if self._step(1):
                raise InputError("its samples inflate to more than they should")
        return self._at - len(self._inflater.unused_data)

    def _step(self, count: int) -> bytes:
        piece = self._waiting or bytes(self._coded[self._at : self._at + _PIECE])
        if not self._waiting:
            self._at += len(piece)
        try:
            part = self._inflater.decompress(piece, count)
        except zlib.error as error:
            raise InputError(f"its samples cannot be inflated ({error})") from error
        self._waiting = self._inflater.unconsumed_tail
        if not part and not piece and not self._inflater.eof:
            raise InputError("its samples end within the deflate stream")
        return part


def find_parameters(coded: bytes, data: bytes, *, raw: bool = False) -> Parameters | None:
    """Find the parameters with which zlib turns data into exactly the stream `coded`; None if none do."""
    return find_parameters_of(memoryview(coded), lambda: iter([data]), len(data), raw=raw)


def find_parameters_of(
    coded: memoryview, pieces: Callable[[], Iterator[Any]], size: int, *, raw: bool = False
) -> Parameters | None:
    """Find parameters as find_parameters does, for data that come in pieces, and are made again for each trial.

    Args:
        size: of all pieces together, in bytes.
    """
    head = b"" if raw else bytes(coded[:2])
    body = coded[len(head) :]
    candidates = _candidates(head, unlikely=size <= _PIECE)
    return next((p for p in candidates if _makes(p, pieces(), body)), None)


def _makes(parameters: Parameters, pieces: Iterator[Any], body: memoryview) -> bool:
    """Whether parameters turn data into this body; wrong ones show early."""
    compressor, at, adler = _compressor(parameters), 0, 1
    for piece in pieces:
        flat = memoryview(piece).cast("B")
        for start in range(0, len(flat), _PIECE):
            part = flat[start : start + _PIECE]
            made = compressor.compress(part)
            if body[at : at + len(made)] != made:
                return False
            at += len(made)
            adler = zlib.adler32(part, adler)
    return body[at:] == compressor.flush() + (adler.to_bytes(4, "big") if parameters.head else b"")


def _candidates(head: bytes, *, unlikely: bool) -> Iterator[Parameters]:
    """Those for which zlib writes such a header, likely ones first; then all others, if asked for."""
    windows = [w for w in dict.fromkeys((15, max(9, (head[0] >> 4) + 8))) if w <= 15] if head else [15]
    flag = head[1] >> 6 if head else 0
    kinds: list[tuple[tuple[int, ...], tuple[int, ...]]] = [(_MATCHING, _LEVELS[flag] if head else _ALL_LEVELS)]
    if flag == 0 or unlikely:
        kinds.append((_SIMPLE, _ALL_LEVELS))
    if unlikely:
        kinds.append((_MATCHING, _ALL_LEVELS))
    for strategies, levels in kinds:
        for strategy, level, memory, window in itertools.product(strategies, levels, _MEMORY, windows):
            yield Parameters(head, level, window, memory, strategy)


def _compressor(parameters: Parameters) -> "zlib._Compress":
    return zlib.compressobj(
        parameters.level, zlib.DEFLATED, -parameters.window_bits, parameters.memory, parameters.strategy
    )
