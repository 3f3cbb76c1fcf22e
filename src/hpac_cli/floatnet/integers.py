"""The float twin's parameters to the integers that the codec reads, and back."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpac_cli.intnet.tables import LOGIT_Q, MEAN_Q, SPREAD_Q, make_tables
from hpac_cli.intnet.weights import IntArray, Shape, Weights, check_weights, layer_shapes

from .model import ACTIVATION_Q, STREAM_Q, weight_exponents


def input_places(layer: str, shape: Shape) -> int:
    """Binary places of a layer's inputs."""
    return ACTIVATION_Q + (shape.context_places if layer == "context.out" else 0)


def to_integers(name: str, shape: Shape, state: dict[str, Tensor]) -> Weights:
    """Round every layer to int8 weights, int32 biases and right shifts.

    Args:
        state: state_dict of floatnet.model.Hpac.

    Raises:
        ModelError: a layer could overflow; train with a smaller learning rate or more decay.
    """
    arrays: dict[str, IntArray] = {f"table.{n}": t for n, t in make_tables().items()}
    for layer, _ in layer_shapes(shape):
        weight, bias = state[f"{layer}.weight"].cpu().double(), state[f"{layer}.bias"].cpu().double()
        exponent, inputs = weight_exponents(weight), input_places(layer, shape)
        scaled = torch.floor(weight * torch.exp2(exponent)[:, None] + 0.5).clamp(-127, 127)
        arrays[f"{layer}.weight"] = scaled.numpy().astype(np.int8)
        arrays[f"{layer}.bias"] = torch.floor(bias * torch.exp2(exponent + inputs) + 0.5).numpy().astype(np.int32)
        arrays[f"{layer}.shift"] = (exponent.numpy() + inputs - _output_q(layer, len(bias), shape)).astype(np.int32)
    weights = Weights(name, shape, arrays)
    check_weights(weights)
    return weights


def from_integers(weights: Weights) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Undo to_integers.

    Returns:
        A state_dict of floatnet.model.Hpac that rounds to the same integers, float32; and for each layer
        the binary places of its weights, (outputs, 1).
    """
    state, places = {}, {}
    for name, (outputs, _) in layer_shapes(weights.shape):
        layer, inputs = weights.layer(name), input_places(name, weights.shape)
        exponent = torch.from_numpy(layer.shift - inputs + _output_q(name, outputs, weights.shape)).double()
        weight, bias = (torch.from_numpy(array).double() for array in (layer.weight, layer.bias))
        state[f"{name}.weight"] = (weight * torch.exp2(-exponent)[:, None]).float()
        state[f"{name}.bias"] = (bias * torch.exp2(-exponent - inputs)).float()
        places[name] = exponent[:, None].float()
    return state, places


def _output_q(layer: str, outputs: int, shape: Shape) -> NDArray[np.int64]:
    """Binary places of each output channel: what the float twin rounds to."""
    kind = layer.rpartition(".")[2]
    if kind == "out" and layer.startswith("heads"):
        groups = [LOGIT_Q, MEAN_Q, SPREAD_Q] + [MEAN_Q] * (outputs // shape.components - 3)
        return np.repeat(groups, shape.components)
    if kind in ("input2", "out", "down"):
        return np.full(outputs, STREAM_Q)
    return np.full(outputs, ACTIVATION_Q)
