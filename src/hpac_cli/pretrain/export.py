"""Turn a trained float network into the integers that the codec reads."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpac_cli.intnet.tables import LOGIT_Q, MEAN_Q, SPREAD_Q, make_tables
from hpac_cli.intnet.weights import IntArray, Shape, Weights, check_weights, layer_shapes

from .model import ACTIVATION_Q, STREAM_Q, weight_exponents


def export(name: str, shape: Shape, state: dict[str, Tensor]) -> Weights:
    """Round every layer to int8 weights, int32 biases and right shifts.

    Args:
        state: state_dict of pretrain.model.Hpac.

    Raises:
        ModelError: a layer could overflow; train with a smaller learning rate or more decay.
    """
    arrays: dict[str, IntArray] = {f"table.{n}": t for n, t in make_tables().items()}
    for layer, _ in layer_shapes(shape):
        weight, bias = state[f"{layer}.weight"].cpu().double(), state[f"{layer}.bias"].cpu().double()
        exponent = weight_exponents(weight)
        scaled = torch.floor(weight * torch.exp2(exponent)[:, None] + 0.5).clamp(-127, 127)
        arrays[f"{layer}.weight"] = scaled.numpy().astype(np.int8)
        arrays[f"{layer}.bias"] = torch.floor(bias * torch.exp2(exponent + ACTIVATION_Q) + 0.5).numpy().astype(np.int32)
        arrays[f"{layer}.shift"] = (exponent.numpy() + ACTIVATION_Q - _output_q(layer, len(bias), shape)).astype(
            np.int32
        )
    weights = Weights(name, shape, arrays)
    check_weights(weights)
    return weights


def _output_q(layer: str, outputs: int, shape: Shape) -> NDArray[np.int64]:
    """Binary places of each output channel: what the float twin rounds to."""
    kind = layer.rpartition(".")[2]
    if layer == "input2" or (layer.startswith("blocks") and kind in ("out", "down")):
        return np.full(outputs, STREAM_Q)
    if kind == "out":
        groups = [LOGIT_Q, MEAN_Q, SPREAD_Q] + [MEAN_Q] * (outputs // shape.components - 3)
        return np.repeat(groups, shape.components)
    return np.full(outputs, ACTIVATION_Q)
