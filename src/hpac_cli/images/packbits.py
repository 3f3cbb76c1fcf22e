"""PackBits, the byte-run code of TIFF and of DICOM's RLE.

Source: TIFF 6.0, section 9; DICOM PS3.5, annex G.3.1.
"""

import numpy as np
from numpy.typing import NDArray

_LONGEST = 128
_WAYS = 5
_NEVER, _ALWAYS, _FIRST, _BEFORE_RUNS, _AT_END = range(_WAYS)
"""When runs of two end a literal: never; always; where none is open; there too, and before another run (libtiff); at the
end of a row (DCMTK, which writes a single byte that is left of a longer run by itself)."""
NUM_VARIANTS = 2 * _WAYS
"""Of writers: these ways, with runs that end with their row, and then with those that reach into the next."""


def unpack_runs(coded: bytes, limit: int) -> bytes:
    """Undo PackBits until `limit` bytes are there or the code ends."""
    out = bytearray()
    at, end = 0, len(coded)
    while at < end and len(out) < limit:
        head = coded[at]
        if head < 128:
            out += coded[at + 1 : at + 2 + head]
            at += 2 + head
        elif head > 128:
            out += coded[at + 1 : at + 2] * (257 - head)
            at += 2
        else:
            at += 1
    return bytes(out[:limit])


def pack_rows(rows: NDArray[np.uint8], variant: int) -> bytes:
    """Code rows, (H, N), as a writer of that variant does."""
    joined = rows.reshape(1, -1) if variant >= _WAYS else rows
    return b"".join(_pack_row(row, variant % _WAYS) for row in joined)


def _pack_row(row: NDArray[np.uint8], way: int) -> bytes:
    edges = (np.flatnonzero(row[1:] != row[:-1]) + 1).tolist()
    data, out = row.tobytes(), bytearray()
    literal = 0  # where bytes begin that wait to be written as they are
    ends = [*edges, len(row)]
    for start, end, next_end in zip([0, *edges], ends, [*ends[1:], len(row)], strict=True):
        if end - start < 2 or (
            end - start == 2 and not _ends_literal(way, (start - literal) % _LONGEST, next_end - end)
        ):
            continue
        _put_literal(out, data[literal:start])
        while end - start > 1:
            length = min(end - start, _LONGEST)
            out += bytes([257 - length, data[start]])
            start += length
        if way == _AT_END and start < end:
            _put_literal(out, data[start:end])
            start = end
        literal = start
    _put_literal(out, data[literal:])
    return bytes(out)


def _ends_literal(way: int, waiting: int, following: int) -> bool:
    """Whether a run of two is written as such.

    Args:
        waiting: bytes of the literal that is open before it.
        following: bytes of the run behind it; 0 at the end of the row.
    """
    if way in (_NEVER, _AT_END):
        return way == _AT_END and not following
    if way == _BEFORE_RUNS:
        return following != 1 or not 0 < waiting < _LONGEST - 1
    return way == _ALWAYS or not waiting


def _put_literal(out: bytearray, data: bytes) -> None:
    for at in range(0, len(data), _LONGEST):
        part = data[at : at + _LONGEST]
        out += bytes([len(part) - 1]) + part
