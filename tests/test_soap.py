"""SOAP: all matrices of a shape at once do what each would do by itself."""

import pytest
import torch
from torch import Tensor

from hpac_cli.training.soap import Soap

SHAPES = [(6, 4), (6, 4), (4, 4), (6, 4), (5,), (3,), (4, 4)]
RATE, BETA, DECAY, EPSILON = 3e-3, 0.95, 1e-4, 1e-8


class Plain:
    """Algorithm 3 of arXiv 2409.11321 for one parameter, line by line."""

    def __init__(self, parameter: Tensor) -> None:
        self.parameter, self.updates = parameter, 0
        self.first, self.second = torch.zeros_like(parameter), torch.zeros_like(parameter)

    def step(self, gradient: Tensor, bases: list[Tensor]) -> None:
        matrix = gradient.dim() == 2
        if matrix and not self.updates:
            self.left, self.right = gradient @ gradient.T, gradient.T @ gradient
            # where few directions are known the others are anyone's choice, so they are taken over
            self.left_basis, self.right_basis = bases
            for basis, square in zip(bases, (self.left, self.right), strict=True):
                turned = basis.T @ square @ basis
                assert torch.allclose(turned, turned.diagonal().diag(), atol=1e-9)
        self.updates += 1
        turn = (lambda x: self.left_basis.T @ x @ self.right_basis) if matrix else (lambda x: x)
        back = (lambda x: self.left_basis @ x @ self.right_basis.T) if matrix else (lambda x: x)
        self.first = BETA * self.first + (1 - BETA) * gradient
        self.second = BETA * self.second + (1 - BETA) * turn(gradient) ** 2
        remembered = 1 - BETA**self.updates
        update = turn(self.first) / (self.second.sqrt() + EPSILON) * remembered**0.5 / remembered
        self.parameter.copy_((1 - RATE * DECAY) * self.parameter - RATE * back(update))
        if matrix:
            self.left = BETA * self.left + (1 - BETA) * gradient @ gradient.T
            self.right = BETA * self.right + (1 - BETA) * gradient.T @ gradient

    def turn(self) -> None:
        if self.parameter.dim() == 2:
            order = (self.left_basis * (self.left @ self.left_basis)).sum(0).argsort(descending=True)
            self.second = self.second[order]
            self.left_basis = torch.linalg.qr(self.left @ self.left_basis[:, order])[0]
            order = (self.right_basis * (self.right @ self.right_basis)).sum(0).argsort(descending=True)
            self.second = self.second[:, order]
            self.right_basis = torch.linalg.qr(self.right @ self.right_basis[:, order])[0]


def draw(random: torch.Generator) -> list[Tensor]:
    return [torch.randn(shape, generator=random, dtype=torch.float64) for shape in SHAPES]


def bases_of(soap: Soap, number: int) -> list[Tensor]:
    """Copies of the bases of one parameter: groups are in the order of the first of each shape."""
    shapes = list(dict.fromkeys(shape if len(shape) == 2 else () for shape in SHAPES))
    shape, state = SHAPES[number], soap.state_dict()
    if len(shape) < 2:
        return []
    at = SHAPES[:number].count(shape)
    return [state[f"{shapes.index(shape)}.{side}_basis"][at].clone() for side in ("left", "right")]


def test_batches_of_matrices_are_updated_as_each_alone() -> None:
    random = torch.Generator().manual_seed(1)
    parameters = draw(random)
    alone = [Plain(parameter.clone()) for parameter in parameters]
    soap = Soap(parameters)
    soap.learning_rate.fill_(RATE)
    for update in range(25):
        gradients = draw(random)
        if not update:
            soap.begin([0.5 * gradient for gradient in gradients])
        for number, (plain, gradient) in enumerate(zip(alone, gradients, strict=True)):
            plain.step(0.5 * gradient, bases_of(soap, number))
        soap.step(gradients, torch.tensor(0.5))
        if update % 10 == 9:
            soap.turn()
            for plain in alone:
                plain.turn()
    for plain, parameter in zip(alone, parameters, strict=True):
        assert torch.allclose(parameter, plain.parameter, rtol=0, atol=1e-3 * RATE)


def test_a_loaded_optimiser_goes_on_in_the_tensors_that_it_has() -> None:
    random = torch.Generator().manual_seed(2)
    first, second = Soap(draw(random)), Soap(draw(random))
    held = second.state_dict()
    first.step(draw(random), torch.ones(()))
    second.load_state_dict(first.state_dict())
    assert all(torch.equal(held[name], value) for name, value in first.state_dict().items())


def test_bases_stay_orthonormal_where_gradients_fill_few_directions() -> None:
    random = torch.Generator().manual_seed(3)
    weight = torch.randn(16, 16, generator=random)
    soap = Soap([weight])
    narrow = torch.randn(16, 2, generator=random) @ torch.randn(2, 16, generator=random)
    soap.begin([narrow])
    for _ in range(5):
        soap.step([narrow * torch.randn((), generator=random)], torch.ones(()))
        soap.turn()
    for name, basis in soap.state_dict().items():
        if name.endswith("basis"):
            assert torch.allclose(basis[0].T @ basis[0], torch.eye(16), atol=1e-3)


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_soap_finds_its_way_where_scales_differ_in_directions_of_their_own(scale: float) -> None:
    """A least-squares problem whose curvature has no preferred axes: Adam at the same rate is left behind."""
    random = torch.Generator().manual_seed(1)
    left, right = (torch.linalg.qr(torch.randn(12, 12, generator=random))[0] for _ in range(2))
    curvature = torch.logspace(0, -2, 12)
    target = torch.randn(12, 12, generator=random)

    def cost(weight: Tensor) -> Tensor:
        return ((left * curvature @ left.t()) @ (weight - target) @ (right * curvature @ right.t())).square().sum()

    by_soap, by_adam = (torch.zeros(12, 12, requires_grad=True) for _ in range(2))
    soap, adam = Soap([by_soap]), torch.optim.Adam([by_adam], 0.02)
    soap.learning_rate.fill_(0.02)
    for update in range(300):
        gradients = [torch.autograd.grad(cost(by_soap), by_soap)[0]]
        if not update:
            soap.begin(gradients)
        soap.step(gradients, torch.tensor(scale))
        if update % 10 == 9:
            soap.turn()
        adam.zero_grad()
        cost(by_adam).backward()  # type: ignore[no-untyped-call]
        adam.step()
    assert cost(by_soap) < 0.5 * cost(by_adam)
