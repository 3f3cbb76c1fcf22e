"""In which symbols is a sample written, and in what order? AFC's half of the codec, both ways.

Per wavefront and plane: first every sample's focus symbol (bucket or escape); then, in rounds,
refinement symbols of the samples whose buckets are wider than one value (from the mixture
while it matters, plainly below); at last the escaped samples, each in full. The encoder sorts
its intervals by exactly that order, the decoder walks it. Source: docs/format.md, "Symbols".
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpac_cli.entropy.coder import SymbolDecoder, check_columns, leave_room, make_rows
from hpac_cli.errors import ContainerError
from hpac_cli.intnet.mixture import (
    BUCKETS,
    MASS_BITS,
    MAX_EXPONENT,
    REFINE_BITS,
    TOTAL_BITS,
    Mixture,
    Window,
    choose_window,
    conditional,
    cumulative,
)

PLAIN_BITS = 4
ESCAPE_STAGE = 15
_TOTAL = 1 << TOTAL_BITS
_DROP = MASS_BITS - TOTAL_BITS

Tables = dict[str, Tensor]


class Intervals(NamedTuple):
    """Symbols of one stage as intervals of [0, 2**24)."""

    stage: int
    which: NDArray[np.int64]
    """Which of the N samples."""
    step: int
    """Counts an escape's bits, which belong together; 0 elsewhere."""
    left: NDArray[np.int32]
    width: NDArray[np.int32]


def _interval(
    stage: int, index: Tensor, low: Tensor, high: Tensor, symbol: Tensor, num_symbols: int, step: int = 0
) -> Intervals:
    below, above = (leave_room(edge.int().cpu().numpy(), num_symbols) for edge in (low, high))
    left = below + symbol.int().cpu().numpy() + 1
    return Intervals(stage, index.cpu().numpy(), step, left, above - below + 1)


def encode_plane(mixture: Mixture, value: Tensor, tables: Tables) -> list[Intervals]:
    """Write N samples of one plane.

    Args:
        value: (N,) int64 samples relative to the base.
    """
    window = choose_window(mixture, tables)
    bucket = ((value - window.start) >> window.exponent).clamp_(-1, BUCKETS)
    steps = torch.stack([bucket.clamp(min=0), (bucket + 1).clamp_(max=BUCKETS)]).int()
    mass = cumulative(mixture, window.start, window.exponent, steps, tables) >> _DROP
    low = torch.where(bucket < 0, 0, mass[0])
    high = torch.where(bucket == BUCKETS, _TOTAL, mass[1])
    everyone = torch.arange(len(value), device=value.device)
    result = [_interval(0, everyone, low, high, bucket + 1, BUCKETS + 2)]
    escaped = (bucket < 0) | (bucket == BUCKETS)
    result += _encode_refinement(mixture, window, value, bucket, everyone[~escaped & (window.exponent > 0)], tables)
    result += _encode_escapes(window, value, everyone[escaped])
    return result


def _encode_refinement(
    mixture: Mixture, window: Window, value: Tensor, bucket: Tensor, index: Tensor, tables: Tables
) -> list[Intervals]:
    result = []
    exponent, plain = window.exponent[index], window.plain[index]
    edge = window.start[index] + (bucket[index] << exponent)
    value = value[index]
    stage = 1
    while len(index):
        modelled = exponent > plain
        bits = torch.minimum(exponent, torch.where(modelled, REFINE_BITS, PLAIN_BITS))
        part = (value - edge) >> (exponent - bits)
        exponent = exponent - bits
        for chosen, kind in ((modelled, 0), (~modelled, 1)):
            where = chosen.nonzero().squeeze(1)
            if not len(where):
                continue
            p, b = part[where], bits[where]
            if kind == 0:
                steps = torch.stack([torch.zeros_like(p), p, p + 1, 1 << b])
                mass = cumulative(mixture.select(index[where]), edge[where], exponent[where], steps.int(), tables)
                share = conditional(mass, steps, b)
                low, high, symbols = share[1], share[2], 1 << REFINE_BITS
            else:
                low, high, symbols = p << (TOTAL_BITS - b), (p + 1) << (TOTAL_BITS - b), 1 << PLAIN_BITS
            result.append(_interval(stage + kind, index[where], low, high, p, symbols))
        edge = edge + (part << exponent)
        left = (exponent > 0).nonzero().squeeze(1)
        index, exponent, plain, edge, value = index[left], exponent[left], plain[left], edge[left], value[left]
        stage += 2
    return result


def _encode_escapes(window: Window, value: Tensor, index: Tensor) -> list[Intervals]:
    """Write the distance to the window: bit count in unary, bits, then the bits below the bucket."""
    if not len(index):
        return []
    exponent = window.exponent[index]
    start, value = window.start[index], value[index]
    end = start + (BUCKETS << exponent)
    distance = torch.where(value < start, start - 1 - value, value - end)
    count = (distance >> exponent) + 1
    size = torch.tensor([int(c).bit_length() - 1 for c in count], device=value.device)
    length = 2 * size + 1 + exponent
    tail = ((count - (1 << size)) << exponent) | (distance & ((1 << exponent) - 1))
    result = []
    for step in range(int(length.max())):
        where = (length > step).nonzero().squeeze(1)
        unary = step <= size[where]
        bit = torch.where(
            unary, step < size[where], (tail[where] >> (length[where] - 1 - step).clamp(min=0)) & 1
        ).long()
        result.append(_interval(ESCAPE_STAGE, index[where], bit << 23, (bit + 1) << 23, bit, 2, step))
    return result


class TileReaders:
    """The entropy decoders of a batch of tiles, read side by side."""

    def __init__(self, payloads: list[bytes]) -> None:
        self.readers = [SymbolDecoder(payload) for payload in payloads]

    def read(self, owner: NDArray[np.int64], edges: NDArray[np.int32]) -> Tensor:
        """Decode one symbol per sample.

        Args:
            owner: (N,) which tile each sample belongs to, ascending.
            edges: (n + 1, N) cumulative masses in units of 2**-24.

        Returns:
            (N,) int64 symbols, 0 to n - 1.

        Raises:
            ContainerError: the words are damaged.
        """
        rows = make_rows(edges)
        columns = np.empty(len(owner), np.int32)
        bounds = np.searchsorted(owner, np.arange(len(self.readers) + 1)).tolist()
        for reader, begin, end in zip(self.readers, bounds[:-1], bounds[1:], strict=True):
            if end > begin:
                columns[begin:end] = reader.decode(rows[begin:end])
        check_columns(columns, len(edges) - 1)
        return torch.from_numpy(columns).long() - 1

    def read_escape(self, tile: int, exponent: int) -> int:
        """Decode one escaped sample's distance to the window.

        Raises:
            ContainerError: the words are damaged.
        """
        reader = self.readers[tile]

        def read_bits(count: int) -> int:
            number = 0
            for _ in range(count):
                column = reader.decode(_HALF_ROW)
                check_columns(column, 2)
                number = 2 * number + int(column[0]) - 1
            return number

        size = 0
        while read_bits(1):
            size += 1
            if size > MAX_EXPONENT + 1:
                raise ContainerError("coded words are damaged: an escape does not end")
        count = (1 << size) + read_bits(size)
        return ((count - 1) << exponent) + read_bits(exponent)


_EDGES = torch.arange(BUCKETS + 1, dtype=torch.int32)[:, None]
_PARTS = torch.arange((1 << REFINE_BITS) + 1)[:, None]
_PLAIN = np.arange((1 << PLAIN_BITS) + 1)[:, None]
_HALF_ROW = make_rows(np.array([[0], [_TOTAL >> 1], [_TOTAL]], np.int32))


def decode_plane(mixture: Mixture, readers: TileReaders, owner: NDArray[np.int64], tables: Tables) -> Tensor:
    """Read N samples of one plane of one wavefront.

    Args:
        owner: (N,) which tile each sample belongs to, ascending.

    Returns:
        (N,) int64 samples relative to the base.

    Raises:
        ContainerError: the words are damaged.
    """
    window = choose_window(mixture, tables)
    device = window.start.device
    mass = cumulative(mixture, window.start, window.exponent, _EDGES.to(device), tables)
    edges = np.zeros((BUCKETS + 3, len(owner)), np.int32)
    edges[1:-1], edges[-1] = mass.cpu().numpy() >> _DROP, _TOTAL
    bucket = readers.read(owner, edges).to(device) - 1
    value = window.start + (bucket << window.exponent)
    escaped = (bucket < 0) | (bucket == BUCKETS)
    index = (window.exponent * ~escaped).nonzero().squeeze(1)
    if len(index):
        narrow = Window(*(part[index] for part in window))
        value[index] = _decode_refinement(
            mixture.select(index), narrow, value[index], readers, owner[index.cpu().numpy()], tables
        )
    for i in escaped.nonzero().squeeze(1).tolist():
        exponent, start = int(window.exponent[i]), int(window.start[i])
        distance = readers.read_escape(int(owner[i]), exponent)
        value[i] = start - 1 - distance if bucket[i] < 0 else start + (BUCKETS << exponent) + distance
    if bool(((value < mixture.lowest) | (value > mixture.highest)).any()):
        raise ContainerError("coded words are damaged: a sample is out of range")
    return value


def _decode_refinement(
    mixture: Mixture, window: Window, edge: Tensor, readers: TileReaders, owner: NDArray[np.int64], tables: Tables
) -> Tensor:
    """Narrow each bucket, given its lower edge, down to one sample value."""
    exponent = window.exponent
    while bool((exponent > 0).any()):
        modelled = exponent > window.plain
        bits = torch.minimum(exponent, torch.where(modelled, REFINE_BITS, PLAIN_BITS))
        exponent = exponent - bits
        plain = ~modelled & (bits > 0)
        edge = edge + (_read_modelled(mixture, edge, exponent, bits, modelled, readers, owner, tables) << exponent)
        edge = edge + (_read_plain(bits, plain, readers, owner) << exponent)
    return edge


def _read_modelled(
    mixture: Mixture,
    edge: Tensor,
    exponent: Tensor,
    bits: Tensor,
    chosen: Tensor,
    readers: TileReaders,
    owner: NDArray[np.int64],
    tables: Tables,
) -> Tensor:
    index = chosen.nonzero().squeeze(1)
    if not len(index):
        return torch.zeros_like(edge)
    if len(index) < len(edge):
        mixture, edge_, exponent, bits = mixture.select(index), edge[index], exponent[index], bits[index]
        owner = owner[index.cpu().numpy()]
    else:
        edge_ = edge
    steps = torch.minimum(_PARTS.to(edge.device), 1 << bits)
    mass = cumulative(mixture, edge_, exponent, steps.int(), tables)
    part = readers.read(owner, conditional(mass, steps, bits).cpu().numpy()).to(edge.device)
    return part if len(part) == len(edge) else torch.zeros_like(edge).index_copy_(0, index, part)


def _read_plain(bits: Tensor, chosen: Tensor, readers: TileReaders, owner: NDArray[np.int64]) -> Tensor:
    index = chosen.nonzero().squeeze(1)
    if not len(index):
        return torch.zeros_like(bits)
    size = bits[index].cpu().numpy()
    edges = (np.minimum(_PLAIN, 1 << size) << (TOTAL_BITS - size)).astype(np.int32)
    part = readers.read(owner[index.cpu().numpy()], edges).to(bits.device)
    return torch.zeros_like(bits).index_copy_(0, index, part)
