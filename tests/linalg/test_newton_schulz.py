"""The orthogonal factor of a matrix, against its singular value decomposition."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from runner.linalg.newton_schulz import CLASSICAL, QUINTIC, orthogonalized

SHAPES = [(3, 3), (2, 5), (5, 2), (1, 4), (4, 1), (1, 1)]


def matrix(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("steps", [0, 1, 2, 5])
def test_every_step_maps_each_singular_value_by_the_polynomial(shape: tuple[int, int], steps: int) -> None:
    u, s, vt = torch.linalg.svd(matrix(*shape), full_matrices=False)
    s = s / s.norm()
    a, b, c = QUINTIC
    for _ in range(steps):
        s = a * s + b * s**3 + c * s**5
    torch.testing.assert_close(orthogonalized(matrix(*shape), steps), u @ torch.diag(s) @ vt, rtol=0, atol=1e-11)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_classical_polynomial_converges_to_the_orthogonal_factor(shape: tuple[int, int]) -> None:
    u, _, vt = torch.linalg.svd(matrix(*shape), full_matrices=False)
    torch.testing.assert_close(orthogonalized(matrix(*shape), 40, CLASSICAL), u @ vt, rtol=0, atol=1e-12)


def test_five_steps_of_the_steep_polynomial_bring_singular_values_near_1() -> None:
    # from 0.003 on; the polynomial sends [0.003, 1] into [0.68, 1.21] in five steps
    s = torch.logspace(-2.5, 0, 200, dtype=torch.float64)
    a, b, c = QUINTIC
    for _ in range(5):
        s = a * s + b * s**3 + c * s**5
    assert s.min().item() == pytest.approx(0.68, abs=0.02)
    assert s.max().item() == pytest.approx(1.2, abs=0.02)


def test_a_stack_of_matrices_is_each_by_itself() -> None:
    stack = matrix(4, 3, 5)
    torch.testing.assert_close(
        orthogonalized(stack, 5), torch.stack([orthogonalized(one, 5) for one in stack]), rtol=1e-12, atol=1e-13
    )


def test_a_zero_matrix_stays_zero_and_the_argument_as_it_is() -> None:
    zero, one = torch.zeros(2, 3), matrix(2, 3)
    assert not orthogonalized(zero, 5).any()
    kept = one.clone()
    orthogonalized(one, 5)
    assert torch.equal(one, kept)
