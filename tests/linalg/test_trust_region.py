"""Steps in a ball, against scipy's and the exact minimizer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize._trustregion_dogleg import DoglegSubproblem
from scipy.optimize._trustregion_exact import IterativeSubproblem
from scipy.optimize._trustregion_ncg import CGSteihaugSubproblem
from torch import Tensor

from runner.linalg.dogleg import dogleg
from runner.linalg.steihaug import steihaug
from runner.linalg.trust_region import Step, cauchy_point, to_sphere

RADII = [1e-3, 0.1, 0.5, 1.0, 3.0, 1e3]
SEEDS = range(8)


def problem(seed: int, least: float, n: int = 8) -> tuple[Tensor, Tensor]:
    """A gradient and a Hessian with eigenvalues from `least` to 10."""
    stream = torch.Generator().manual_seed(seed)
    q = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64, generator=stream))[0]
    h = q @ torch.diag(torch.linspace(least, 10, n, dtype=torch.float64)) @ q.T
    return torch.randn(n, dtype=torch.float64, generator=stream), (h + h.T) / 2


def scipys(kind: Any, g: Tensor, h: Tensor, radius: float, **options: Any) -> tuple[Tensor, bool]:
    n = len(g)
    subproblem = kind(np.zeros(n), lambda _: 0.0, lambda _: g.numpy(), lambda _: h.numpy(), **options)
    p, on_sphere = subproblem.solve(radius)
    return torch.from_numpy(p), bool(on_sphere)


def model(g: Tensor, h: Tensor, p: Tensor) -> float:
    return float(g @ p + p @ h @ p / 2)


def check(step: Step, g: Tensor, h: Tensor, radius: float) -> None:
    # 1e-12: some hundred roundings of numbers of the size of the step
    assert step.predicted == pytest.approx(-model(g, h, step.p), rel=1e-12)
    assert step.predicted >= cauchy_point(g, h.mv, radius).predicted * (1 - 1e-12)
    assert step.p.norm().item() <= radius * (1 + 1e-12)
    assert not step.boundary or step.p.norm().item() == pytest.approx(radius, rel=1e-12)


@pytest.mark.parametrize("least", [0.1, -3.0])
@pytest.mark.parametrize("radius", RADII)
@pytest.mark.parametrize("seed", SEEDS)
def test_steihaugs_step_is_scipys(seed: int, radius: float, least: float) -> None:
    g, h = problem(seed, least)
    length = g.norm().item()
    expected, on_sphere = scipys(CGSteihaugSubproblem, g, h, radius, hessp=lambda _, p: h.numpy() @ p)
    step = steihaug(g, h.mv, radius, rtol=min(0.5, math.sqrt(length)))  # scipy's tolerance
    assert step.boundary == on_sphere
    torch.testing.assert_close(step.p, expected, rtol=0, atol=1e-11 * float(expected.norm()))
    check(step, g, h, radius)


@pytest.mark.parametrize("radius", RADII)
@pytest.mark.parametrize("seed", SEEDS)
def test_steihaugs_decrease_is_at_least_half_of_the_best_for_a_convex_model(seed: int, radius: float) -> None:
    # Yuan 2000, theorem 2.1: with H positive definite truncated CG has at least half of the greatest decrease
    g, h = problem(seed, least=0.1)
    best, _ = scipys(IterativeSubproblem, g, h, radius)
    step = steihaug(g, h.mv, radius, rtol=1e-12)
    assert -model(g, h, best) / 2 <= step.predicted
    assert step.predicted <= -model(g, h, best) * (1 + 0.02)  # scipy's own: within k_easy = 0.1 of the radius


@pytest.mark.parametrize("seed", SEEDS)
def test_a_ball_wide_enough_gives_newtons_step(seed: int) -> None:
    g, h = problem(seed, least=0.5)
    step = steihaug(g, h.mv, 1e3, rtol=1e-12)
    assert (step.converged, step.boundary, step.negative_curvature) == (True, False, False)
    assert step.products <= 8
    torch.testing.assert_close(step.p, -torch.linalg.solve(h, g), rtol=0, atol=1e-10)
    torch.testing.assert_close(dogleg(g, h, 1e3).p, step.p, rtol=0, atol=1e-10)


@pytest.mark.parametrize("radius", [0.01, 0.3, 5.0])
@pytest.mark.parametrize("least", [0.1, -3.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_preconditioner_is_a_change_of_variables(seed: int, least: float, radius: float) -> None:
    # with M = C^2 and q = C p: the ball ||p||_M <= D is ||q|| <= D, the model has C^-1 g and C^-1 H C^-1
    g, h = problem(seed, least)
    c = torch.linspace(0.5, 3, len(g), dtype=torch.float64)
    step = steihaug(g, h.mv, radius, rtol=0, limit=5, preconditioner=lambda r: r / c**2)
    plain = steihaug(g / c, (h / c / c.unsqueeze(1)).mv, radius, rtol=0, limit=5)
    torch.testing.assert_close(c * step.p, plain.p, rtol=0, atol=1e-10 * float(plain.p.norm()))
    assert (step.boundary, step.negative_curvature) == (plain.boundary, plain.negative_curvature)
    assert step.predicted == pytest.approx(-model(g, h, step.p), rel=1e-11)
    if step.boundary:
        assert (c * step.p).norm().item() == pytest.approx(radius, rel=1e-12)


def test_the_limit_ends_the_step_inside_unconverged() -> None:
    g, h = problem(0, least=0.1)
    step = steihaug(g, h.mv, 1e3, rtol=0, limit=3)
    assert (step.products, step.boundary, step.converged) == (3, False, False)


def test_a_zero_gradient_gives_a_zero_step_without_a_product() -> None:
    for step in (steihaug(torch.zeros(2), torch.eye(2).mv, 1.0), cauchy_point(torch.zeros(2), torch.eye(2).mv, 1.0)):
        assert step.p.tolist() == [0.0, 0.0]
        assert (step.predicted, step.products, step.converged) == (0.0, 0, True)


def test_a_product_that_is_not_finite_ends_it_where_it_stands() -> None:
    step = steihaug(torch.ones(2), lambda v: v * math.nan, 1.0)
    assert step.p.tolist() == [0.0, 0.0]
    assert (step.products, step.converged, step.boundary) == (1, False, False)


@pytest.mark.parametrize("radius", RADII)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_doglegs_step_is_scipys(seed: int, radius: float) -> None:
    g, h = problem(seed, least=0.5)
    expected, on_sphere = scipys(DoglegSubproblem, g, h, radius)
    step = dogleg(g, h, radius)
    assert step.boundary == on_sphere
    torch.testing.assert_close(step.p, expected, rtol=0, atol=1e-12 * float(expected.norm()))
    check(step, g, h, radius)


def test_the_doglegs_radii_reach_all_three_parts_of_its_path() -> None:
    g, h = problem(0, least=0.5)
    parts = {(dogleg(g, h, radius).products, dogleg(g, h, radius).converged) for radius in RADII}
    assert parts == {(1, False), (2, False), (0, True)}


def test_the_dogleg_refuses_a_matrix_that_is_not_positive_definite() -> None:
    with pytest.raises(torch.linalg.LinAlgError, match="not positive-definite"):
        dogleg(torch.ones(2), torch.diag(torch.tensor([1.0, -1.0])), 1.0)


@pytest.mark.parametrize("least", [0.5, -3.0, -20.0])
@pytest.mark.parametrize("radius", RADII)
def test_no_other_length_along_the_gradient_lowers_the_model_more_than_the_cauchy_point(
    radius: float, least: float
) -> None:
    g, h = problem(1, least)
    step = cauchy_point(g, h.mv, radius)
    check(step, g, h, radius)
    assert step.negative_curvature == (float(g @ h @ g) <= 0)
    for part in np.linspace(0, 1, 101):
        assert model(g, h, -part * radius / g.norm() * g) >= -step.predicted * (1 + 1e-12)


@given(
    pp=st.floats(0, 0.999), cosine=st.floats(-1, 1), dd=st.floats(1e-6, 1e6), radius=st.sampled_from([1e-3, 1.0, 1e3])
)
@settings(deadline=None)
def test_both_taus_lead_to_the_sphere(pp: float, cosine: float, dd: float, radius: float) -> None:
    pp *= radius * radius
    pd = cosine * math.sqrt(pp * dd)
    back, forth = to_sphere(pp, pd, dd, radius)
    assert back <= 0 <= forth
    for tau in (back, forth):
        assert pp + 2 * tau * pd + tau * tau * dd == pytest.approx(radius * radius, rel=1e-12)
