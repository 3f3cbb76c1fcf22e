"""TIFF's LZW, both ways: the coder comes in the variants that writers in use have.

Writers differ in when they begin a new table and in how wide the last code is; which of them made
a segment is found by trial.
Source: TIFF 6.0, section 13; libtiff clears its table early when compression becomes worse.
"""

from hpac_cli import segments
from hpac_cli.errors import InputError
from hpac_cli.segments import LzwWriter

_END = 257


VARIANTS = tuple(
    LzwWriter(full, checks, counts_last)
    for full in (4094, 4095, 4093, 4096)
    for checks in (True, False)
    for counts_last in (True, False)
)


def compress(data: bytes, variant: LzwWriter) -> bytes:
    """Code a segment as a writer of that variant does."""
    return segments.lzw_encode(data, variant)


def decompress(coded: bytes, limit: int) -> bytes:
    """Decode a segment until its end code, the end of the data, or `limit` bytes.

    Raises:
        InputError: a code does not exist.
    """
    return _decode(coded, limit).plain


def has_spare_bytes(coded: bytes, size: int) -> bool:
    """Whether a segment holds more than the codes of so many bytes, an end code, and zero bits that fill its last byte.

    Raises:
        InputError: a code does not exist.
    """
    decoded = _decode(coded, size)
    count = 8 * len(coded) - decoded.bits
    left = int.from_bytes(coded[decoded.bits // 8 :], "big") & (1 << count) - 1
    for end_width in (decoded.width, decoded.width + 1, decoded.width - 1):  # writers differ
        if count >= end_width and left >> count - end_width == _END:
            count -= end_width
            left &= (1 << count) - 1
            break
    return decoded.size > size or count >= 8 or left != 0


def _decode(coded: bytes, limit: int) -> segments.LzwDecoded:
    try:
        return segments.lzw_decode(coded, limit)
    except segments.DamagedError as error:
        raise InputError("an LZW segment has a code that does not exist") from error


def find_variant(coded: bytes, data: bytes) -> int | None:
    """Number of the variant that codes data as this segment, but for bytes behind its end; or None."""
    return next((i for i, variant in enumerate(VARIANTS) if coded.startswith(compress(data, variant))), None)
