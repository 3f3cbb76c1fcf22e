"""The float twin's parameters to the integers that the codec reads, and back."""

import numpy as np
import torch
from torch import Tensor

from hpac_cli.model.layers import layer_table
from hpac_cli.model.shape import Shape
from hpac_cli.model.weights import IntegerLayer, Weights, check_weights

from .quantise import weight_exponents


def to_integers(name: str, shape: Shape, state: dict[str, Tensor]) -> Weights:
    """Round every layer to int8 weights, int32 biases and right shifts.

    Args:
        state: state_dict of training.twin.Hpac.

    Raises:
        ModelError: a layer could overflow; train with a smaller learning rate or more decay.
    """
    layers = {}
    for layer in layer_table(shape):
        weight, bias = (state[f"{layer.name}.{part}"].cpu().double() for part in ("weight", "bias"))
        exponent = weight_exponents(weight)
        whole = torch.floor(weight * torch.exp2(exponent)[:, None] + 0.5).clamp(-127, 127)
        whole_bias = torch.floor(bias * torch.exp2(exponent + layer.input_places) + 0.5)
        shift = exponent.numpy() + layer.input_places - layer.places_of_outputs()
        layers[layer.name] = IntegerLayer(
            whole.numpy().astype(np.int8), whole_bias.numpy().astype(np.int32), shift.astype(np.int32)
        )
    weights = Weights(name, shape, layers)
    check_weights(weights)
    return weights


def from_integers(weights: Weights) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Undo to_integers.

    Returns:
        A state_dict of training.twin.Hpac that rounds to the same integers, float32; and for each layer
        the binary places of its weights, (outputs, 1).
    """
    state, places = {}, {}
    for row in layer_table(weights.shape):
        layer = weights.layers[row.name]
        exponent = torch.from_numpy(layer.shift - row.input_places + row.places_of_outputs()).double()
        weight, bias = (torch.from_numpy(array).double() for array in (layer.weight, layer.bias))
        state[f"{row.name}.weight"] = (weight * torch.exp2(-exponent)[:, None]).float()
        state[f"{row.name}.bias"] = (bias * torch.exp2(-exponent - row.input_places)).float()
        places[row.name] = exponent[:, None].float()
    return state, places
