"""The native core: tiles to words of the range coder and back, by the integer network, in C.

The library beside this file is loaded with ctypes, which releases the interpreter's lock while it runs, so that
tiles can be coded on several threads. It holds the same code for several instruction sets; the fastest that this
processor has, and that computes exactly here, is used. hpac_core.h says what the functions do.
"""

import ctypes
import sys
import weakref
from collections.abc import Sequence
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_int8, c_int32, c_int64, c_uint32, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hpac_cli.errors import ModelError

INTERFACE = 5
"""Of the library, with all rooms that are in it."""
LENGTH_BITS = 16
"""Code lengths count in 2**-16 bits."""
MASS_BITS = 30
"""Masses count in 2**-30 samples."""
EDGE_UNIT, MAX_SHIFTED = 64, 256
"""Edges of cells count in 1/64 sample, and are at most 256 of them from where they would be without."""

_DAMAGED, _NO_MEMORY = -1, -2
_NAMES = {"darwin": "hpac_core.dylib", "win32": "hpac_core.dll"}

Samples = NDArray[np.int32]
"""(H, W, P) coded values of a tile: R, G, B or one channel."""
Edges = NDArray[np.int32]
"""(P, 2**bit_depth + 1) where the cells of each plane's values begin, and where the last ends, in EDGE_UNIT of a sample.
Without cells it is 64 v - 32; edges never descend and are at most MAX_SHIFTED from that. Planes are G, R, B."""
Reference = NDArray[np.int32]
"""(H, W) values of another plane at the same places as a tile's, 0 to 2**bit_depth - 1 of the tile."""
COMPONENT = np.dtype([("mean", np.int32), ("weight", np.int16), ("spread", np.int16)])
Mixtures = NDArray[np.void]
"""(P, N, K) COMPONENT of N samples' mixtures of K components."""


class CoreError(ModelError):
    """The core is missing, or cannot be used: the installation is broken."""


class UnknownUnitError(Exception):
    """There is no such instruction set in this library, or on this processor."""


class DamagedWordsError(Exception):
    """Words that the encoder cannot have written."""


class PackedNetwork(Protocol):
    """A network's integers, contiguous, layer after layer in the order of docs/format.md."""

    @property
    def shape(self) -> NDArray[np.int32]: ...
    @property
    def weights(self) -> NDArray[np.int8]: ...
    @property
    def biases(self) -> NDArray[np.int32]: ...
    @property
    def shifts(self) -> NDArray[np.int32]: ...


class _Tile(Structure):
    """What is known of a tile before its samples are: struct hpac_tile."""

    _fields_ = [
        *((name, c_int32) for name in ("height", "width", "depth", "num_references")),
        *((name, POINTER(c_int32)) for name in ("edges", "references")),
        ("repeats", c_int32),
    ]
    arrays: tuple[NDArray[np.int32] | None, ...]
    """What the pointers point at."""


_network, _tile, _samples, _edges, _components = c_void_p, POINTER(_Tile), POINTER(c_int32), POINTER(c_int32), c_void_p
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "hpac_num_units": (c_int, []),
    "hpac_unit_name": (c_char_p, [c_int]),
    "hpac_unit_runs_here": (c_int, [c_int]),
    "hpac_unit_is_exact": (c_int, [c_int, POINTER(c_int32), c_int64]),
    "hpac_network_new": (
        _network,
        [
            *(c_int, POINTER(c_int32), POINTER(c_int8), c_int64),
            *(POINTER(c_int32), POINTER(c_int32), c_int64, POINTER(c_int32), c_int64),
        ],
    ),
    "hpac_network_free": (None, [_network]),
    "hpac_max_words": (c_int64, [_network, c_int, c_int]),
    "hpac_encode": (c_int64, [_network, _tile, _samples, POINTER(c_uint32), c_int64]),
    "hpac_decode": (c_int64, [_network, _tile, POINTER(c_uint32), c_int64, _samples]),
    "hpac_measure": (c_int64, [_network, _tile, _samples, POINTER(c_uint32)]),
    "hpac_collect": (c_int64, [_network, _tile, _samples, _components]),
    "hpac_expect": (c_int64, [_network, c_int64, c_int, _samples, _components, c_int, *[POINTER(c_int64)] * 2]),
    "hpac_length": (c_int64, [_network, c_int64, c_int, _samples, _components, _edges]),
    "hpac_num_hashes": (c_int, [_network]),
    "hpac_trace": (c_int64, [_network, _tile, _samples, POINTER(c_uint64)]),
}
_POINTERS: dict[np.dtype[Any], Any] = {
    np.dtype(np.int8): POINTER(c_int8),
    np.dtype(np.int32): POINTER(c_int32),
    np.dtype(np.int64): POINTER(c_int64),
    np.dtype(np.uint32): POINTER(c_uint32),
    np.dtype(np.uint64): POINTER(c_uint64),
}


def _pointer(array: NDArray[Any]) -> Any:
    assert array.flags.c_contiguous
    return array.ctypes.data_as(_POINTERS[array.dtype])


@cache
def _library() -> ctypes.CDLL:
    return load_library(_SIGNATURES)


def load_library(signatures: dict[str, tuple[Any, list[Any]]]) -> ctypes.CDLL:
    """Load the library that holds all native code, and say how some of its functions are called.

    Args:
        signatures: function to the types of its result and arguments.

    Raises:
        CoreError: there is no library, it is of another version, or it has no such functions.
    """
    path = Path(__file__).parent / _NAMES.get(sys.platform, "hpac_core.so")
    try:
        library = ctypes.CDLL(str(path))
        if library.hpac_interface() != INTERFACE:
            raise CoreError("the native core is of another version of hpac; install hpac again")
        for name, (result, arguments) in signatures.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise CoreError(f"the native core cannot be loaded ({error}); install hpac again") from error
    return library


@cache
def unit_names() -> tuple[str, ...]:
    """Instruction sets that this library has and this processor runs, the fastest first; "plain" is always there.

    Raises:
        CoreError: the library cannot be loaded.
    """
    library = _library()
    units = range(library.hpac_num_units())
    return tuple(library.hpac_unit_name(unit).decode() for unit in units if library.hpac_unit_runs_here(unit))


def choose_unit(tables: NDArray[np.int32], name: str = "") -> str:
    """Choose an instruction set: the fastest that computes exactly here, or the one named.

    Args:
        tables: all integer tables, one after another.

    Raises:
        UnknownUnitError: the one named is not there, or does not compute exactly here.
        CoreError: the library cannot be loaded.
    """
    if name and name not in unit_names():
        raise UnknownUnitError(f"no backend {name!r} here; there are {', '.join(unit_names())}")
    for unit in [name] if name else unit_names():
        if _is_exact(unit, tables.tobytes()):
            return unit
    if name:
        raise UnknownUnitError(f"the backend {name} does not compute exactly on this machine; leave it out")
    raise CoreError("the native core does not compute exactly on this machine; please report it")


@cache
def _is_exact(name: str, tables: bytes) -> bool:
    numbers = np.frombuffer(tables, np.int32)
    return bool(_library().hpac_unit_is_exact(_number(name), _pointer(numbers), numbers.size))


def _number(name: str) -> int:
    library = _library()
    return next(unit for unit in range(library.hpac_num_units()) if library.hpac_unit_name(unit).decode() == name)


class _Handle(c_void_p):
    """A network in the core's memory, which is freed with the last coder that holds it."""

    def __init__(self, address: int) -> None:
        super().__init__(address)
        # not at exit: threads that nobody waits for may be coding until the process is gone
        weakref.finalize(self, _library().hpac_network_free, c_void_p(address)).atexit = False


class TileCoder:
    """One network, packed for one instruction set; may be used by several threads at the same time."""

    def __init__(self, network: PackedNetwork, tables: NDArray[np.int32], unit: str) -> None:
        """Hand the integers to the core.

        Args:
            tables: all integer tables, one after another.
            unit: as choose_unit gives it.

        Raises:
            ValueError: integers or sizes out of bounds.
        """
        self.planes, self._components, self.unit = int(network.shape[0]), int(network.shape[6]), unit
        self.references = int(network.shape[9])
        library = _library()
        handle = library.hpac_network_new(
            _number(unit),
            _pointer(network.shape),
            _pointer(network.weights),
            network.weights.size,
            _pointer(network.biases),
            _pointer(network.shifts),
            network.shifts.size,
            _pointer(tables),
            tables.size,
        )
        if not handle:
            raise ValueError("a network that is out of bounds, or no memory for it")
        self._handle = _Handle(handle)

    def encode(
        self,
        samples: Samples,
        bit_depth: int,
        edges: Edges | None = None,
        references: Sequence[Reference] = (),
        *,
        repeats: bool = False,
    ) -> bytes:
        """Code a tile.

        Args:
            samples: (H, W, P) of int32 or a type that fits into it, 0 to 2**bit_depth - 1; sides of 1 to 1024.
            edges: of the cells of values; None for none.
            references: that the network is told of, the first and the second; no more than it can be.
            repeats: whether far repetition is looked for.

        Returns:
            The range coder's words, little endian.

        Raises:
            ValueError: another type, or out of bounds.
            MemoryError: there is not enough.
        """
        height, width, _ = samples.shape
        room = _checked(_library().hpac_max_words(self._handle, height, width))
        words = np.empty(room, np.uint32)  # a page that nothing is written to takes no memory
        given = self._given(samples, bit_depth, edges, references, repeats=repeats)
        count = _library().hpac_encode(*given, _pointer(words), room)
        return words[: _checked(count)].astype("<u4", copy=False).tobytes()

    def decode(
        self,
        words: bytes,
        height: int,
        width: int,
        bit_depth: int,
        edges: Edges | None = None,
        references: Sequence[Reference] = (),
        *,
        repeats: bool = False,
    ) -> Samples:
        """Undo encode.

        Raises:
            DamagedWordsError: the words cannot come from the encoder.
            ValueError: sizes or references are out of bounds.
            MemoryError: there is not enough.
        """
        if len(words) % 4:
            raise DamagedWordsError("coded words are cut: their length is no multiple of 4")
        numbers = np.frombuffer(words, "<u4").astype(np.uint32, copy=False)
        samples = np.empty((height, width, self.planes), np.int32)
        tile = self._tile(height, width, bit_depth, edges, references, repeats=repeats)
        result = _library().hpac_decode(self._handle, byref(tile), _pointer(numbers), numbers.size, _pointer(samples))
        _checked(result)
        return samples

    def measure(
        self,
        samples: Samples,
        bit_depth: int,
        edges: Edges | None = None,
        references: Sequence[Reference] = (),
        *,
        repeats: bool = False,
    ) -> NDArray[np.float64]:
        """Bits that each pixel of a tile takes, (H, W), all planes together; the same on every machine.

        Arguments and errors are those of encode.
        """
        lengths = np.empty(samples.shape[:2], np.uint32)
        given = self._given(samples, bit_depth, edges, references, repeats=repeats)
        _checked(_library().hpac_measure(*given, _pointer(lengths)))
        return lengths / float(1 << LENGTH_BITS)

    def collect(self, samples: Samples, bit_depth: int, references: Sequence[Reference] = ()) -> Mixtures:
        """Keep the network's mixtures of a tile's samples, (P, H * W, K), for expect.

        Arguments and errors are those of encode.
        """
        height, width, _ = samples.shape
        mixtures = np.empty((self.planes, height * width, self._components), COMPONENT)
        given = self._given(samples, bit_depth, None, references)
        _checked(_library().hpac_collect(*given, mixtures.ctypes.data))
        return mixtures

    def expect(
        self, mixtures: Mixtures, values: NDArray[np.int32], bit_depth: int, least_spread: int = 0
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """How often each value came, and how often about it was expected.

        Args:
            mixtures: (N, K) of samples of one plane, as collected.
            values: (N,) of these samples.
            least_spread: samples whose mixture has a large component below this, on the table of spreads, are left out.

        Returns:
            (2**bit_depth,) of both.

        Raises:
            ValueError: values are out of bounds.
            MemoryError: there is not enough.
        """
        met, expected = np.zeros((2, 1 << bit_depth), np.int64)
        found = (least_spread, _pointer(met), _pointer(expected))
        _checked(_library().hpac_expect(*self._collected(mixtures, values, bit_depth), *found))
        return met, expected / float(1 << MASS_BITS)

    def length(self, mixtures: Mixtures, values: NDArray[np.int32], bit_depth: int, edges: NDArray[np.int32]) -> float:
        """About the bits that samples take with cells of these edges, (2**bit_depth + 1,).

        Other arguments, and errors, are those of expect.
        """
        assert edges.shape == ((1 << bit_depth) + 1,)
        length = _library().hpac_length(*self._collected(mixtures, values, bit_depth), _pointer(edges))
        return _checked(length) / float(1 << LENGTH_BITS)

    def _collected(self, mixtures: Mixtures, values: NDArray[np.int32], bit_depth: int) -> tuple[Any, ...]:
        assert mixtures.flags.c_contiguous
        assert mixtures.shape == (len(values), self._components)
        return self._handle, len(values), bit_depth, _pointer(values), mixtures.ctypes.data

    def trace(self, samples: Samples, bit_depth: int, references: Sequence[Reference] = ()) -> list[int]:
        """Hashes of all layers' outputs, in the order of trace.h. Arguments and errors are those of encode."""
        hashes = np.empty(_library().hpac_num_hashes(self._handle), np.uint64)
        given = self._given(samples, bit_depth, None, references)
        _checked(_library().hpac_trace(*given, _pointer(hashes)))
        return [int(number) for number in hashes]

    def _given(
        self,
        samples: Samples,
        bit_depth: int,
        edges: Edges | None,
        references: Sequence[Reference],
        *,
        repeats: bool = False,
    ) -> tuple[Any, Any, Any]:
        """The first arguments of all that takes samples."""
        height, width, planes = samples.shape
        if planes != self.planes:
            raise ValueError(f"a tile of {planes} planes for a network of {self.planes}")
        tile = self._tile(height, width, bit_depth, edges, references, repeats=repeats)
        return self._handle, byref(tile), _pointer(_numbers(samples))

    def _tile(
        self,
        height: int,
        width: int,
        bit_depth: int,
        edges: Edges | None,
        references: Sequence[Reference],
        *,
        repeats: bool,
    ) -> _Tile:
        if edges is not None and edges.shape != (self.planes, (1 << bit_depth) + 1):
            raise ValueError(f"edges of {edges.shape} for {self.planes} planes of {bit_depth} bits")
        if any(reference.shape != (height, width) for reference in references):
            raise ValueError(f"a reference of another size than a tile of {width} x {height}")
        told = np.stack([_numbers(reference) for reference in references]) if references else None
        tile = _Tile(height, width, bit_depth, len(references), repeats=int(repeats))
        tile.edges, tile.references = (None if array is None else _pointer(array) for array in (edges, told))
        tile.arrays = edges, told  # a structure's pointers do not keep what they point at
        return tile


def _numbers(samples: NDArray[Any]) -> NDArray[np.int32]:
    if not np.can_cast(samples.dtype, np.int32):  # else numbers would be cut to fit
        raise ValueError(f"a tile of {samples.dtype}, which does not fit into int32")
    return np.ascontiguousarray(samples, np.int32)


def _checked(result: int) -> int:
    if result >= 0:
        return result
    if result == _DAMAGED:
        raise DamagedWordsError("coded words are damaged")
    if result == _NO_MEMORY:
        raise MemoryError("not enough memory for a tile")
    raise ValueError(
        f"the core refuses a tile (error {result}): sides, bit depth, samples, edges or references are out of bounds"
    )
