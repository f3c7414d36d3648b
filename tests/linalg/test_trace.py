"""Estimates of trace and diagonal, against both and against their variances."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from runner.linalg import trace
from runner.linalg.trace import hutch_plus_plus, hutchinson_diagonal, hutchinson_trace

ESTIMATES = [hutchinson_trace, hutchinson_diagonal, hutch_plus_plus]


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def symmetric(n: int) -> Tensor:
    a = torch.randn(n, n, dtype=torch.float64, generator=stream(n))
    return (a + a.T) / 2


A = symmetric(6)
LIKE = torch.zeros(6, dtype=torch.float64)
SIGNS = [torch.tensor(signs, dtype=torch.float64) for signs in itertools.product([-1, 1], repeat=6)]


def over_all_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the 2^6 vectors once, so that means are expectations."""
    each = iter(SIGNS)
    monkeypatch.setattr(trace, "rademacher", lambda like, generator: next(each))


def test_over_all_signs_the_trace_is_exact_and_its_variance_twice_the_squares_beside_the_diagonal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over_all_signs(monkeypatch)
    found = hutchinson_trace(A.mv, LIKE, stream(), probes=64)
    assert found.value.item() == pytest.approx(A.trace().item(), abs=1e-13)
    off = A - torch.diag(A.diagonal())
    # k samples: sum (x - mean)^2 = k Var, and the standard error divides it by k (k - 1)
    assert found.standard_error.item() == pytest.approx(math.sqrt(2 * off.square().sum() / 63), rel=1e-12)


def test_over_all_signs_the_diagonal_is_exact_and_its_variance_the_squares_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over_all_signs(monkeypatch)
    found = hutchinson_diagonal(A.mv, LIKE, stream(), probes=64)
    torch.testing.assert_close(found.value, A.diagonal(), rtol=0, atol=1e-13)
    off = A - torch.diag(A.diagonal())
    torch.testing.assert_close(found.standard_error, (off.square().sum(1) / 63).sqrt(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("estimate", [hutchinson_trace, hutch_plus_plus])
def test_the_trace_lies_within_four_standard_errors(estimate: object) -> None:
    a = symmetric(50)
    found = estimate(a.mv, torch.zeros(50).double(), stream(), probes=20)  # type: ignore[operator]
    assert abs(found.value - a.trace()) < 4 * found.standard_error


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_hutch_plus_plus_is_exact_up_to_its_rank(rank: int) -> None:
    b = torch.randn(20, rank, dtype=torch.float64, generator=stream())
    found = hutch_plus_plus((b @ b.T).mv, torch.zeros(20).double(), stream(), probes=8)
    assert found.value.item() == pytest.approx(b.square().sum().item(), rel=1e-12)
    assert found.standard_error < 1e-12 * found.value


def test_hutch_plus_plus_is_exact_where_its_probes_span_everything() -> None:
    found = hutch_plus_plus(A.mv, LIKE, stream(), probes=100)
    assert found.products == 18
    assert found.value.item() == pytest.approx(A.trace().item(), abs=1e-12)


def test_with_as_many_products_hutch_plus_plus_errs_less_on_a_decaying_spectrum() -> None:
    q = torch.linalg.qr(torch.randn(200, 200, dtype=torch.float64, generator=stream()))[0]
    a = q @ torch.diag(1 / torch.arange(1, 201).double() ** 2) @ q.T
    like = torch.zeros(200).double()

    def error(estimate: object, probes: int) -> float:
        off = [estimate(a.mv, like, stream(seed), probes).value - a.trace() for seed in range(20)]  # type: ignore[operator]
        return torch.stack(off).square().mean().sqrt().item()

    assert error(hutch_plus_plus, 10) < error(hutchinson_trace, 30) / 3


@pytest.mark.parametrize("estimate", ESTIMATES)
def test_one_probe_has_no_standard_error_and_products_are_counted(estimate: object) -> None:
    asked = []

    def product(v: Tensor) -> Tensor:
        asked.append(v)
        return A @ v

    one = estimate(product, LIKE, stream(), probes=1)  # type: ignore[operator]
    assert one.standard_error.isnan().all()
    assert one.products == len(asked)
    assert one.standard_error.shape == one.value.shape
