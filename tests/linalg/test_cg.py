"""Conjugate gradient, against scipy and the theory."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import cg as scipy_cg
from torch import Tensor

from runner.linalg.cg import conjugate_gradient


def vector(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def with_eigenvalues(*lambdas: float, seed: int = 0) -> Tensor:
    n = len(lambdas)
    q = torch.linalg.qr(vector(n * n, seed).reshape(n, n))[0]
    return q @ torch.diag(torch.tensor(lambdas, dtype=torch.float64)) @ q.T


@pytest.mark.parametrize("rtol", [1e-1, 1e-5, 1e-10])
def test_the_iterates_are_scipys(rtol: float) -> None:
    a, b = with_eigenvalues(*np.logspace(0, 1, 30)), vector(30, seed=1)
    steps = 0

    def count(_: np.ndarray) -> None:
        nonlocal steps
        steps += 1

    expected, _ = scipy_cg(a.numpy(), b.numpy(), rtol=rtol, atol=0.0, callback=count)
    found = conjugate_gradient(a.mv, b, rtol=rtol, limit=300)
    assert (found.iterations, found.products, found.converged) == (steps, steps, True)
    # the same operations, summed in another order; at condition number 1e3 lost conjugacy would part them after some 20
    torch.testing.assert_close(found.x, torch.from_numpy(expected), rtol=0, atol=1e-12)
    assert (b - a @ found.x).norm() <= 1.01 * rtol * b.norm()


def test_a_preconditioner_and_a_start_give_scipys_iterates_too() -> None:
    a, b, x0 = with_eigenvalues(*np.logspace(0, 3, 30)) + torch.diag(torch.arange(30.0)), vector(30), vector(30, 2)
    m = 1 / a.diagonal()
    expected, _ = scipy_cg(a.numpy(), b.numpy(), x0.numpy(), rtol=0, atol=0, maxiter=7, M=np.diag(m.numpy()))
    found = conjugate_gradient(a.mv, b, x0, rtol=0, limit=7, preconditioner=lambda r: m * r)
    torch.testing.assert_close(found.x, torch.from_numpy(expected), rtol=0, atol=1e-12)
    assert (found.iterations, found.products, found.converged) == (7, 8, False)
    assert torch.equal(x0, vector(30, 2))


@pytest.mark.parametrize("distinct", [1, 2, 3, 5])
def test_it_ends_after_as_many_iterations_as_there_are_distinct_eigenvalues(distinct: int) -> None:
    a, b = with_eigenvalues(*(1.0 + i % distinct for i in range(20))), vector(20)
    assert conjugate_gradient(a.mv, b, rtol=1e-12).iterations == distinct


@given(n=st.integers(1, 12), spread=st.floats(0, 1), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=50)
def test_it_ends_in_at_most_n_iterations(n: int, spread: float, seed: int) -> None:
    a, b = with_eigenvalues(*np.logspace(0, spread, n), seed=seed), vector(n, seed)
    # Conjugacy is lost at a rate that grows with the condition number: up to 10, all these seeds end below 1e-12.
    found = conjugate_gradient(a.mv, b, rtol=1e-8)
    assert found.converged
    torch.testing.assert_close(a @ found.x, b, rtol=0, atol=1e-7 * float(b.norm()))


@pytest.mark.parametrize("kappa", [4.0, 1e2, 1e4])
def test_the_error_is_below_its_bound(kappa: float) -> None:
    a, b = with_eigenvalues(*np.linspace(1, kappa, 100)), vector(100)
    x = torch.linalg.solve(a, b)
    start = math.sqrt(x @ a @ x)
    q = (math.sqrt(kappa) - 1) / (math.sqrt(kappa) + 1)
    for m in range(1, 40):
        off = conjugate_gradient(a.mv, b, rtol=0, limit=m).x - x
        assert math.sqrt(off @ a @ off) <= 2 * q**m * start + 1e-12 * start  # 1e-12: the floor that rounding sets


def test_the_inverse_as_preconditioner_needs_one_iteration() -> None:
    a, b = with_eigenvalues(*np.logspace(0, 4, 20)), vector(20)
    found = conjugate_gradient(a.mv, b, preconditioner=torch.linalg.inv(a).mv, rtol=1e-9)
    assert found.iterations == 1


def test_a_direction_of_negative_curvature_is_handed_back_and_x_stands_before_it() -> None:
    a, b = with_eigenvalues(-1.0, 1.0, 2.0, 3.0, 4.0), vector(5)
    found = conjugate_gradient(a.mv, b, rtol=1e-12)
    d = found.negative_curvature
    assert d is not None
    assert d @ a @ d <= 0
    assert not found.converged
    assert found.products == found.iterations + 1
    torch.testing.assert_close(found.x, conjugate_gradient(a.mv, b, rtol=0, limit=found.iterations).x, rtol=0, atol=0)


def test_zero_is_solved_by_zero_without_a_product() -> None:
    found = conjugate_gradient(torch.eye(3).mv, torch.zeros(3))
    assert (found.x.tolist(), found.products, found.converged) == ([0.0, 0.0, 0.0], 0, True)


def test_a_product_that_is_not_finite_ends_it_unconverged() -> None:
    found = conjugate_gradient(lambda v: v * math.nan, torch.ones(3))
    assert (found.products, found.iterations, found.converged, found.negative_curvature) == (1, 0, False, None)
    assert found.x.tolist() == [0.0, 0.0, 0.0]


def test_float32_stays_float32_and_the_right_side_as_it_is() -> None:
    a, b = with_eigenvalues(*range(1, 9)).float(), vector(8).float()
    kept = b.clone()
    found = conjugate_gradient(a.mv, b, rtol=1e-4)
    assert found.x.dtype == torch.float32
    assert torch.equal(b, kept)
    assert (b - a @ found.x).norm() <= 2e-4 * b.norm()
