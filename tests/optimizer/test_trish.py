"""TRish: its radius, its steps of first order, and its steps of second order against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from runner.core.errors import ConfigError
from runner.optimizer.trish import TRish
from tests.optimizer.logistic import logistic, steps_on
from tests.optimizer.problems import Asked, Operator, Quadratic, flat


def step(rule: TRish, asked: Asked, theta: Tensor, lr: float) -> Tensor:
    before = theta.clone()
    rule.step(theta, rule.start(theta, flat(theta.numel())), asked, lr, 1)
    return theta - before


@pytest.mark.parametrize("gamma1", [4.0, 10.0])
def test_the_radius_has_no_jump_at_either_end(gamma1: float) -> None:
    rule = TRish(gamma1=gamma1, gamma2=0.5)
    for end in (1 / gamma1, 2.0):
        below, above = (rule.radius(end * (1 + side * 1e-12), lr=0.3) for side in (-1, 1))
        assert below == pytest.approx(above, rel=1e-11)  # it changes at most in proportion to the norm
        assert above == pytest.approx(0.3, rel=1e-11)


# Gradients of length 1/2, 0.01 and 100; between 1/gamma1 = 0.1 and 1/gamma2 = 1 lies the first alone.
@pytest.mark.parametrize(("norm", "length"), [(0.5, 0.3), (0.01, 10 * 0.3 * 0.01), (100.0, 1 * 0.3 * 100)])
def test_a_step_of_first_order_is_normalized_between_the_ends_and_a_plain_one_beyond(
    norm: float, length: float
) -> None:
    direction = torch.tensor([0.6, 0.8], dtype=torch.float64)
    slope = Quadratic(torch.ones(2).double(), -norm * direction)  # its gradient at 0
    made = step(TRish(order="first"), slope, torch.zeros(2).double(), 0.3)
    torch.testing.assert_close(made, -length * direction, rtol=1e-14, atol=0)


class Straight(Quadratic):
    """A quadratic that says that its curvature is 0."""

    def hessian(self, theta: Tensor) -> Operator:
        return torch.zeros_like


@pytest.mark.parametrize("norm", [0.01, 0.5, 100.0])
def test_without_curvature_the_second_order_is_the_first(norm: float) -> None:
    slope = Straight(torch.ones(3).double(), norm * torch.tensor([0.36, -0.48, 0.8]).double())
    one, other = (step(TRish(order=order), slope, torch.zeros(3).double(), 0.3) for order in ("first", "second"))
    torch.testing.assert_close(other, one, rtol=1e-14, atol=0)  # the length is had in another order of operations


# Its first iteration from 0, on the sphere and inside it, to its tolerance for CG: min(1/2, sqrt||g||) ||g||.
@pytest.mark.parametrize("radius", [0.5, 8.0])
def test_a_step_on_all_examples_is_the_first_of_scipys_trust_region_method(radius: float) -> None:
    problem = logistic()
    x, y = problem.x.numpy(), problem.y.numpy()
    g = x.T @ (0.5 - y) / len(y)
    seen: list[np.ndarray] = []
    minimize(
        lambda w: np.logaddexp(0, (1 - 2 * y) * (x @ w)).mean() + problem.strength / 2 * w @ w,
        np.zeros(x.shape[1]),
        jac=lambda w: x.T @ (1 / (1 + np.exp(-x @ w)) - y) / len(y) + problem.strength * w,
        hess=lambda w: x.T @ x / (4 * len(y)) + problem.strength * np.eye(x.shape[1]),  # at 0
        method="trust-ncg",
        options={"initial_trust_radius": radius, "maxiter": 1},
        callback=lambda w: seen.append(w.copy()),
    )
    enough = min(0.5, np.linalg.norm(g) ** 0.5)
    rule = TRish(gamma1=100.0, gamma2=1e-3, tolerance=enough, curvature="hessian")
    ours = steps_on(problem, rule, [radius])
    assert (float(ours.theta.norm()) == pytest.approx(radius, rel=1e-14)) == (radius == 0.5)
    np.testing.assert_allclose(ours.theta.numpy(), seen[0], rtol=1e-12, atol=1e-14)


def test_the_first_order_needs_no_curvature_and_the_second_the_one_it_is_given() -> None:
    assert TRish(order="first").needs == ()
    assert TRish().needs == ("gauss_newton",)
    assert TRish(curvature="hessian").needs == ("hessian",)


def test_gammas_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        TRish(gamma1=1.0, gamma2=2.0)
    assert str(refused.value) == (
        "gamma1=1.0 is refused\n"
        "  allowed: a number above gamma2=2.0: steps along short gradients are lengthened more\n"
        "  do this: give gamma1=... a larger or gamma2=... a smaller number"
    )
