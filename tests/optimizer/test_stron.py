"""STRON: the minimum of logistic regression, its samples, its radius."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from runner.optimizer.stron import STRON, factor, resized
from tests.optimizer.logistic import logistic, steps_on
from tests.optimizer.problems import Quadratic, flat


def test_with_all_examples_from_the_first_step_it_reaches_the_minimum_of_scipy_and_of_liblinear() -> None:
    problem = logistic()
    asked = steps_on(problem, STRON(first=2000, curvature="hessian"), [1.0] * 25)
    found = asked.theta.numpy()
    np.testing.assert_allclose(found, problem.optimum()[0], rtol=0, atol=1e-10)
    # C sum_i loss_i + |w|^2/2 is N C times ours; it stops at 1e-9 of the first gradient.
    twin = LogisticRegression(
        solver="liblinear", C=1 / (problem.strength * len(problem)), fit_intercept=False, tol=1e-9, dual=False
    ).fit(problem.x.numpy(), problem.y.numpy())
    np.testing.assert_allclose(found, twin.coef_[0], rtol=0, atol=1e-6)


def test_growing_samples_reach_the_same_minimum_with_less_work() -> None:
    problem = logistic()
    _, least = problem.optimum()
    whole, growing = (
        steps_on(problem, rule, [1.0] * steps) for rule, steps in ((STRON(first=2000), 12), (STRON(growth=1.5), 15))
    )
    for asked in (whole, growing):
        asked.on(problem.x, problem.y)
        assert asked.value(asked.theta) - least < 1e-6
    assert growing.counts.hvp < whole.counts.hvp


def test_its_samples_grow_by_the_same_factor_until_all_examples_are_in() -> None:
    rule = STRON(first=10, growth=2.0)
    assert [rule.size(t) for t in (1, 2, 3, 4)] == [10, 20, 40, 80]
    assert rule.size(10_000) > 1e15
    asked = steps_on(logistic(n=30), rule, [1.0] * 3)
    assert asked.counts.backward == 2 * (10 + 20 + 30)


def test_a_step_that_raises_the_loss_is_not_taken_and_shrinks_the_region() -> None:
    flat_top = Quadratic(torch.tensor([1.0]).double(), torch.tensor([2.0]).double())
    flat_top.value = lambda theta: math.inf if theta.item() > 0.5 else 0.0  # type: ignore[method-assign]
    flat_top.value_and_grad = lambda theta: (0.0, torch.tensor([-1.0]).double())  # type: ignore[method-assign]
    rule, theta = STRON(), torch.zeros(1).double()
    state = rule.start(theta, flat(1))
    rule.step(theta, state, flat_top, 1.0, 1)
    assert theta.item() == 0
    assert state["radius"] == 0.25  # of the whole step, of length 1


@pytest.mark.parametrize(
    ("rho", "boundary", "wanted", "radius"),
    [
        (0.0, True, 0.3, 0.3),  # rejected: what the loss asks for, at most half
        (0.0, True, 3.0, 0.5),
        (0.1, True, 0.1, 0.25),  # accepted: at least a quarter, at most half
        (0.5, True, 9.0, 4.0),
        (0.9, False, 0.1, 1.0),  # never smaller where the model is good
        (0.9, False, 2.0, 2.0),
        (0.9, True, 0.1, 4.0),
    ],
)
def test_the_region_follows_the_agreement_of_model_and_loss(
    rho: float, boundary: bool, wanted: float, radius: float
) -> None:
    assert resized(1.0, wanted, rho, boundary) == radius


def test_the_length_asked_for_is_that_of_a_parabola_within_bounds() -> None:
    # phi(0) = 0, phi'(0) = -1, phi(1) = change: the minimum of the parabola is at 1 / (2 (change + 1))
    assert factor(-1.0, 0.0) == 0.5
    assert factor(-1.0, math.inf) == 0.25
    assert factor(-1.0, -1.5) == 4.0


def test_it_says_how_many_steps_an_epoch_has() -> None:
    assert STRON().remarks(100, 100) == ()
    assert STRON().remarks(10, 95) == (
        "stron draws samples of its own: an epoch is 10 steps, whatever these cost; batch_size=all makes it one",
    )
