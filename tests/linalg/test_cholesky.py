"""The Cholesky factor of what is made positive definite."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from runner.linalg.cholesky import modified_cholesky


def matrix(least: float, n: int = 6, seed: int = 0) -> Tensor:
    q = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)))[0]
    return q @ torch.diag(torch.linspace(least, 5, n, dtype=torch.float64)) @ q.T


def test_a_positive_definite_matrix_is_factored_as_it_is() -> None:
    a = matrix(0.1)
    factor = modified_cholesky(a)
    assert (factor.tau, factor.tries) == (0.0, 1)
    torch.testing.assert_close(factor.L, torch.from_numpy(np.linalg.cholesky(a.numpy())), rtol=0, atol=1e-13)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("least", [0.0, -1e-6, -0.1, -3.0, -100.0])
def test_the_factor_is_of_the_matrix_plus_tau_and_tau_little_more_than_it_must_be(least: float, seed: int) -> None:
    a, beta = matrix(least, seed=seed), 1e-3
    factor = modified_cholesky(a, beta)
    torch.testing.assert_close(factor.L @ factor.L.T, a + factor.tau * torch.eye(6).double(), rtol=0, atol=1e-12)
    assert torch.equal(factor.L, factor.L.tril())
    # a rounded eigenvalue 0 may count as positive; each shift that failed was at most -least, and is then doubled
    assert -least - 1e-12 <= factor.tau <= max(2 * -least, -least + beta) + 1e-12


def test_the_shifts_are_those_of_the_book() -> None:
    # eigenvalues 1 +- 3: the diagonal is positive, so 0, beta, 2 beta ... 2^11 beta = 2.048 >= 2
    factor = modified_cholesky(torch.tensor([[1.0, 3.0], [3.0, 1.0]]), beta=1e-3)
    assert factor.tau == pytest.approx(2.048)
    assert factor.tries == 13
    # the least entry of the diagonal is -2: 2 + beta, which suffices for a diagonal matrix
    factor = modified_cholesky(torch.diag(torch.tensor([1.5, -2.0])), beta=0.5)
    assert (factor.tau, factor.tries) == (2.5, 1)


def test_a_step_by_the_factor_descends() -> None:
    a, g = matrix(-3.0), torch.randn(6, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    factor = modified_cholesky(a)
    p = -factor.solve(g)
    assert g @ p < 0
    torch.testing.assert_close(a @ p + factor.tau * p, -g, rtol=0, atol=1e-10)


@pytest.mark.parametrize("entry", [torch.nan, torch.inf])
def test_a_matrix_that_is_not_finite_is_refused(entry: float) -> None:
    with pytest.raises(FloatingPointError) as refused:
        modified_cholesky(torch.tensor([[1.0, entry], [entry, 1.0]]))
    assert str(refused.value) == (
        "the matrix to factor holds nan or inf: no shift helps, check the loss and its curvature"
    )
