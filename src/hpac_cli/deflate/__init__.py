"""Deflate streams, whoever made them, to a small correction and back, to the bit, without any zlib.

A stream follows from its plain bytes, the parameters of its writer (how it finds matches and codes) and a correction:
where the stream differs from what such a writer does. The C beside this file, which is part of the core's library,
finds both and rebuilds streams from them; hpac_deflate.h says what its functions do.
"""

import ctypes
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, byref, c_int, c_int64, c_size_t, c_uint8, c_uint64, c_void_p
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from hpac_cli.core import load_library

PARAMETER_BYTES = 17
MAX_PLAIN_BYTES = (1 << 32) - 1 - (1 << 20)
"""Longer streams are refused."""

_DAMAGED, _NO_MEMORY, _NOT_WORTH, _NO_ROOM = -1, -2, -3, -4


class DamagedError(Exception):
    """A stream that is none, or parameters and a correction that no stream has."""


class NotWorthError(Exception):
    """A stream whose correction would be about as large as its samples' code, or would take too long."""


class Facts(NamedTuple):
    """What a stream consists of."""

    stream_bytes: int
    """Without what follows it."""
    plain_bytes: int
    num_tokens: int
    num_blocks: int


class _Facts(ctypes.Structure):
    _fields_ = [(name, c_uint64) for name in Facts._fields]


_bytes = POINTER(c_uint8)
_READ = CFUNCTYPE(c_int64, c_void_p, c_uint64, c_void_p, c_size_t)
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "hpac_deflate_survey": (c_int, [_READ, c_void_p, POINTER(_Facts)]),
    "hpac_deflate_find": (c_int, [_READ, c_void_p, _bytes]),
    "hpac_deflate_correct": (c_int, [_READ, c_void_p, c_void_p, POINTER(_bytes), POINTER(c_size_t)]),
    "hpac_deflate_free_bytes": (None, [_bytes]),
    "hpac_deflate_open": (c_void_p, [c_void_p, c_void_p, c_size_t, c_uint64, c_uint64]),
    "hpac_deflate_push": (c_int64, [c_void_p, c_void_p, c_size_t]),
    "hpac_deflate_take": (c_void_p, [c_void_p]),
    "hpac_deflate_is_done": (c_int, [c_void_p]),
    "hpac_deflate_close": (None, [c_void_p]),
}


@cache
def _library() -> ctypes.CDLL:
    return load_library(_SIGNATURES)


class _View:
    """A buffer's address, while this object lives."""

    def __init__(self, data: Any) -> None:
        self.size = memoryview(data).nbytes
        self._array = np.frombuffer(data, np.uint8) if self.size else np.empty(1, np.uint8)
        self.address = self._array.ctypes.data


@contextmanager
def _reading(stream: Any, start: int) -> Iterator[Any]:
    """A function that gives the core pieces of a stream.

    Args:
        stream: anything whose slices are buffers, shorter ones at its end.
        start: its first byte.

    Raises:
        BaseException: whatever slicing raised, or a signal meanwhile.
    """
    raised: list[BaseException] = []

    def read(_: int | None, offset: int, into: int, count: int) -> int:
        try:
            piece = stream[start + offset : start + offset + count]
            memoryview((c_uint8 * count).from_address(into)).cast("B")[: len(piece)] = piece
            return len(piece)
        except BaseException as error:  # which cannot pass through the core
            raised.append(error)
            return 0

    try:
        with _catching_at_start(read, raised):
            yield _READ(read)
    finally:
        if raised:
            raise raised[0]


@contextmanager
def _catching_at_start(function: Any, raised: list[BaseException]) -> Iterator[None]:
    """Catch what signals raise just as the core calls a function, before it can catch anything: Python ignores that.

    The core then gets a 0. Only the main thread handles signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = sys.unraisablehook

    def keep(ignored: "sys.UnraisableHookArgs") -> None:
        if ignored.exc_value and (ignored.object is function or repr(function) in (ignored.err_msg or "")):
            raised.append(ignored.exc_value)
        else:
            before(ignored)

    sys.unraisablehook = keep
    try:
        yield
    finally:
        sys.unraisablehook = before


def survey(stream: Any, start: int = 0) -> Facts:
    """Read a raw deflate stream through; bytes may follow it.

    Args:
        stream: anything whose slices are buffers; it is read piece by piece, as by all that follows, which read it
            several times. Where it changes meanwhile, what they find is of no stream.
        start: where it begins in there.

    Raises:
        DamagedError: it is none, or cut.
        NotWorthError: it is longer than streams may be.
    """
    facts = _Facts()
    with _reading(stream, start) as read:
        _checked(_library().hpac_deflate_survey(read, None, byref(facts)))
    return Facts(*(getattr(facts, name) for name in Facts._fields))


def find_parameters(stream: Any, start: int = 0) -> bytes:
    """Find the parameters of a raw deflate stream's writer, as of the known one that is most like it.

    Raises:
        DamagedError, NotWorthError: as survey does.
    """
    found = (c_uint8 * PARAMETER_BYTES)()
    with _reading(stream, start) as read:
        _checked(_library().hpac_deflate_find(read, None, found))
    return bytes(found).rstrip(b"\0")


def find_correction(stream: Any, parameters: bytes, start: int = 0) -> bytes:
    """Find the correction of a raw deflate stream for given parameters; nothing where all is as expected.

    Raises:
        DamagedError, NotWorthError: as survey does.
    """
    given, found, size = _View(_full(parameters)), _bytes(), c_size_t()
    library = _library()
    try:
        with _reading(stream, start) as read:
            _checked(library.hpac_deflate_correct(read, None, given.address, byref(found), byref(size)))
        return ctypes.string_at(found, size.value) if size.value else b""
    finally:
        library.hpac_deflate_free_bytes(found)


def rebuild(
    pieces: Iterable[Any], plain_bytes: int, parameters: bytes, correction: bytes, most_bytes: int
) -> Iterator[bytes]:
    """Rebuild a raw deflate stream.

    Args:
        pieces: its plain bytes, in buffers that follow one another.
        plain_bytes: how many they are.
        parameters: of the writer.
        correction: of the stream.
        most_bytes: the stream may have.

    Yields:
        The stream, in pieces.

    Raises:
        DamagedError: parameters and correction do not fit these bytes.
    """
    given, corrected = _View(_full(parameters)), _View(correction)
    library = _library()
    if not 0 <= plain_bytes <= MAX_PLAIN_BYTES or not 0 <= most_bytes < 1 << 63:
        raise DamagedError("a deflate stream is longer than it may be")
    handle = library.hpac_deflate_open(given.address, corrected.address, corrected.size, plain_bytes, most_bytes)
    if not handle:
        raise DamagedError("parameters of deflate are damaged")
    try:
        yield _push(library, handle, b"")
        for piece in pieces:
            yield _push(library, handle, piece)
        if not library.hpac_deflate_is_done(handle):
            raise DamagedError("a deflate stream has more plain bytes than there are")
    finally:
        library.hpac_deflate_close(handle)


def _push(library: ctypes.CDLL, handle: int, piece: Any) -> bytes:
    view = _View(piece)
    count = _checked(library.hpac_deflate_push(handle, view.address, view.size))
    return ctypes.string_at(library.hpac_deflate_take(handle), count) if count else b""


def _full(parameters: bytes) -> bytes:
    """Parameters with the zeros at their end, which need not be kept."""
    if len(parameters) > PARAMETER_BYTES:
        raise DamagedError("parameters of deflate are damaged")
    return parameters.ljust(PARAMETER_BYTES, b"\0")


def _checked(result: int) -> int:
    if result >= 0:
        return result
    if result == _NO_MEMORY:
        raise MemoryError("not enough memory for a deflate stream")
    if result == _NOT_WORTH:
        raise NotWorthError("a deflate stream's correction would be too large")
    if result == _NO_ROOM:
        raise DamagedError("a deflate stream becomes longer than it was, or has other bytes than were said")
    raise DamagedError("a deflate stream, or its correction, is damaged")
