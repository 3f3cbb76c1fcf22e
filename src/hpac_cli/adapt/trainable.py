"""An adapter in floats, rounded in the loop: what gradient descent moves, and about what it costs to send.

Gains count in STEP of the integer adapter's own units, factors in one, so rounding them gives the integers. Biases stay as they
are: what they win is less than what they cost (docs/experiments.md).
"""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call

from hpac_cli.model.adapters import FACTOR_BITS, GAIN_BITS, Adapter, LayerAdapter, adaptable_layers
from hpac_cli.model.weights import Weights
from hpac_cli.training.inputs import References
from hpac_cli.training.integers import from_integers
from hpac_cli.training.twin import Hpac

from .material import Crop


class _Layer(NamedTuple):
    weight: Tensor
    """(outputs, inputs) whole numbers: the shipped weights in their own units."""
    unit: Tensor
    """(outputs, 1) of the weights, as the twin has them."""


class _Change(NamedTuple):
    """Views of the numbers of one layer, as in model.adapters.LayerAdapter."""

    gain: Tensor
    up: Tensor
    down: Tensor


STEP = 3
"""Gains are trained and sent as multiples of this: finer ones cost more than they save."""
_FACTOR_SPREAD = 1.0
"""Standard deviation of the right factors at the start, where the left ones are 0."""


class TrainableAdapter:
    """What there is to train for one set of weights: N numbers, vector after vector as in the file."""

    def __init__(self, weights: Weights, rank: int, device: torch.device, seed: int) -> None:
        """Begin with no change.

        Args:
            rank: of the low-rank change of each layer.
            device: to compute on.
            seed: of the right factors, which begin at random.
        """
        self.rank, self.device = rank, device
        state, places = from_integers(weights)
        self._twin = Hpac(weights.shape).requires_grad_(False).to(device)
        self._twin.load_state_dict(state)
        self._layers: dict[str, _Layer] = {}
        random = torch.Generator().manual_seed(seed)
        start, sizes = [], []
        for layer in adaptable_layers(weights.shape):
            unit = torch.exp2(-places[layer.name])
            self._layers[layer.name] = _Layer((state[f"{layer.name}.weight"] / unit).to(device), unit.to(device))
            outputs, inputs = layer.outputs, layer.inputs
            start.append(torch.zeros(outputs))
            for _ in range(rank):
                start += [torch.zeros(outputs), _FACTOR_SPREAD * torch.randn(inputs, generator=random)]
            sizes += [outputs, *[outputs, inputs] * rank]
        self.start = torch.cat(start).to(device)
        """(N,) float32 before training."""
        self._sizes = torch.tensor(sizes, device=device)
        self._vector = torch.repeat_interleave(torch.arange(len(sizes), device=device), self._sizes)

    def gradient(self, numbers: NDArray[np.float32], crop: Crop) -> NDArray[np.float32]:
        """How the mean code length of a crop's samples changes with the numbers, (N,)."""
        moved = torch.from_numpy(numbers).to(self.device).requires_grad_()
        (gradient,) = torch.autograd.grad(self.code_length(moved, crop).mean(), moved)
        found: NDArray[np.float32] = gradient.cpu().numpy()
        return found

    def code_length(self, numbers: Tensor, crop: Crop) -> Tensor:
        """Bits of a crop's samples, (P, 1, h, w) as its planes, with weights and adapter rounded.

        Args:
            numbers: (N,) float32.
        """
        device = self.device
        shifts = None if crop.shifts is None else crop.shifts.to(device)
        references = None if crop.references is None else References(*(part.to(device) for part in crop.references))
        arguments = crop.planes.to(device), crop.bit_depth, False, shifts, references
        bits: Tensor = functional_call(self._twin, self.merged(numbers), arguments)
        return bits

    def merged(self, numbers: Tensor) -> dict[str, Tensor]:
        """What model.adapters.merge makes of the rounded numbers, for the twin; gradients pass straight through."""
        merged = {}
        for (name, layer), change in zip(self._layers.items(), self._changes(_round(numbers)), strict=True):
            wide = layer.weight * (1 + STEP * change.gain / (1 << GAIN_BITS))[:, None]
            if self.rank:
                wide = wide + change.up @ change.down / (1 << FACTOR_BITS)
            merged[f"{name}.weight"] = _round(wide).clamp(-127, 127) * layer.unit
        return merged

    def rate(self, numbers: Tensor) -> Tensor:
        """About the bits that the rounded numbers take to send."""
        sums = torch.zeros(len(self._sizes), device=self.device).index_add(0, self._vector, numbers.abs())
        return (self._sizes * torch.log2(1 + 2 * math.e * sums / self._sizes)).sum()

    def to_adapter(self, numbers: Tensor) -> Adapter:
        """The integers; factors that came to nothing are left out."""
        adapter = {}
        for name, change in zip(self._layers, self._changes(_round(numbers.detach())), strict=True):
            gain, up, down = (part.cpu().numpy().astype(np.int64) for part in change)
            used = up.any(0) & down.any(1)
            adapter[name] = LayerAdapter(STEP * gain, np.zeros_like(gain), up[:, used], down[used])
        return adapter

    def _changes(self, numbers: Tensor) -> list[_Change]:
        """Cut the numbers into layers."""
        shapes = [layer.weight.shape for layer in self._layers.values()]
        ends = np.cumsum([0, *(o + self.rank * (o + i) for o, i in shapes)]).tolist()
        changes = []
        for (outputs, inputs), (begin, end) in zip(shapes, pairwise(ends), strict=True):
            factors = numbers[begin + outputs : end].view(self.rank, outputs + inputs)
            changes.append(_Change(numbers[begin : begin + outputs], factors[:, :outputs].t(), factors[:, outputs:]))
        return changes


def _round(x: Tensor) -> Tensor:
    """Round to nearest, ties up; straight-through."""
    return x + (torch.floor(x.detach() + 0.5) - x.detach())
