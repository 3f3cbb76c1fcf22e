"""PackBits, the byte-run code of TIFF and of DICOM's RLE.

Source: TIFF 6.0, section 9; DICOM PS3.5, annex G.3.1.
"""

import numpy as np
from numpy.typing import NDArray

_LONGEST = 128
NUM_VARIANTS = 6
"""Ways of writers: runs of two end a literal never, always, or only where none is open; and runs
end with their row, or (from 3 on) reach into the next."""
_NEVER, _ALWAYS = 0, 1


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
    joined = rows.reshape(1, -1) if variant >= 3 else rows
    return b"".join(_pack_row(row, variant % 3) for row in joined)


def _pack_row(row: NDArray[np.uint8], variant: int) -> bytes:
    edges = (np.flatnonzero(row[1:] != row[:-1]) + 1).tolist()
    data, out = row.tobytes(), bytearray()
    literal = 0  # where bytes begin that wait to be written as they are
    for start, end in zip([0, *edges], [*edges, len(row)], strict=True):
        shortest = 2 if variant == _ALWAYS or (variant != _NEVER and literal == start) else 3
        if end - start < shortest:
            continue
        _put_literal(out, data[literal:start])
        while end - start > 1:
            length = min(end - start, _LONGEST)
            out += bytes([257 - length, data[start]])
            start += length
        literal = start
    _put_literal(out, data[literal:])
    return bytes(out)


def _put_literal(out: bytearray, data: bytes) -> None:
    for at in range(0, len(data), _LONGEST):
        part = data[at : at + _LONGEST]
        out += bytes([len(part) - 1]) + part
