"""Cache-then-Select Inference (CSI): decode tiles wavefront by wavefront, recomputing nothing.

Sample (y, x) lies on wavefront x + 2y and depends only on earlier ones, so all samples of a
wavefront, in all tiles of a batch, are computed at once. Layers that look at other positions
keep their activations in a ring of the last few wavefronts, stored by row: the neighbours of a
wavefront are then plain slices of the ring, selected, never gathered or recomputed.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hpac_cli.errors import ContainerError
from hpac_cli.intnet.context import RunningMeans
from hpac_cli.intnet.network import Network, parity
from hpac_cli.model.window import RADIUS, WINDOW
from hpac_cli.training.focus import features, find_focus

from .symbols import TileReaders, decode_plane


class _Ring:
    """Values of the last wavefronts, by row; rows above the tile and not yet reached are zero."""

    def __init__(
        self,
        reach: int,
        rows: int,
        shape: tuple[int, int],
        channels: tuple[int, ...],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        batch, height = shape
        self.margin = rows
        self.slots = [
            torch.zeros(batch, height + rows, *channels, dtype=dtype, device=device) for _ in range(reach + 1)
        ]

    def store(self, t: int, first: int, values: Tensor) -> None:
        """Keep (B, n, ...) values of wavefront t, whose first row is `first`."""
        slot = self.slots[t % len(self.slots)]
        slot[:, : self.margin + first] = 0  # rows that an older wavefront left here
        slot[:, self.margin + first : self.margin + first + values.shape[1]] = values

    def select(self, t: int, first: int, count: int, dy: int, dx: int) -> Tensor:
        """Look up the neighbours at (dy, dx) of wavefront t: (B, count, ...)."""
        slot = self.slots[(t + 2 * dy + dx) % len(self.slots)]
        begin = self.margin + first + dy
        return slot[:, begin : begin + count]


def _reach(offsets: list[tuple[int, int]]) -> int:
    return max(-2 * dy - dx for dy, dx in offsets)


class CacheThenSelect:
    """Decodes one batch of tiles with one network."""

    def __init__(self, network: Network, sizes: list[tuple[int, int]], bit_depth: int) -> None:
        """Set up empty caches.

        Args:
            sizes: (height, width) of each of the B tiles.
        """
        self.network, self.bit_depth = network, bit_depth
        device = network.device
        self.heights, self.widths = (torch.tensor(side, device=device)[:, None] for side in zip(*sizes, strict=True))
        self.height, self.width = int(self.heights.max()), int(self.widths.max())
        self.uniform = len(set(sizes)) == 1
        shape, c, planes = (len(sizes), self.height), network.shape.width, network.shape.planes
        self.samples = _Ring(_reach(WINDOW), RADIUS, (planes * len(sizes), self.height), (), torch.int32, device)
        rows = network.shape.rows
        self.gates = [
            _Ring(_reach(network.taps), rows, shape, (c,), network.arithmetic.gate_dtype, device)
            for _ in range(network.shape.blocks)
        ]
        self.context = RunningMeans(len(sizes), network.shape.context, network.shape.context_places, device)
        self.offsets = torch.tensor(WINDOW, device=device)

    def decode(self, payloads: list[bytes], progress: Callable[[int], None]) -> Tensor:
        """Decode all tiles.

        Args:
            progress: called after every wavefront with the number of pixels done in it.

        Returns:
            (P, B, H, W) int32 planes; only the part within each tile's size counts.

        Raises:
            ContainerError: a payload is damaged.
        """
        batch, planes = len(payloads), self.network.shape.planes
        readers = TileReaders(payloads)
        out = torch.zeros(planes, batch, self.height, self.width, dtype=torch.int32, device=self.network.device)
        for t in range(self.width + 2 * (self.height - 1)):
            first = max(0, (t - self.width + 2) // 2)
            y = torch.arange(first, min(self.height - 1, t // 2) + 1, device=self.network.device)
            if not len(y):
                continue
            x = t - 2 * y
            live = (y < self.heights) & (x < self.widths)
            values = self._decode_wavefront(t, y, x, live, readers)
            self.samples.store(t, first, values.flatten(0, 1))
            out[:, :, y, x] = values
            progress(int(live.sum()))
        if not all(reader.is_exhausted() for reader in readers.readers):
            raise ContainerError("coded words are damaged: they do not end with the tile")
        return out

    def _decode_wavefront(self, t: int, y: Tensor, x: Tensor, live: Tensor, readers: TileReaders) -> Tensor:
        """(P, B, n) int32 samples of wavefront t, whose rows are y and columns x."""
        network, depth = self.network, self.bit_depth
        first, count, batch = int(y[0]), len(y), len(live)
        near = torch.stack([self.samples.select(t, first, count, dy, dx) for dy, dx in WINDOW])
        near = near.view(len(WINDOW), -1, batch * count)
        dy, dx = (part[:, None, None] for part in self.offsets.unbind(1))
        valid = ((y + dy >= 0) & (x + dx >= 0) & (x + dx < self.widths)).expand(-1, batch, -1)
        valid = valid.reshape(len(WINDOW), 1, batch * count)
        focus = find_focus(near, valid, network.fallback(depth)[:, 0], depth, network.tables)
        phase = parity(y, x)[:, None].expand(3, batch, count).reshape(3, -1)
        first_layer, stream = network.begin(features(near, valid, focus, phase, depth, network.tables))
        parts = network.read_context(self.context.get()) if network.shape.context else ()
        for block, ring in enumerate(self.gates):
            self._tell(stream.view(batch, count, -1), parts[block : block + 1])
            gate, value = network.gate_and_value(block, stream)
            gate = gate.view(batch, count, -1)
            ring.store(t, first, gate if self.uniform else gate * live[..., None])
            taps = [ring.select(t, first, count, dy, dx) for dy, dx in network.taps]
            gate = network.depthwise(block, taps).view(batch * count, -1)
            stream = network.finish_block(block, stream, gate, value)
        self._tell(stream.view(batch, count, -1), parts[-1:])
        trunk = network.arithmetic.narrow(stream)
        inside = live.flatten()
        owner = np.repeat(np.arange(batch), live.sum(1).cpu().numpy())
        residuals: list[Tensor] = []
        samples: list[Tensor] = []
        for plane in range(network.shape.planes):
            mixture = network.mixture(plane, trunk, focus, residuals, samples[0] if samples else focus.base[0], depth)
            if self.uniform and len(owner) == len(inside):
                value = decode_plane(mixture, readers, owner, network.tables).int()
            else:
                value = torch.zeros_like(focus.base[plane])
                index = inside.nonzero().squeeze(1)
                value[index] = decode_plane(mixture.select(index), readers, owner, network.tables).int()
            residuals.append(value)
            samples.append(value + focus.base[plane])
        if parts:
            told = network.context_features(first_layer, focus, residuals)
            self.context.add(told.view(batch, count, -1), live)
        return torch.stack(samples).view(-1, batch, count)

    def _tell(self, stream: Tensor, parts: tuple[Tensor, ...]) -> None:
        """Add a context's part, (B, C), if there is one, to the stream (B, n, C) of all positions of its tile."""
        for part in parts:
            self.network.add_context(stream, part[:, None])
