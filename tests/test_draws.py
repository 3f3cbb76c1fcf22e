"""Samples that are drawn from mixtures, as a teacher draws them."""

import pytest
import torch

from hpac_cli.training.code_length import HeadOutput, code_length, draw_samples


def head_of(plane: int, lowest: int) -> HeadOutput:
    """One pixel's mixture of three logistics, some of which lie beyond the possible samples; 5 bits."""
    torch.manual_seed(plane)
    parameters = torch.randn(1, 3 * (3 + plane))
    earlier = [torch.tensor([3 - 5 * q], dtype=torch.int32) for q in range(plane)]
    whole = (torch.tensor([x], dtype=torch.int32) for x in (lowest + 3, 10, lowest))
    base, level, least = whole
    return HeadOutput(parameters, 3, base, level, earlier, least, torch.tensor([5], dtype=torch.int32))


@pytest.mark.parametrize(("plane", "lowest"), [(0, 0), (1, -9), (2, -31)])
def test_samples_are_drawn_as_often_as_the_mixture_expects_them(plane: int, lowest: int) -> None:
    head, number = head_of(plane, lowest), 1 << 18
    drawn = draw_samples(head, torch.rand(2, number, 1))[:, 0] - lowest
    possible = torch.arange(32, dtype=torch.int32)[:, None] + lowest
    expected = 2 ** -code_length(head, possible, 0.0)[:, 0]
    assert expected.sum() == pytest.approx(1, abs=1e-4)
    found = torch.bincount(drawn, minlength=32) / number
    assert (found - expected).abs().max() < 5 * (0.25 / number) ** 0.5
