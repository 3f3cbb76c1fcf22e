"""An adapter in floats, rounded in the loop: what gradient descent moves, and about what it costs to send.

All parameters count in the integer adapter's own units, so rounding them gives the integers.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from hpac_cli.floatnet.integers import from_integers
from hpac_cli.floatnet.model import ACTIVATION_Q, Hpac
from hpac_cli.intnet.adapters import FACTOR_BITS, GAIN_BITS, Adapter, bias_exponent, no_change
from hpac_cli.intnet.weights import Weights, layer_shapes


class _Layer(NamedTuple):
    weight: Tensor
    """(outputs, inputs) whole numbers: the shipped weights in their own units."""
    bias: Tensor
    """(outputs,) as the twin has it."""
    unit: Tensor
    """(outputs, 1) of the weights, as the twin has them."""
    bias_step: Tensor
    """(outputs,) by which the twin's bias changes for each step of the adapter's."""
    numbers: dict[str, nn.Parameter]
    """What is trained: gain, bias and, where there is a rank, up and down, as in intnet.adapters."""


_FACTOR_SPREAD = 3.0
"""Standard deviation of the right factors at the start, where the left ones are 0."""


class TrainableAdapter:
    """The change of one set of weights, with the float twin that it changes."""

    def __init__(self, weights: Weights, ranks: Mapping[str, int], device: torch.device, seed: int) -> None:
        """Begin with no change.

        Args:
            ranks: of the low-rank change by kind of layer (the last part of its name); others have 0.
            device: to compute on.
            seed: of the right factors, which begin at random.
        """
        self._twin = Hpac(weights.shape).requires_grad_(False).to(device)
        self._nothing = no_change(weights.shape)
        self._layers: dict[str, _Layer] = {}
        state, places = from_integers(weights)
        random = torch.Generator().manual_seed(seed)
        for name, (outputs, inputs) in layer_shapes(weights.shape):
            numbers = {"gain": torch.zeros(outputs), "bias": torch.zeros(outputs)}
            rank = min(ranks.get(name.rpartition(".")[2], 0), outputs, inputs)
            if rank:
                numbers["up"] = torch.zeros(outputs, rank)
                numbers["down"] = _FACTOR_SPREAD * torch.randn(rank, inputs, generator=random)
            unit = torch.exp2(-places[name])
            shift = torch.from_numpy(weights.layer(name).shift)
            step = torch.exp2((shift + bias_exponent(name)).clamp(min=0).float())
            self._layers[name] = _Layer(
                (state[f"{name}.weight"] / unit).to(device),
                state[f"{name}.bias"].to(device),
                unit.to(device),
                (step * unit[:, 0] / (1 << ACTIVATION_Q)).to(device),
                {key: nn.Parameter(value.to(device)) for key, value in numbers.items()},
            )
        self.parameters = [number for layer in self._layers.values() for number in layer.numbers.values()]

    def code_length(self, planes: Tensor, bit_depth: int) -> Tensor:
        """Bits of a crop's samples, (P, B, H, W) as its planes, with weights and adapter rounded."""
        bits: Tensor = functional_call(self._twin, self._merged(), (planes, bit_depth, False))
        return bits

    def _merged(self) -> dict[str, Tensor]:
        """What intnet.adapters.merge makes of the rounded parameters; gradients pass straight through."""
        merged = {}
        for name, layer in self._layers.items():
            numbers = {key: _round(value) for key, value in layer.numbers.items()}
            wide = layer.weight * (1 + numbers["gain"] / (1 << GAIN_BITS))[:, None]
            if "up" in numbers:
                wide = wide + numbers["up"] @ numbers["down"] / (1 << FACTOR_BITS)
            merged[f"{name}.weight"] = _round(wide).clamp(-127, 127) * layer.unit
            merged[f"{name}.bias"] = layer.bias + numbers["bias"] * layer.bias_step
        return merged

    def rate(self) -> Tensor:
        """About the bits that the rounded parameters take to send."""
        lengths = []
        for layer in self._layers.values():
            numbers = layer.numbers
            factors = [*numbers["up"].unbind(1), *numbers["down"].unbind(0)] if "up" in numbers else []
            for vector in (numbers["gain"], numbers["bias"], *factors):
                lengths.append(len(vector) * torch.log2(1 + 2 * math.e * vector.abs().mean()))
        return torch.stack(lengths).sum()

    def to_adapter(self) -> Adapter:
        """The integers."""
        adapter = {}
        for name, layer in self._layers.items():
            numbers = {key: _round(value.detach()).long().cpu().numpy() for key, value in layer.numbers.items()}
            change = self._nothing[name]._replace(**numbers)
            used = change.up.any(0) & change.down.any(1)
            adapter[name] = change._replace(up=change.up[:, used], down=change.down[used])
        return adapter


def _round(x: Tensor) -> Tensor:
    """Round to nearest, ties up; straight-through."""
    return x + (torch.floor(x.detach() + 0.5) - x.detach())
