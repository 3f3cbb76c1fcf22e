"""One codestream in several items of encapsulated DICOM pixel data.

Source: DICOM PS3.5, A.4.
"""

import itertools
import struct
from collections.abc import Sequence

from hpac_cli.errors import InputError

_ITEM = struct.Struct("<HHI")
_GROUP, _ELEMENT = 0xFFFE, 0xE000


def join(coded: bytes, lengths: Sequence[int]) -> bytes:
    """Take the headers of all items but the first out of what lies from the first item's value on.

    Args:
        lengths: of the items, as their headers tell; none if there is but one.

    Raises:
        InputError: the items are not there.
    """
    parts, at = [], 0
    for length, following in itertools.pairwise(lengths):
        parts.append(coded[at : at + length])
        at += length
        if coded[at : at + _ITEM.size] != _ITEM.pack(_GROUP, _ELEMENT, following):
            raise InputError("an item of pixel data is not where it should be")
        at += _ITEM.size
    return b"".join([*parts, coded[at:]])


def separate(stream: bytes, lengths: Sequence[int]) -> bytes:
    """Undo join."""
    parts, at = [], 0
    for length, following in itertools.pairwise(lengths):
        parts += [stream[at : at + length], _ITEM.pack(_GROUP, _ELEMENT, following)]
        at += length
    return b"".join([*parts, stream[at:]])
