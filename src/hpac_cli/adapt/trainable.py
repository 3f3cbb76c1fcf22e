"""An adapter in floats, rounded in the loop: what gradient descent moves, and about what it costs to send.

Gains and biases count in STEP of the integer adapter's own units, factors in one, so rounding them gives the integers.
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
from hpac_cli.model.layers import Layer
from hpac_cli.model.weights import Weights
from hpac_cli.training.inputs import References
from hpac_cli.training.integers import from_integers
from hpac_cli.training.twin import Hpac

from .material import Crop


class _Layer(NamedTuple):
    weight: Tensor
    """(outputs, inputs) whole numbers: the shipped weights in their own units."""
    bias: Tensor
    """(outputs,) as the twin has it."""
    unit: Tensor
    """(outputs, 1) of the weights, as the twin has them."""
    bias_step: Tensor
    """(outputs,) by which the twin's bias changes for each step of the adapter's."""


class _Change(NamedTuple):
    """Views of the numbers of one layer, as in model.adapters.LayerAdapter."""

    gain: Tensor
    bias: Tensor
    up: Tensor
    down: Tensor


STEP = 3
"""Gains and biases are trained and sent as multiples of this: finer ones cost more than they save."""
_FACTOR_SPREAD = 1.0
"""Standard deviation of the right factors at the start, where the left ones are 0."""


class TrainableAdapter:
    """What there is to train for one set of weights: N numbers, vector after vector as in the file."""

    def __init__(self, weights: Weights, rank: int, device: torch.device, seed: int, *, biases: bool) -> None:
        """Begin with no change.

        Args:
            rank: of the low-rank change of each layer.
            biases: whether they are trained too, or stay as they are.
            device: to compute on.
            seed: of the right factors, which begin at random.
        """
        self.rank, self.device, self._biases = rank, device, biases
        state, places = from_integers(weights)
        self._twin = Hpac(weights.shape).requires_grad_(False).to(device)
        self._twin.load_state_dict(state)
        self._layers: dict[str, _Layer] = {}
        random = torch.Generator().manual_seed(seed)
        start, sizes = [], []
        for layer in adaptable_layers(weights.shape):
            self._layers[layer.name] = _prepare(layer, weights, state, places[layer.name], device)
            outputs, inputs = layer.outputs, layer.inputs
            start += [torch.zeros(outputs), torch.zeros(outputs)]
            for _ in range(rank):
                start += [torch.zeros(outputs), _FACTOR_SPREAD * torch.randn(inputs, generator=random)]
            sizes += [outputs, outputs, *[outputs, inputs] * rank]
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
            if self._biases:
                merged[f"{name}.bias"] = layer.bias + change.bias * layer.bias_step
        return merged

    def rate(self, numbers: Tensor) -> Tensor:
        """About the bits that the rounded numbers take to send."""
        sums = torch.zeros(len(self._sizes), device=self.device).index_add(0, self._vector, numbers.abs())
        return (self._sizes * torch.log2(1 + 2 * math.e * sums / self._sizes)).sum()

    def to_adapter(self, numbers: Tensor) -> Adapter:
        """The integers; factors that came to nothing are left out."""
        adapter = {}
        for name, change in zip(self._layers, self._changes(_round(numbers.detach())), strict=True):
            whole = LayerAdapter(*(part.cpu().numpy().astype(np.int64) for part in change))
            used = whole.up.any(0) & whole.down.any(1)
            adapter[name] = LayerAdapter(STEP * whole.gain, STEP * whole.bias, whole.up[:, used], whole.down[used])
        return adapter

    def _changes(self, numbers: Tensor) -> list[_Change]:
        """Cut the numbers into layers."""
        shapes = [layer.weight.shape for layer in self._layers.values()]
        ends = np.cumsum([0, *(2 * o + self.rank * (o + i) for o, i in shapes)]).tolist()
        changes = []
        for (outputs, inputs), (begin, end) in zip(shapes, pairwise(ends), strict=True):
            factors = numbers[begin + 2 * outputs : end].view(self.rank, outputs + inputs)
            gain, bias = numbers[begin : begin + 2 * outputs].view(2, outputs)
            changes.append(_Change(gain, bias, factors[:, :outputs].t(), factors[:, outputs:]))
        return changes


def _prepare(layer: Layer, weights: Weights, state: dict[str, Tensor], places: Tensor, device: torch.device) -> _Layer:
    """What is needed of one layer; state and places as from_integers returns them."""
    unit = torch.exp2(-places)
    shift = torch.from_numpy(weights.layers[layer.name].shift)
    step = STEP * torch.exp2((shift + layer.bias_exponent).clamp(min=0).float())
    return _Layer(
        (state[f"{layer.name}.weight"] / unit).to(device),
        state[f"{layer.name}.bias"].to(device),
        unit.to(device),
        (step * unit[:, 0] / (1 << layer.input_places)).to(device),
    )


def _round(x: Tensor) -> Tensor:
    """Round to nearest, ties up; straight-through."""
    return x + (torch.floor(x.detach() + 0.5) - x.detach())
