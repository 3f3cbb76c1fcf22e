"""Deflate streams of image files: inflated, and made again to the byte from a recipe and corrections.

The recipe is that of a writer, the same for all streams of a page; a correction belongs to one stream. zlib is only
used where its output does not matter: to inflate, and for streams that are made anew.
Source: RFC 1950 and 1951.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from hpac_cli import deflate
from hpac_cli.errors import InputError, LimitExceededError

_PIECE = 1 << 16
"""Bytes that are inflated at once."""
_HEAD_BYTES, _CHECKSUM_BYTES = 2, 4
MAX_INFLATION = 1100
"""No deflate stream grows by more; an image that would claims too much."""


class Recipe(NamedTuple):
    """How streams of one writer are made again."""

    head: bytes
    """The two bytes that begin a zlib stream; empty for raw deflate."""
    parameters: bytes
    """Of the writer, as docs/format.md describes them."""

    @property
    def is_raw(self) -> bool:
        return not self.head


def compress_anew(pieces: Iterable[Any]) -> bytes:
    """Make a zlib stream that need not be like any other."""
    body = zlib.compressobj(9, zlib.DEFLATED, 15, 9)
    return b"".join([*map(body.compress, pieces), body.flush()])


def compress_raw(data: bytes) -> bytes:
    """The same as raw deflate."""
    return compress_anew([data])[_HEAD_BYTES:-_CHECKSUM_BYTES]


def find_recipe(coded: Any, *, raw: bool = False) -> Recipe | None:
    """Find how streams like this one are made; None if that is not worth while, or it is damaged.

    Args:
        coded: a zlib stream, or raw deflate, in anything whose slices are buffers; more may follow it.
    """
    size = 0 if raw else _HEAD_BYTES
    try:
        return Recipe(bytes(coded[:size]), deflate.find_parameters(coded, size))
    except (deflate.DamagedError, deflate.NotWorthError):
        return None


def find_correction(coded: Any, recipe: Recipe) -> bytes | None:
    """Find what this stream has that its recipe does not say; None as find_recipe, or if it begins otherwise.

    Args:
        coded: the stream; more may follow it. Its checksum is not looked at.
    """
    size = len(recipe.head)
    if coded[:size] != recipe.head:
        return None
    try:
        return deflate.find_correction(coded, recipe.parameters, size)
    except (deflate.DamagedError, deflate.NotWorthError):
        return None


def find_recipe_and_correction(coded: Any, *, raw: bool = False) -> tuple[Recipe, bytes] | None:
    """Find both, for a stream that has a recipe of its own."""
    recipe = find_recipe(coded, raw=raw)
    correction = find_correction(coded, recipe) if recipe else None
    return None if recipe is None or correction is None else (recipe, correction)


def rebuild(pieces: Iterable[Any], size: int, recipe: Recipe, correction: bytes, most_bytes: int) -> Iterator[bytes]:
    """Make a stream again, piece by piece; only when all are taken is it known to be whole.

    Args:
        pieces: its data, in buffers that follow one another.
        size: of all of them, in bytes.
        recipe: of the writer.
        correction: of the stream.
        most_bytes: the stream may have; where it has more, something is damaged.

    Raises:
        InputError: recipe or correction is damaged, or they do not fit the data.
    """
    checksum = 1

    def watched() -> Iterator[Any]:
        nonlocal checksum
        for piece in pieces:
            checksum = zlib.adler32(piece, checksum)
            yield piece

    yield recipe.head
    around = 0 if recipe.is_raw else _HEAD_BYTES + _CHECKSUM_BYTES
    try:
        yield from deflate.rebuild(watched(), size, recipe.parameters, correction, max(0, most_bytes - around))
    except deflate.DamagedError as error:
        raise InputError(f"a stream cannot be made as it was: {error}") from error
    if not recipe.is_raw:
        yield checksum.to_bytes(_CHECKSUM_BYTES, "big")


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


class Inflater:
    """Inflates a zlib stream in steps, so that its data never lie in memory as a whole."""

    def __init__(self, coded: Any) -> None:
        """Begin with a stream in anything whose slices are bytes; more may follow it."""
        self._coded, self._at = coded, 0
        self._inflater = zlib.decompressobj()
        self._waiting = b""

    def read(self, count: int) -> bytes:
        """Inflate so many bytes; fewer only at the end of the stream.

        Raises:
            InputError: damaged, or cut short.
        """
        parts: list[bytes] = []
        while count and not self._inflater.eof:
            part = self._step(count)
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def finish(self) -> int:
        """Return how many bytes the stream has, of those given.

        Raises:
            InputError: damaged, cut short, or it holds more data than were read.
        """
        while not self._inflater.eof:
            if self._step(1):
                raise InputError("its samples inflate to more than they should")
        return self._at - len(self._inflater.unused_data)

    def _step(self, count: int) -> bytes:
        piece = self._waiting or self._coded[self._at : self._at + _PIECE]
        if not self._waiting:
            self._at += len(piece)
        try:
            part = self._inflater.decompress(piece, count)
        except zlib.error as error:
            raise InputError(f"its samples cannot be inflated ({error})") from error
        self._waiting = self._inflater.unconsumed_tail
        if not part and not piece and not self._inflater.eof:
            raise InputError("its samples end within the deflate stream")
        return part
