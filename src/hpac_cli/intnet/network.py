"""HPAC, the network itself, in integers: top to bottom as a pixel meets it.

Only `depthwise` looks at other positions, so everything else is written once for both walks:
whole tiles (encoding, `run_tile`) and one wavefront at a time (decoding, `CacheThenSelect`).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hpac_cli.model.layers import Role, find_layer
from hpac_cli.model.tables import load_tables
from hpac_cli.model.weights import IntegerLayer, Weights
from hpac_cli.model.window import RADIUS, WINDOW, causal_offsets
from hpac_cli.training.context import wavefronts
from hpac_cli.training.focus import Focus, features, find_focus, normalise
from hpac_cli.training.planes import lowest_sample

from .backends import Arithmetic, Matrix
from .backends.base import STREAM_LIMIT
from .context import tile_means
from .mixture import Mixture, make_mixture, window_limits


class _Block(NamedTuple):
    gate: Matrix
    value: Matrix
    depthwise: Matrix
    out: Matrix
    up: Matrix
    down: Matrix


class _Context(NamedTuple):
    features: Matrix
    out: Matrix


class Network:
    """One set of integer weights, prepared for one backend."""

    def __init__(self, weights: Weights, arithmetic: Arithmetic, device: torch.device) -> None:
        self.weights, self.shape = weights, weights.shape
        self.arithmetic, self.device = arithmetic, device
        prepare, shape = arithmetic.prepare, self.shape

        def layer(role: Role, index: int = 0) -> IntegerLayer:
            return weights.layers[find_layer(shape, role, index).name]

        self._input, self._input2 = prepare(layer(Role.INPUT)), prepare(layer(Role.INPUT2))
        self._context = (
            _Context(prepare(layer(Role.CONTEXT_FEATURES)), prepare(layer(Role.CONTEXT_OUT))) if shape.context else None
        )
        self._blocks = [
            _Block(
                gate=prepare(layer(Role.GATE, b)),
                value=prepare(layer(Role.VALUE, b)),
                depthwise=arithmetic.prepare_depthwise(layer(Role.DEPTHWISE, b)),
                out=prepare(layer(Role.OUT, b)),
                up=prepare(layer(Role.UP, b)),
                down=prepare(layer(Role.DOWN, b)),
            )
            for b in range(shape.blocks)
        ]
        self._heads = [
            (prepare(layer(Role.HEAD_HIDDEN, p)), prepare(layer(Role.HEAD_OUT, p))) for p in range(shape.planes)
        ]
        self.taps = causal_offsets(self.shape.rows, self.shape.rows, centre=True)
        self.tables = {name: torch.tensor(table, device=device) for name, table in load_tables().items()}
        self.tables["window_limit"] = window_limits().to(device)

    def begin(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """(F, N) int32 features to the first layer's activations and the residual stream, both (N, C)."""
        a = self.arithmetic
        first = a.activations(self._input, a.lift(inputs), low=0)
        return first, a.add_to_stream(self._input2, first, None)

    def context_features(self, first: Tensor, focus: Focus, residuals: list[Tensor]) -> Tensor:
        """What is to be told of positions that are known now to later wavefronts: (N, E) activations, 0 to 127.

        Args:
            first: (N, C) activations of the first layer.
            focus, residuals: (P, N) parts, and (N,) int32 sample - base of each plane.
        """
        assert self._context is not None
        a = self.arithmetic
        known = normalise(torch.stack(residuals), focus.level, self.tables)
        return a.activations(self._context.features, torch.cat([first, a.lift(known)], 1), low=0)

    def read_context(self, means: Tensor) -> tuple[Tensor, ...]:
        """What a context, (E, M) int32, adds to the stream before each block and before the heads: (M, C) each."""
        assert self._context is not None
        a = self.arithmetic
        parts = a.add_to_stream(self._context.out, a.lift(means), None)
        return tuple(parts.tensor_split(self.shape.blocks + 1, 1))

    def add_context(self, stream: Tensor, part: Tensor) -> Tensor:
        """Add one of read_context's parts, broadcastable to the stream by now, to it; writes into the stream."""
        return stream.add_(part).clamp_(-STREAM_LIMIT, STREAM_LIMIT)

    def gate_and_value(self, block: int, stream: Tensor) -> tuple[Tensor, Tensor]:
        """The two branches of a block before the convolution, (N, C) each."""
        a, layers = self.arithmetic, self._blocks[block]
        x = a.narrow(stream)
        return a.activations(layers.gate, x, low=-127), a.activations(layers.value, x, low=-127)

    def depthwise(self, block: int, taps: list[Tensor]) -> Tensor:
        """Causal depth-wise convolution of the gate branch from its shifted copies."""
        return self.arithmetic.depthwise(self._blocks[block].depthwise, taps)

    def finish_block(self, block: int, stream: Tensor, gate: Tensor, value: Tensor) -> Tensor:
        """Gate the value, add it to the stream, and add the feed-forward part."""
        a, layers = self.arithmetic, self._blocks[block]
        stream = a.add_to_stream(layers.out, a.gate(gate, value), stream)
        hidden = a.activations(layers.up, a.narrow(stream), low=0)
        return a.add_to_stream(layers.down, hidden, stream)

    def head(self, plane: int, trunk: Tensor, focus: Focus, residuals: list[Tensor]) -> Tensor:
        """Mixture parameters of one plane, (N, K (3 + plane)) int32.

        Args:
            trunk: (N, C) narrowed stream.
            focus: (P, N) parts.
            residuals: (N,) int32 sample - base of each earlier plane.
        """
        a, (hidden, out) = self.arithmetic, self._heads[plane]
        if residuals:
            known = [
                normalise(residual, focus.level[q], self.tables)
                for p, residual in enumerate(residuals)
                for q in (p, plane)
            ]
            trunk = torch.cat([trunk, a.lift(torch.stack(known))], 1)
        return a.outputs(out, a.activations(hidden, trunk, low=0))

    def mixture(
        self, plane: int, trunk: Tensor, focus: Focus, residuals: list[Tensor], green: Tensor, bit_depth: int
    ) -> Mixture:
        """The distribution of one plane's samples, given the earlier planes of the same pixels.

        Args:
            green: (N,) int32 samples of plane 0; read only for later planes.
        """
        return make_mixture(
            self.head(plane, trunk, focus, residuals),
            focus.level[plane],
            focus.base[plane],
            residuals,
            lowest_sample(green, plane),
            bit_depth,
            self.tables,
        )

    def fallback(self, bit_depth: int) -> Tensor:
        """(P, 1, 1) int32 base of a tile's first sample: mid-grey, 0 for difference planes."""
        base = torch.zeros(self.shape.planes, 1, 1, dtype=torch.int32, device=self.device)
        base[0] = 1 << (bit_depth - 1)
        return base


def parity(y: Tensor, x: Tensor) -> Tensor:
    """(3, ...) int32: +-16 by parity of x, of y, and their product."""
    px, py = (x % 2 * 32 - 16).int(), (y % 2 * 32 - 16).int()
    return torch.stack([px, py, px * py // 16])


_BAND = 2048
"""Pixels of a tile that go through the point-wise layers together."""


class TileResult(NamedTuple):
    """What the network says of a whole tile; positions in raster order."""

    trunk: Tensor
    focus: Focus
    residuals: list[Tensor]


def run_tile(network: Network, planes: Tensor, bit_depth: int) -> TileResult:
    """Run the trunk once over a whole tile (encoding).

    Args:
        planes: (P, H, W) int32 samples.
    """
    _, height, width = planes.shape
    padded = F.pad(planes, (RADIUS, RADIUS, RADIUS, 0))
    inside = F.pad(torch.ones_like(planes[:1], dtype=torch.bool), (RADIUS, RADIUS, RADIUS, 0))
    near, valid = (
        torch.stack([_shifted(source, dy, dx, RADIUS, height, width).flatten(1) for dy, dx in WINDOW])
        for source in (padded, inside)
    )
    focus = find_focus(near, valid, network.fallback(bit_depth)[:, 0], bit_depth, network.tables)
    y, x = torch.meshgrid(
        torch.arange(height, device=planes.device), torch.arange(width, device=planes.device), indexing="ij"
    )
    inputs = features(near, valid, focus, parity(y.flatten(), x.flatten()), bit_depth, network.tables)
    # bands of rows that fit the cache; only the gates need their neighbours in other bands
    lines = max(1, _BAND // width)
    bands = [slice(top, min(top + lines, height)) for top in range(0, height, lines)]
    firsts, begun = zip(*(network.begin(band) for band in inputs.split(lines * width, 1)), strict=True)
    streams = list(begun)
    residuals = list((planes.flatten(1) - focus.base).unbind(0))
    context = _TileContext(network, firsts, focus, residuals, (height, width))
    margin, channels = network.shape.rows, network.shape.width
    gates = torch.zeros(
        height + margin, width + 2 * margin, channels, dtype=network.arithmetic.gate_dtype, device=planes.device
    )
    for block in range(network.shape.blocks):
        values = []
        context.tell(block, streams)
        for band, stream in zip(bands, streams, strict=True):
            gate, value = network.gate_and_value(block, stream)
            gates[margin + band.start : margin + band.stop, margin:-margin] = gate.view(-1, width, channels)
            values.append(value)
        for i, band in enumerate(bands):
            taps = [
                gates[margin + dy + band.start : margin + dy + band.stop, margin + dx : margin + dx + width]
                for dy, dx in network.taps
            ]
            gate = network.depthwise(block, taps).view(-1, channels)
            streams[i] = network.finish_block(block, streams[i], gate, values[i])
    context.tell(network.shape.blocks, streams)
    return TileResult(torch.cat([network.arithmetic.narrow(stream) for stream in streams]), focus, residuals)


class _TileContext:
    """What the context adds to the stream all over a tile; nothing for a network without."""

    def __init__(
        self, network: Network, firsts: tuple[Tensor, ...], focus: Focus, residuals: list[Tensor], size: tuple[int, int]
    ) -> None:
        self._network = network
        self._parts: tuple[Tensor, ...] = ()
        if network.shape.context:
            told = network.context_features(torch.cat(firsts), focus, residuals)
            means = tile_means(told, *size, network.shape.context_places)
            self._parts = network.read_context(means)
            self._wavefronts = wavefronts(*size, means.device)

    def tell(self, place: int, streams: list[Tensor]) -> None:
        """Add it to bands of the stream, before block number `place` or, after the last, the heads."""
        if self._parts:
            for stream, at in zip(streams, self._wavefronts.split([len(s) for s in streams]), strict=True):
                self._network.add_context(stream, self._parts[place].index_select(0, at))


def _shifted(padded: Tensor, dy: int, dx: int, margin: int, height: int, width: int) -> Tensor:
    """View of (..., H, W) moved by (dy, dx), out of an array padded by margin above and aside."""
    return padded[..., margin + dy : margin + dy + height, margin + dx : margin + dx + width]
