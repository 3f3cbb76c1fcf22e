"""With which parameters was a deflate stream made? Found by trial, so that it can be made again.

Most writers use zlib; its output follows from the data, level, window, memory level and
strategy. Other compressors are not reproduced, and `find_parameters` says so.
Source: RFC 1950 and 1951; zlib's manual, deflateInit2.
"""

import itertools
import zlib
from collections.abc import Iterator
from typing import NamedTuple

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
    body = _compressor(parameters)
    coded = parameters.head + body.compress(data) + body.flush()
    return coded + zlib.adler32(data).to_bytes(4, "big") if parameters.head else coded


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


def find_parameters(coded: bytes, data: bytes, *, raw: bool = False) -> Parameters | None:
    """Find the parameters with which zlib turns data into exactly the stream `coded`; None if none do."""
    head = b"" if raw else coded[:2]
    body = memoryview(coded)[len(head) :]
    adler = zlib.adler32(data).to_bytes(4, "big") if head else b""
    return next((p for p in _candidates(head, unlikely=len(data) <= _PIECE) if _makes(p, data, body, adler)), None)


def _makes(parameters: Parameters, data: bytes, body: memoryview, adler: bytes) -> bool:
    """Whether parameters turn data into this body; wrong ones show early."""
    compressor, at = _compressor(parameters), 0
    for start in range(0, len(data), _PIECE):
        made = compressor.compress(data[start : start + _PIECE])
        if body[at : at + len(made)] != made:
            return False
        at += len(made)
    return body[at:] == compressor.flush() + adler


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
