"""TIFF's LZW, both ways: the coder comes in the variants that writers in use have.

Writers differ in when they begin a new table and in how wide the last code is; which of them made
a segment is found by trial.
Source: TIFF 6.0, section 13; libtiff clears its table early when compression becomes worse.
"""

from typing import NamedTuple

from hpac_cli.errors import InputError

_CLEAR, _END, _FIRST = 256, 257, 258
_NARROWEST, _WIDEST = 9, 12
_CHECK_EVERY = 10_000


class Variant(NamedTuple):
    """How a writer's coder behaves."""

    full: int
    """A new table begins before this code would be given out."""
    checks: bool
    """A new table begins where the last 10,000 bytes compressed worse (libtiff)."""
    counts_last: bool
    """The code before the end counts for the width of the end code."""


VARIANTS = tuple(
    Variant(full, checks, counts_last)
    for full in (4094, 4095, 4093, 4096)
    for checks in (True, False)
    for counts_last in (True, False)
)


class _BitWriter:
    def __init__(self) -> None:
        self.out = bytearray()
        self._waiting = self._bits = 0
        self.written = 0

    def put(self, code: int, width: int) -> None:
        self._waiting = self._waiting << width | code
        self._bits += width
        self.written += width
        while self._bits >= 8:
            self._bits -= 8
            self.out.append(self._waiting >> self._bits & 255)
        self._waiting &= (1 << self._bits) - 1

    def finish(self) -> bytes:
        if self._bits:
            self.out.append(self._waiting << 8 - self._bits & 255)
        return bytes(self.out)


def compress(data: bytes, variant: Variant) -> bytes:
    """Code a segment as a writer of that variant does."""
    writer = _BitWriter()
    writer.put(_CLEAR, _NARROWEST)
    if not data:
        writer.put(_END, _NARROWEST)
        return writer.finish()
    table: dict[int, int] = {}
    following, width = _FIRST, _NARROWEST
    count, best, checkpoint = 1, 0, _CHECK_EVERY
    writer.written = _NARROWEST
    prefix = data[0]
    for byte in data[1:]:
        count += 1
        key = prefix << 8 | byte
        known = table.get(key)
        if known is not None:
            prefix = known
            continue
        writer.put(prefix, width)
        prefix = byte
        table[key] = following
        following += 1
        clear = following == variant.full
        if not clear and following > (1 << width) - 1 and width < _WIDEST:
            width += 1
        elif not clear and variant.checks and count >= checkpoint:
            checkpoint = count + _CHECK_EVERY
            ratio = (count << 8) // writer.written
            clear = ratio <= best
            best = ratio
        if clear:
            count = best = writer.written = 0
            writer.put(_CLEAR, width)
            table.clear()
            following, width = _FIRST, _NARROWEST
    writer.put(prefix, width)
    if variant.counts_last:
        following += 1
        if following == variant.full:
            writer.put(_CLEAR, width)
            width = _NARROWEST
        elif following > (1 << width) - 1 and width < _WIDEST:
            width += 1
    writer.put(_END, width)
    return writer.finish()


def decompress(coded: bytes, limit: int) -> bytes:
    """Decode a segment until its end code, the end of the data, or `limit` bytes.

    Raises:
        InputError: a code does not exist.
    """
    return _decode(coded, limit)[0][:limit]


def has_spare_bytes(coded: bytes, size: int) -> bool:
    """Whether a segment holds more than the codes of so many bytes, an end code, and zero bits that fill its last byte.

    Raises:
        InputError: a code does not exist.
    """
    plain, used, width = _decode(coded, size)
    count = 8 * len(coded) - used
    left = int.from_bytes(coded[used // 8 :], "big") & (1 << count) - 1
    for end_width in (width, width + 1, width - 1):  # writers differ
        if count >= end_width and left >> count - end_width == _END:
            count -= end_width
            left &= (1 << count) - 1
            break
    return len(plain) > size or count >= 8 or left != 0


def _decode(coded: bytes, limit: int) -> tuple[bytes, int, int]:
    """Decode as decompress does; all that the last code stands for, the bits read, and the width of the next code."""
    out = bytearray()
    table: list[bytes] = []
    width, previous = _NARROWEST, b""
    waiting = bits = at = 0
    while len(out) < limit:
        while bits < width:
            if at >= len(coded):
                return bytes(out), 8 * at - bits, width
            waiting = waiting << 8 | coded[at]
            bits += 8
            at += 1
        bits -= width
        code = waiting >> bits
        waiting &= (1 << bits) - 1
        if code == _CLEAR:
            table = [bytes([i]) for i in range(256)] + [b"", b""]
            width, previous = _NARROWEST, b""
            continue
        if code == _END:
            break
        if code < len(table):
            entry = table[code]
        elif previous and code == len(table):
            entry = previous + previous[:1]
        else:
            raise InputError("an LZW segment has a code that does not exist")
        out += entry
        if previous and len(table) < 4096:
            table.append(previous + entry[:1])
        width = min(max(_NARROWEST, (len(table) + 1).bit_length()), _WIDEST)
        previous = entry
    return bytes(out), 8 * at - bits, width


def find_variant(coded: bytes, data: bytes) -> int | None:
    """Number of the variant that codes data as this segment, but for bytes behind its end; or None."""
    return next((i for i, variant in enumerate(VARIANTS) if coded.startswith(compress(data, variant))), None)
