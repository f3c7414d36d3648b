"""What products tell of a spectrum, against the eigenvalues themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import eigsh
from torch import Tensor

from runner.linalg.lanczos import lanczos
from runner.linalg.operator import gaussian, rademacher
from runner.linalg.power_iteration import power_iteration
from runner.linalg.spectral_density import Spectrum, spectral_density


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def vector(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, dtype=torch.float64, generator=stream(seed))


def with_eigenvalues(lambdas: Tensor, seed: int = 0) -> Tensor:
    q = torch.linalg.qr(vector(len(lambdas) ** 2, seed).reshape(len(lambdas), -1))[0]
    a = q @ torch.diag(lambdas.double()) @ q.T
    return (a + a.T) / 2


def symmetric(n: int, seed: int = 0) -> Tensor:
    a = vector(n * n, seed).reshape(n, n)
    return (a + a.T) / 2


@given(n=st.integers(1, 20), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=40)
def test_lanczos_is_exact_after_n_steps(n: int, seed: int) -> None:
    a = symmetric(n, seed)
    found = lanczos(a.mv, vector(n, seed + 1), steps=n)
    lambdas, vectors = torch.linalg.eigh(a)
    torch.testing.assert_close(found.values, lambdas, rtol=0, atol=1e-10)
    assert found.bounds.max() < 1e-10
    parts = (vectors.T @ vector(n, seed + 1)).square()
    torch.testing.assert_close(found.weights, parts / parts.sum(), rtol=0, atol=1e-6)  # vectors turn by rounding / gap


def test_the_ends_are_those_of_eigsh_long_before_n_steps() -> None:
    a = with_eigenvalues(torch.cat([torch.linspace(0, 1, 296), torch.tensor([-3.0, -2.0, 9.0, 12.0])]))
    found = lanczos(a.mv, vector(300), steps=40)
    expected, vectors = eigsh(a.numpy(), k=4, which="BE")
    values = torch.cat([found.values[:2], found.values[-2:]])
    torch.testing.assert_close(values, torch.from_numpy(expected), rtol=0, atol=1e-10)
    assert abs(found.vector(-1) @ torch.from_numpy(vectors[:, -1])).item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("steps", [1, 5, 20, 60])
def test_the_bounds_are_the_residuals_and_an_eigenvalue_lies_within_each(steps: int) -> None:
    a = symmetric(80)
    found = lanczos(a.mv, vector(80), steps)
    lambdas = torch.linalg.eigvalsh(a)
    assert len(found.values) == steps
    for i, (value, bound) in enumerate(zip(found.values, found.bounds, strict=True)):
        y = found.vector(i)
        assert y.norm().item() == pytest.approx(1, abs=1e-12)
        assert (a @ y - value * y).norm().item() == pytest.approx(bound.item(), abs=1e-12)
        assert (lambdas - value).abs().min() <= bound + 1e-12


def test_the_basis_stays_orthonormal_after_eigenvalues_have_converged() -> None:
    a = with_eigenvalues(torch.cat([torch.linspace(0, 1, 195), 10.0 ** torch.arange(1, 6)]))
    found = lanczos(a.mv, vector(200), steps=120)
    torch.testing.assert_close(found.basis @ found.basis.T, torch.eye(120).double(), rtol=0, atol=1e-13)
    assert (found.values > 5).sum() == 5  # no copies


def test_an_eigenvalue_with_several_vectors_is_found_once_and_ends_it() -> None:
    a = with_eigenvalues(torch.tensor([1.0] * 10 + [2.0] * 10 + [5.0] * 5))
    found = lanczos(a.mv, vector(25), steps=20)
    torch.testing.assert_close(found.values, torch.tensor([1.0, 2.0, 5.0]).double(), rtol=0, atol=1e-12)


def test_a_zero_matrix_has_the_eigenvalue_zero() -> None:
    found = lanczos(torch.zeros_like, torch.ones(4), steps=3)
    assert (found.values.tolist(), found.bounds.tolist(), found.weights.tolist()) == ([0.0], [0.0], [1.0])


def test_a_product_that_is_not_finite_is_refused() -> None:
    with pytest.raises(FloatingPointError) as refused:
        lanczos(lambda v: v * math.nan, torch.ones(3), steps=2)
    assert str(refused.value) == "product 1 with the matrix holds nan or inf: check the loss and its curvature"


def test_float32_keeps_its_basis_in_float32_and_the_ends_to_its_rounding() -> None:
    a = symmetric(50)
    found = lanczos(a.float().mv, vector(50).float(), steps=50)
    assert found.basis.dtype == torch.float32
    ends = torch.linalg.eigvalsh(a)[[0, -1]]
    torch.testing.assert_close(found.values[[0, -1]], ends, rtol=1e-5, atol=0)


@pytest.mark.parametrize("degree", [0, 1, 2, 7])
def test_the_quadrature_is_exact_to_degree_2m_minus_1_for_its_start(degree: int) -> None:
    a, v = symmetric(30) / 4, vector(30)
    found = lanczos(a.mv, v, steps=4)
    expected = v @ torch.linalg.matrix_power(a, degree) @ v / (v @ v)
    assert (found.weights @ found.values**degree).item() == pytest.approx(expected.item(), rel=1e-11)


def test_the_densitys_moments_are_those_of_the_spectrum() -> None:
    lambdas = torch.cat([torch.linspace(0, 1, 190), torch.linspace(5, 10, 10)]).double()
    found = spectral_density(with_eigenvalues(lambdas).mv, lambdas, stream(), probes=50, steps=30)
    assert found.products == 50 * 30
    assert found.weights.sum().item() == pytest.approx(1, abs=1e-12)
    for degree in (1, 2):
        # four standard errors: Var of v.f(A) v / v.v is about 2 / P of the variance of f over the spectrum
        off = 4 * math.sqrt(2 / (50 * 200) * float((lambdas**degree).var()))
        assert abs(float(found.weights @ found.nodes**degree) - float((lambdas**degree).mean())) < off


def test_the_density_shows_where_eigenvalues_are() -> None:
    lambdas = torch.tensor([0.0] * 60 + [3.0] * 20 + [-1.0] * 20).double()
    found = spectral_density(with_eigenvalues(lambdas).mv, lambdas, stream(), probes=40)
    assert found.products == 40 * 3
    grid = torch.linspace(-3, 5, 1601).double()
    density = found.density(grid, sigma=0.1)
    assert torch.trapezoid(density, grid).item() == pytest.approx(1, abs=1e-6)
    for centre, share in [(0.0, 0.6), (3.0, 0.2), (-1.0, 0.2)]:
        near = (grid - centre).abs() < 0.5
        assert torch.trapezoid(density[near], grid[near]).item() == pytest.approx(share, abs=0.05)  # 3 standard errors


def test_one_node_of_the_density_is_the_gaussian() -> None:
    one = Spectrum(torch.tensor([2.0]).double(), torch.tensor([1.0]).double(), products=1)
    grid = torch.tensor([2.0, 2.5])
    peak = 1 / (0.5 * math.sqrt(2 * math.pi))
    torch.testing.assert_close(one.density(grid, 0.5), torch.tensor([peak, peak * math.exp(-0.5)]).double())


@pytest.mark.parametrize("lambdas", [[1.0, 2.0, 10.0], [-10.0, 1.0, 5.0], [3.0], [1e-8, 5e-8]])
def test_power_iteration_finds_the_eigenvalue_of_largest_size(lambdas: list[float]) -> None:
    a = with_eigenvalues(torch.tensor(lambdas))
    found = power_iteration(a.mv, vector(len(lambdas)), rtol=1e-6)
    largest = max(lambdas, key=abs)
    assert found.converged
    assert found.value == pytest.approx(largest, rel=1e-11)  # residual^2 / gap
    assert (a @ found.vector - largest * found.vector).norm() <= 1.01e-6 * abs(largest)


@pytest.mark.parametrize("limit", [1, 7, 50])
def test_power_iteration_ends_unconverged_between_two_opposite_eigenvalues(limit: int) -> None:
    a = with_eigenvalues(torch.tensor([-4.0, 1.0, 4.0]))
    found = power_iteration(a.mv, vector(3), limit=limit)
    assert (found.products, found.converged) == (limit, False)
    assert found.residual_norm > 0.1


def test_power_iteration_errs_by_the_ratio_of_the_two_largest_a_product() -> None:
    a, start = torch.diag(torch.tensor([2.0, 1.0], dtype=torch.float64)), torch.ones(2, dtype=torch.float64)
    # after m products v is (1, 2^-m) / length, and the residual is |v_1 v_2| times the gap
    for m in range(1, 12):
        found = power_iteration(a.mv, start, rtol=0, limit=m)
        t = 2.0 ** (1 - m)
        assert found.residual_norm == pytest.approx(t / (1 + t * t), rel=1e-9)


def test_power_iteration_ends_at_once_for_zero_and_for_what_is_not_finite() -> None:
    zero = power_iteration(torch.zeros_like, torch.ones(3))
    assert (zero.value, zero.products, zero.converged) == (0.0, 1, True)
    wild = power_iteration(lambda v: v * math.nan, torch.ones(3))
    assert (wild.products, wild.converged) == (1, False)


@pytest.mark.parametrize("draw", [gaussian, rademacher])
def test_random_vectors_are_the_generators_and_as_their_model(draw: object) -> None:
    like = torch.zeros(5000, dtype=torch.float64)
    one, same, other = draw(like, stream(1)), draw(like, stream(1)), draw(like, stream(2))  # type: ignore[operator]
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert (one.shape, one.dtype) == (like.shape, like.dtype)
    assert abs(one.mean()) < 4 / math.sqrt(5000)  # four standard errors
    assert one.square().mean().item() == pytest.approx(1, abs=4 * math.sqrt(2 / 5000))


def test_random_signs_are_1_and_minus_1() -> None:
    assert np.unique(rademacher(torch.zeros(100), stream())).tolist() == [-1.0, 1.0]
