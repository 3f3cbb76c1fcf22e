"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner.

Source: Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", arXiv 2409.11321, algorithm 3.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_BETAS = (0.95, 0.95)
"""How long first and second moments are remembered; the second one also for the preconditioner."""
_EVERY = 10
"""Updates after which the bases are turned."""
_DECAY = 1e-4
_EPSILON = 1e-8


class Soap(Optimizer):
    """The optimiser of all parameters; those that are no matrices are updated as by Adam."""

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float) -> None:
        super().__init__(parameters, {"lr": learning_rate})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update every parameter by its gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    state = self.state[parameter]
                    if not state:
                        state.update(_begin(parameter.grad))
                    update = _update(state, parameter.grad)
                    parameter.mul_(1 - group["lr"] * _DECAY).add_(update, alpha=-group["lr"])


def _begin(gradient: Tensor) -> dict[str, Any]:
    state = {"updates": 0, "first": torch.zeros_like(gradient), "second": torch.zeros_like(gradient)}
    if gradient.dim() == 2:
        for side, square in (("left", gradient @ gradient.t()), ("right", gradient.t() @ gradient)):
            state[side], state[f"{side}_basis"] = square, torch.linalg.eigh(square)[1]
    return state


def _update(state: dict[str, Any], gradient: Tensor) -> Tensor:
    """Take a gradient in; return what the parameter moves by, at a learning rate of -1."""
    beta, beta2 = _BETAS
    state["updates"] += 1
    state["first"].lerp_(gradient, 1 - beta)
    state["second"].lerp_(_turn(state, gradient).square(), 1 - beta2)
    correction = (1 - beta2 ** state["updates"]) ** 0.5 / (1 - beta ** state["updates"])
    update = _turn(state, state["first"]) / (state["second"].sqrt() + _EPSILON) * correction
    update = _turn_back(state, update)
    if gradient.dim() == 2:
        state["left"].lerp_(gradient @ gradient.t(), 1 - beta2)
        state["right"].lerp_(gradient.t() @ gradient, 1 - beta2)
        if state["updates"] % _EVERY == 0:
            _follow(state, "left", 0)
            _follow(state, "right", 1)
    return update


def _turn(state: dict[str, Any], x: Tensor) -> Tensor:
    """Bring a matrix to the eigenbases; a vector stays."""
    turned: Tensor = state["left_basis"].t() @ x @ state["right_basis"] if x.dim() == 2 else x
    return turned


def _turn_back(state: dict[str, Any], x: Tensor) -> Tensor:
    turned: Tensor = state["left_basis"] @ x @ state["right_basis"].t() if x.dim() == 2 else x
    return turned


def _follow(state: dict[str, Any], side: str, dim: int) -> None:
    """Turn a basis towards the eigenvectors, by one step of power iteration, largest eigenvalues first."""
    square, basis = state[side], state[f"{side}_basis"]
    order = (basis * (square @ basis)).sum(0).argsort(descending=True)
    state["second"] = state["second"].index_select(dim, order)
    state[f"{side}_basis"] = torch.linalg.qr(square @ basis[:, order])[0]
