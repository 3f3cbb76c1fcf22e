"""Finds corrections of odd streams, and of sources that change while they are read; rebuilds, and from damaged corrections.

test_sanitized.py runs this with a library that is built with sanitizers, which end the process at the first find.

python tests/sanitized_deflate.py
"""

import contextlib
import itertools
import random
import zlib
from collections.abc import Sequence

from deflate_streams import FIXED, Bits, odd_stream, plain_bytes, put_tokens

from hpac_cli import deflate

COUNT = 12
MATCHERS = 14
CHEAPEST = 2


def writer(matcher: int) -> bytes:
    """Parameters with small tables and short searches."""
    return bytes([matcher, 15, 15, 0, int(matcher == CHEAPEST), 8, 0, 16, 0, 128, 0, 16, 0])


def rebuild(plain: bytes, parameters: bytes, correction: bytes, most: int) -> bytes:
    pieces = (plain[at : at + 1000] for at in range(0, len(plain), 1000))
    return b"".join(deflate.rebuild(pieces, len(plain), parameters, correction, most))


class Changing:
    """A source that gives other streams in its later readings; each of its streams is read with one call."""

    def __init__(self, streams: Sequence[bytes]) -> None:
        self._streams, self._readings = streams, -1

    def __getitem__(self, part: slice) -> bytes:
        self._readings += part.start == 0
        return self._streams[self._readings % len(self._streams)][part]


def compressed(plain: bytes) -> bytes:
    body = zlib.compressobj(9, zlib.DEFLATED, -15)
    return body.compress(plain) + body.flush()


def blocks(*tokens: Sequence[tuple[int, int]]) -> bytes:
    """A stream of blocks with the fixed code."""
    bits = Bits()
    for number, of_block in enumerate(tokens):
        bits.put(number == len(tokens) - 1, 1)
        bits.put(1, 2)
        put_tokens(bits, of_block, FIXED, [5] * 30)
    return bits.bytes()


def stored(plain: bytes) -> bytes:
    """A stream of stored blocks."""
    parts = [plain[at : at + 65535] for at in range(0, len(plain), 65535)]
    heads = [len(part).to_bytes(2, "little") + (len(part) ^ 65535).to_bytes(2, "little") for part in parts]
    return b"".join(bytes([part is parts[-1]]) + head + part for part, head in zip(parts, heads, strict=True))


def read_what_changes(rng: random.Random) -> None:
    """Whatever other stream a later reading gives: more plain bytes, fewer, more blocks, longer tokens."""
    noise, literals = plain_bytes(rng, 1000), [(1, 97)] * 1000
    streams = (
        compressed(noise),
        compressed(bytes(200_000)),
        stored(plain_bytes(rng, 100_000)),
        blocks(literals),
        blocks(literals[:1] + [(258, 1)] * 999),
        blocks(literals[:1]),
        blocks(literals[:1], *[[]] * 500),
    )
    for first, other in itertools.permutations(streams, 2):
        for order in ((first, other, other), (first, first, other), (first, other, first)):
            for matcher in (3, CHEAPEST):
                with contextlib.suppress(deflate.DamagedError, deflate.NotWorthError):
                    deflate.find_correction(Changing(order), writer(matcher))
        with contextlib.suppress(deflate.DamagedError, deflate.NotWorthError):
            deflate.find_parameters(Changing((first, other)))


def main() -> None:
    """Run as a command."""
    rng = random.Random(1)
    for seed in range(COUNT):
        stream, plain = odd_stream(seed)
        for parameters in (deflate.find_parameters(stream), writer(seed % MATCHERS)):
            correction = deflate.find_correction(stream + b"tail", parameters)
            assert rebuild(plain, parameters, correction, len(stream)) == stream
            for most in range(0, min(len(stream), 200)):
                with contextlib.suppress(deflate.DamagedError):
                    rebuild(plain[:4000], parameters, correction, most)
            damaged = bytearray(correction or b"\0")
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
            with contextlib.suppress(deflate.DamagedError):
                rebuild(plain, parameters, bytes(damaged), len(stream))
        broken = bytearray(stream or b"\0")
        broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        with contextlib.suppress(deflate.DamagedError, deflate.NotWorthError):
            deflate.find_correction(bytes(broken), writer(seed % MATCHERS))
    read_what_changes(rng)
    long = plain_bytes(rng, 300_000)
    for matcher in range(MATCHERS):
        body = zlib.compressobj(1 + matcher % 9, zlib.DEFLATED, -15)
        stream = body.compress(long) + body.flush()
        correction = deflate.find_correction(stream, writer(matcher))
        assert rebuild(long, writer(matcher), correction, len(stream)) == stream
    print("deflate")


if __name__ == "__main__":
    main()
