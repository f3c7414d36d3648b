"""The damped inverse of a Kronecker product."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from runner.linalg.kronecker import damped_inverses, inverse

NUMBERS = torch.Generator().manual_seed(0)


def positive(n: int) -> Tensor:
    """A symmetric positive definite matrix `[n, n]` with condition number below 100."""
    root = torch.randn(n, 3 * n, generator=NUMBERS, dtype=torch.float64)
    return root @ root.T / n


A, G, V = positive(5), positive(4), torch.randn(4, 5, generator=NUMBERS, dtype=torch.float64)


# Two inversions with condition numbers below 100 lose about four digits of sixteen.
def test_two_small_inverses_are_the_inverse_of_the_product() -> None:
    expected = torch.linalg.solve(torch.kron(A, G), V.T.flatten())  # vec stacks the columns
    found = inverse(G) @ V @ inverse(A)
    torch.testing.assert_close(found.T.flatten(), expected, rtol=1e-12, atol=1e-13)


def test_damping_adds_to_each_factor_by_its_size() -> None:
    gamma, pi = 0.3, ((A.trace() / 5) / (G.trace() / 4)).sqrt()
    one, other = damped_inverses(A, G, gamma)
    torch.testing.assert_close(one, torch.linalg.inv(A + pi * gamma * torch.eye(5).double()), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(other, torch.linalg.inv(G + gamma / pi * torch.eye(4).double()), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("c", [1e-3, 1e3])
def test_a_factor_may_stand_in_either_of_the_two(c: float) -> None:
    one, other = damped_inverses(A, G, 0.3)
    moved = damped_inverses(c * A, G / c, 0.3)
    torch.testing.assert_close(moved[1] @ V @ moved[0], other @ V @ one, rtol=1e-12, atol=1e-14)


def test_a_matrix_that_has_no_inverse_has_a_pseudo_inverse() -> None:
    x = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64)
    torch.testing.assert_close(inverse(x.T @ x), torch.linalg.pinv(x.T @ x), rtol=1e-12, atol=1e-15)
    assert torch.equal(inverse(torch.zeros(3, 3)), torch.zeros(3, 3))


def test_a_factor_without_a_size_is_damped_by_gamma() -> None:
    one, other = damped_inverses(torch.zeros(2, 2), G, 0.5)
    torch.testing.assert_close(one, 2 * torch.eye(2))
    torch.testing.assert_close(other, torch.linalg.inv(G + 0.5 * torch.eye(4).double()), rtol=1e-12, atol=1e-14)


def test_an_inverse_lies_as_it_comes_back_from_a_checkpoint() -> None:
    assert inverse(A).is_contiguous()
