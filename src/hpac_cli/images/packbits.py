"""PackBits, the byte-run code of TIFF and of DICOM's RLE.

Source: TIFF 6.0, section 9; DICOM PS3.5, annex G.3.1.
"""

import numpy as np
from numpy.typing import NDArray

from hpac_cli.segments import NUM_RUN_WAYS, packbits_decode, packbits_encode

NUM_VARIANTS = 2 * NUM_RUN_WAYS
"""Of writers: the ways of runs of two, with runs that end with their row, and then with those that reach into the next."""


def unpack_runs(coded: bytes, limit: int) -> bytes:
    """Undo PackBits until `limit` bytes are there or the code ends."""
    return packbits_decode(coded, limit)


def pack_rows(rows: NDArray[np.uint8], variant: int) -> bytes:
    """Code rows, (H, N), as a writer of that variant does."""
    return packbits_encode(rows.reshape(1, -1) if variant >= NUM_RUN_WAYS else rows, variant % NUM_RUN_WAYS)
