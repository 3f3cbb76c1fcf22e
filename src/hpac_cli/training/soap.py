"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner, for all matrices of one shape at once.

Fit for a CUDA graph: a step changes its tensors in place and never asks the device for a number. Only the bases are
turned outside of it.
Source: Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", arXiv 2409.11321, algorithm 3.
"""

import math
from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

_BETA = 0.95
"""How long first and second moments and the preconditioner are remembered."""
_DECAY = 1e-4
_EPSILON = 1e-8
_WELL_CONDITIONED = 1e-3
"""How far a basis may be from orthogonal before it is computed the slow way."""


class _Vectors:
    """What is no matrix, laid end to end: Adam."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = parameters
        size = sum(p.numel() for p in parameters)
        self.state = {name: parameters[0].detach().new_zeros(size) for name in ("first", "second")}

    def join(self, gradients: Sequence[Tensor]) -> Tensor:
        return torch.cat([g.flatten() for g in gradients])

    def divide(self, update: Tensor) -> list[Tensor]:
        parts = update.split([p.numel() for p in self.parameters])
        return [part.view_as(p) for part, p in zip(parts, self.parameters, strict=True)]

    def update(self, gradient: Tensor) -> Tensor:
        """Take a gradient in; return the direction to go against."""
        self.state["first"].lerp_(gradient, 1 - _BETA)
        self.state["second"].lerp_(gradient.square(), 1 - _BETA)
        return self.state["first"] / (self.state["second"].sqrt() + _EPSILON)


class _Matrices:
    """G matrices (O, I): their moments are (G, O, I), preconditioners and bases (G, O, O) on the left, (G, I, I) on the right."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = parameters
        like, number, (outputs, inputs) = parameters[0].detach(), len(parameters), parameters[0].shape
        self.state = {name: like.new_zeros(number, outputs, inputs) for name in ("first", "second")}
        for side, size in (("left", outputs), ("right", inputs)):
            self.state[side] = like.new_zeros(number, size, size)
            self.state[f"{side}_basis"] = torch.eye(size).to(like).repeat(number, 1, 1)

    def join(self, gradients: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(gradients))

    def divide(self, update: Tensor) -> list[Tensor]:
        return list(update.unbind())

    def begin(self, gradient: Tensor) -> None:
        """Set preconditioners and bases by the first gradient."""
        for side, square in (("left", gradient @ gradient.mT), ("right", gradient.mT @ gradient)):
            self.state[side].copy_(square)
            self.state[f"{side}_basis"].copy_(torch.linalg.eigh(square.double().cpu())[1])

    def update(self, gradient: Tensor) -> Tensor:
        """Take gradients in; return the directions to go against."""
        left, right = self.state["left_basis"], self.state["right_basis"]
        self.state["first"].lerp_(gradient, 1 - _BETA)
        self.state["second"].lerp_((left.mT @ gradient @ right).square(), 1 - _BETA)
        turned = left.mT @ self.state["first"] @ right / (self.state["second"].sqrt() + _EPSILON)
        self.state["left"].lerp_(gradient @ gradient.mT, 1 - _BETA)
        self.state["right"].lerp_(gradient.mT @ gradient, 1 - _BETA)
        return left @ turned @ right.mT

    def turn(self) -> None:
        """Turn the bases towards the eigenvectors, by one step of power iteration, largest eigenvalues first."""
        for side, dim in (("left", 1), ("right", 2)):
            square, basis, second = self.state[side], self.state[f"{side}_basis"], self.state["second"]
            order = (basis * (square @ basis)).sum(1).argsort(-1, descending=True)
            basis.copy_(basis.gather(2, order[:, None].expand_as(basis)))
            second.copy_(second.gather(dim, order.unsqueeze(3 - dim).expand_as(second)))
            basis.copy_(_orthonormal(square @ basis))


class Soap:
    """The optimiser of all parameters; those that are no matrices are updated as by Adam."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        """Begin with empty moments.

        Args:
            parameters: in the order in which gradients come.
        """
        places = defaultdict(list)
        for place, parameter in enumerate(parameters):
            places[tuple(parameter.shape) if parameter.dim() == 2 else ()].append(place)
        self._groups: list[tuple[list[int], _Vectors | _Matrices]] = [
            (at, (_Matrices if shape else _Vectors)([parameters[place] for place in at]))
            for shape, at in places.items()
        ]
        self.learning_rate = torch.zeros((), device=parameters[0].device)
        self._updates = torch.zeros((), device=parameters[0].device)

    @torch.no_grad()
    def begin(self, gradients: Sequence[Tensor]) -> None:
        """Set the bases by the first gradients, before the first step."""
        for places, group in self._groups:
            if isinstance(group, _Matrices):
                group.begin(group.join([gradients[place] for place in places]))

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], scale: Tensor) -> None:
        """Update every parameter by its gradient times `scale` ()."""
        self._updates.add_(1)
        remembered = 1 - torch.exp(self._updates * math.log(_BETA))
        rate = self.learning_rate * remembered.sqrt() / remembered
        keep = 1 - self.learning_rate * _DECAY
        for places, group in self._groups:
            update = group.update(group.join([gradients[place] for place in places]) * scale) * rate
            for parameter, part in zip(group.parameters, group.divide(update), strict=True):
                parameter.mul_(keep).sub_(part)

    @torch.no_grad()
    def turn(self) -> None:
        """Turn all bases; every so many updates."""
        for _, group in self._groups:
            if isinstance(group, _Matrices):
                group.turn()

    def state_dict(self) -> dict[str, Tensor]:
        """All that the next step depends on but the learning rate; the tensors themselves."""
        moments = {f"{i}.{name}": x for i, (_, group) in enumerate(self._groups) for name, x in group.state.items()}
        return {"updates": self._updates} | moments

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue from state_dict() of an optimiser of equal parameters, in the tensors that are there."""
        for name, ours in self.state_dict().items():
            ours.copy_(state[name])


def _orthonormal(columns: Tensor) -> Tensor:
    """Make the columns of (G, N, N) orthonormal, each in the span of itself and those before it.

    By Cholesky's decomposition of their products in float64, which GPUs do for all matrices at once; where that is too
    ill-conditioned, by Householder's reflections.
    """
    wide = columns.double()
    wide = wide / wide.norm(dim=1, keepdim=True).clamp(min=1e-30)
    products = wide.mT @ wide
    one = torch.eye(products.shape[-1], device=products.device, dtype=products.dtype)
    upper, failed = torch.linalg.cholesky_ex(products + 1e-10 * one, upper=True)
    found = torch.linalg.solve_triangular(upper, wide, upper=True, left=False)
    error = (found.mT @ found - one).abs().amax((1, 2))
    for bad in ((failed != 0) | ~(error < _WELL_CONDITIONED)).nonzero().flatten().tolist():
        found[bad] = torch.linalg.qr(wide[bad])[0]
    narrow: Tensor = found.to(columns.dtype)
    return narrow
