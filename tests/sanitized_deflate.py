"""Finds corrections of odd streams, rebuilds these, and rebuilds from damaged corrections; test_sanitized.py runs this with
a library that is built with sanitizers, which end the process at the first find.

python tests/sanitized_deflate.py
"""

import contextlib
import random
import zlib

from deflate_streams import odd_stream, plain_bytes

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
    long = plain_bytes(rng, 300_000)
    for matcher in range(MATCHERS):
        body = zlib.compressobj(1 + matcher % 9, zlib.DEFLATED, -15)
        stream = body.compress(long) + body.flush()
        correction = deflate.find_correction(stream, writer(matcher))
        assert rebuild(long, writer(matcher), correction, len(stream)) == stream
    print("deflate")


if __name__ == "__main__":
    main()
