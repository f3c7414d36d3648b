"""Inverse roots, against scipy's fractional powers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.linalg import fractional_matrix_power, sqrtm
from torch import Tensor

from runner.linalg.roots import FLOOR, inverse_root, newton_inverse_root

Way = Callable[[Tensor, int, float], Tensor]
WAYS: dict[str, Way] = {
    "eigenvectors": inverse_root,
    "newton": lambda *of: newton_inverse_root(*of, tolerance=1e-12).root,
}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def matrix(*lambdas: float) -> Tensor:
    n = len(lambdas)
    stream = torch.Generator().manual_seed(n)
    q = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64, generator=stream))[0]
    a = q @ torch.diag(torch.tensor(lambdas, dtype=torch.float64)) @ q.T
    return (a + a.T) / 2


@each_way
@pytest.mark.parametrize("p", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("kappa", [1.0, 1e2, 1e4])
def test_the_root_is_scipys_fractional_power(way: Way, p: int, kappa: float) -> None:
    a = matrix(*np.logspace(0, np.log10(kappa), 7))
    expected = torch.from_numpy(np.real(fractional_matrix_power(a.numpy(), -1 / p)))
    # relative to the largest entry, rounding times the condition number 1e4
    torch.testing.assert_close(way(a, p, 0.0), expected, rtol=0, atol=1e-11)


@each_way
def test_the_square_root_times_itself_is_the_inverse(way: Way) -> None:
    a = matrix(1.0, 2.0, 5.0)
    torch.testing.assert_close(way(a, 2, 0.0) @ torch.from_numpy(np.real(sqrtm(a.numpy()))), torch.eye(3).double())


@each_way
@pytest.mark.parametrize("ridge", [1e-6, 1e-2])
def test_the_ridge_is_a_part_of_the_largest_eigenvalue(way: Way, ridge: float) -> None:
    a = 50 * matrix(0.0, 0.0, 0.1, 1.0)  # of rank 2
    raised = a + ridge * 50 * torch.eye(4)
    # 1e-5: power iteration with tolerance 1e-6 of lambda_max, the root of a condition number 1e6
    torch.testing.assert_close(way(a, 4, ridge), inverse_root(raised, 4, 0.0), rtol=1e-5, atol=1e-8)


@each_way
def test_a_zero_matrix_has_a_finite_root(way: Way) -> None:
    root = way(torch.zeros(3, 3, dtype=torch.float64), 2, 1e-6)
    torch.testing.assert_close(root, (1e-6 * FLOOR) ** -0.5 * torch.eye(3).double(), rtol=1e-6, atol=0)


@each_way
def test_one_by_one_is_the_power_of_a_number(way: Way) -> None:
    assert way(torch.tensor([[16.0]]), 4, 0.0).item() == 0.5


@each_way
def test_float32_is_computed_in_float64_and_comes_back_as_float32(way: Way) -> None:
    a = matrix(*np.logspace(-5, 0, 6)).float()
    root = way(a, 4, 1e-6)
    assert root.dtype == torch.float32
    torch.testing.assert_close(root, way(a.double(), 4, 1e-6).float(), rtol=0, atol=0)


def test_the_eigenvectors_way_takes_stacks() -> None:
    stack = torch.stack([matrix(1.0, 2.0), matrix(3.0, 100.0)])
    expected = torch.stack([inverse_root(one, 4, 1e-6) for one in stack])
    torch.testing.assert_close(inverse_root(stack, 4, 1e-6), expected, rtol=1e-14, atol=1e-15)


def test_rounded_zeros_below_zero_count_as_zero() -> None:
    a, clean = matrix(-1e-12, 1.0, 2.0), matrix(0.0, 1.0, 2.0)
    torch.testing.assert_close(inverse_root(a, 2), inverse_root(clean, 2), rtol=0, atol=1e-6)


@pytest.mark.parametrize("p", [2, 4])
def test_newton_tells_its_iterations_and_its_error(p: int) -> None:
    a = matrix(*np.logspace(-6, 0, 10))
    found = newton_inverse_root(a, p)
    assert found.converged
    assert found.error <= 1e-6
    # the smallest eigenvalue grows by (1 + 1/p)^p >= 2.25 an iteration: ln(1e7) / ln 2.25 = 20, and a few to converge
    assert found.iterations <= 26
    short = newton_inverse_root(a, p, limit=3)
    assert (short.iterations, short.converged) == (3, False)


def test_a_matrix_that_is_not_finite_is_reported_unconverged() -> None:
    assert not newton_inverse_root(torch.full((2, 2), torch.nan), 2).converged
