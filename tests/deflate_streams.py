"""Raw deflate streams that no program writes, but every inflater takes: odd tokens, codes, runs and blocks."""

import random
import zlib
from collections.abc import Sequence

ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
LENGTHS = [(3 + i, 0) for i in range(8)] + [(((4 + i % 4) << (i // 4 + 1)) + 3, i // 4 + 1) for i in range(20)]
DISTANCES = [(1 + i, 0) for i in range(4)] + [((2 + i % 2 << i // 2 + 1) + 1, i // 2 + 1) for i in range(26)]
FIXED = [8] * 144 + [9] * 112 + [7] * 24 + [8] * 8


class Bits:
    """Bits, lowest first."""

    def __init__(self) -> None:
        self.value, self.count = 0, 0

    def put(self, value: int, count: int) -> None:
        self.value |= value << self.count
        self.count += count

    def align(self) -> None:
        self.count += -self.count % 8

    def bytes(self) -> bytes:
        return self.value.to_bytes(-(-self.count // 8), "little")


def codes_of(lengths: Sequence[int]) -> list[int]:
    """Canonical codes, as they stand in a stream."""
    code, codes = 0, [0] * len(lengths)
    for bits in range(1, 16):
        code <<= 1
        for symbol, length in enumerate(lengths):
            if length == bits:
                codes[symbol] = int(f"{code:0{bits}b}"[::-1], 2)
                code += 1
    return codes


def lengths_for(rng: random.Random, used: set[int], count: int, most: int) -> list[int]:
    """Random code lengths, not the best ones, for at least the symbols in use."""
    symbols = sorted(used | {s for s in range(count) if rng.random() < 0.1} | {0, 1})
    rng.shuffle(symbols)
    leaves = [1, 1]
    while len(leaves) < len(symbols):
        open_leaves = [i for i, depth in enumerate(leaves) if depth < most]
        leaf = rng.choice(open_leaves)
        leaves[leaf] += 1
        leaves.append(leaves[leaf])
    lengths = [0] * count
    for symbol, depth in zip(symbols, leaves, strict=True):
        lengths[symbol] = depth
    return lengths


def runs_of(rng: random.Random, lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Code lengths as symbols and their extra bits, runs of any length."""
    runs, at = [], 0
    while at < len(lengths):
        same = 1
        while at + same < len(lengths) and lengths[at + same] == lengths[at]:
            same += 1
        if lengths[at] == 0 and same >= 3 and rng.random() < 0.9:
            count = min(rng.randint(3, same), 138)
            runs.append((17, count - 3) if count < 11 else (18, count - 11))
        elif at and lengths[at - 1] == lengths[at] and same >= 3 and rng.random() < 0.9:
            count = min(rng.randint(3, same), 6)
            runs.append((16, count - 3))
        else:
            count = 1
            runs.append((lengths[at], 0))
        at += count
    return runs


def tokens_of(rng: random.Random, plain: bytes, begin: int, end: int) -> list[tuple[int, int]]:
    """Lengths and distances, (1, byte) for literals; 259 is 258 bytes by symbol 284."""
    tokens, at = [], begin
    while at < end:
        token = (1, plain[at])
        if at and rng.random() < 0.7:
            for _ in range(20):
                distance = rng.randint(1, min(at, 32768, rng.choice((4, 40, 40000))))
                length = 0
                while length < min(258, end - at) and plain[at + length] == plain[at + length - distance]:
                    length += 1
                if length >= 3:
                    length = rng.choice((length, rng.randint(3, length)))
                    token = (259 if length == 258 and rng.random() < 0.5 else length, distance)
                    break
        tokens.append(token)
        at += min(token[0], 258)
    return tokens


def put_tokens(bits: Bits, tokens: Sequence[tuple[int, int]], litlen: Sequence[int], dist: Sequence[int]) -> None:
    codes, far_codes = codes_of(litlen), codes_of(dist)
    for length, distance in tokens:
        if length == 1:
            bits.put(codes[distance], litlen[distance])
            continue
        symbol = length_symbol(length)
        base, extra = (258, 0) if symbol == 28 else LENGTHS[symbol]
        bits.put(codes[257 + symbol], litlen[257 + symbol])
        bits.put(min(length, 258) - base, extra)
        far = max(s for s, (first, _) in enumerate(DISTANCES) if first <= distance)
        bits.put(far_codes[far], dist[far])
        bits.put(distance - DISTANCES[far][0], DISTANCES[far][1])
    bits.put(codes[256], litlen[256])


def length_symbol(length: int) -> int:
    if length == 258:
        return 28
    return max(s for s, (first, _) in enumerate(LENGTHS) if first <= min(length, 258))


def put_dynamic(rng: random.Random, bits: Bits, tokens: Sequence[tuple[int, int]]) -> None:
    used = {256} | {d if length == 1 else 257 + length_symbol(length) for length, d in tokens}
    far = {max(s for s, (f, _) in enumerate(DISTANCES) if f <= d) for length, d in tokens if length > 1}
    litlen, dist = lengths_for(rng, used, 286, 15), lengths_for(rng, far, 30, 15)
    runs = runs_of(rng, litlen + dist)
    pre = lengths_for(rng, {symbol for symbol, _ in runs}, 19, 7)
    codes = codes_of(pre)
    bits.put(286 - 257, 5)
    bits.put(30 - 1, 5)
    bits.put(19 - 4, 4)
    for symbol in ORDER:
        bits.put(pre[symbol], 3)
    for symbol, extra in runs:
        bits.put(codes[symbol], pre[symbol])
        bits.put(extra, {16: 2, 17: 3, 18: 7}.get(symbol, 0))
    put_tokens(bits, tokens, litlen, dist)


def plain_bytes(rng: random.Random, count: int) -> bytes:
    """Bytes with copies in them, near and far."""
    out = bytearray()
    values = rng.choice((2, 5, 256))
    while len(out) < count:
        if len(out) > 10 and rng.random() < 0.3:
            source, length = rng.randrange(len(out)), rng.randint(3, 300)
            for k in range(length):
                out.append(out[source + k])
        else:
            out.append(rng.randrange(values))
    return bytes(out[:count])


def odd_stream(seed: int) -> tuple[bytes, bytes]:
    """A stream and its plain bytes."""
    rng = random.Random(seed)
    plain, bits, at = plain_bytes(rng, rng.randrange(6000)), Bits(), 0
    while True:
        end = min(len(plain), at + rng.choice((0, rng.randrange(200), rng.randrange(4000))))
        final, kind = end == len(plain) and rng.random() < 0.7, rng.randrange(3)
        bits.put(final, 1)
        bits.put(kind, 2)
        if kind == 0:
            if rng.random() < 0.3:
                bits.put(rng.randrange(256) & (1 << -bits.count % 8) - 1, -bits.count % 8)
            bits.align()
            bits.put(end - at, 16)
            bits.put(end - at ^ 0xFFFF, 16)
            bits.put(int.from_bytes(plain[at:end], "little"), 8 * (end - at))
        elif kind == 1:
            put_tokens(bits, tokens_of(rng, plain, at, end), FIXED, [5] * 30)
        else:
            put_dynamic(rng, bits, tokens_of(rng, plain, at, end))
        at = end
        if final:
            break
    if rng.random() < 0.3:
        bits.put(rng.randrange(256) & (1 << -bits.count % 8) - 1, -bits.count % 8)
    stream = bits.bytes()
    assert zlib.decompress(stream, -15) == plain
    return stream, plain
