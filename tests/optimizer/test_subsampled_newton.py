"""Newton's method with the curvature of a sample, on logistic regression."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from runner.optimizer.subsampled_newton import SubsampledNewton
from tests.optimizer.logistic import logistic, steps_on
from tests.optimizer.problems import Quadratic, flat


def test_with_the_curvature_of_all_examples_it_reaches_the_minimum_of_scipy() -> None:
    problem = logistic()
    rule = SubsampledNewton(sample=2000, damping=0.0, curvature="hessian")
    asked = steps_on(problem, rule, [1.0] * 15)
    np.testing.assert_allclose(asked.theta.numpy(), problem.optimum()[0], rtol=0, atol=1e-10)


# Errors of the loss after 1, 2, ... steps, CG solved far: on all examples each is the square of the one before, up to
# a factor; on a sample their ratio is constant, and smaller for a larger sample.
def test_it_converges_faster_than_any_rate_on_all_examples_and_at_a_rate_on_a_sample() -> None:
    problem = logistic()
    _, least = problem.optimum()

    def error(sample: int, steps: int) -> float:
        rule = SubsampledNewton(sample=sample, damping=0.0, tolerance=1e-9, curvature="hessian")
        asked = steps_on(problem, rule, [1.0] * steps)
        return asked.value(asked.theta) - least

    newton = [error(2000, steps) for steps in (2, 3, 4)]
    assert newton[2] / newton[1] < 0.1 * newton[1] / newton[0]
    small, large = ((error(sample, 10) / error(sample, 4)) ** (1 / 6) for sample in (100, 800))
    assert 1e-3 < large < small < 1


def test_the_curvature_of_a_sample_is_near_that_of_all_by_one_over_the_root_of_its_size() -> None:
    problem = logistic(n=20_000)
    asked = problem.asked()
    v = torch.ones(20).double() / 20**0.5
    exact = asked.hessian(asked.theta)(v)
    sizes = (100, 1600)
    errors = [
        np.mean([float((asked.sample(n, t).hessian(asked.theta)(v) - exact).norm()) for t in range(1, 41)])
        for n in sizes
    ]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.25)  # forty draws: the mean of each errs by some 8 percent


def test_on_a_quadratic_without_damping_it_is_there_in_one_step() -> None:
    asked = Quadratic(torch.tensor([1.0, 10.0, 100.0]).double(), torch.tensor([1.0, 2.0, 3.0]).double())
    rule, theta = SubsampledNewton(damping=0.0, tolerance=1e-12), torch.zeros(3).double()
    rule.step(theta, rule.start(theta, flat(3)), asked, 1.0, 1)
    torch.testing.assert_close(theta, asked.minimum, rtol=1e-12, atol=0)  # CG ends after three iterations, by rounding


def test_on_a_hill_it_steps_along_the_gradient() -> None:
    asked = Quadratic(torch.tensor([-1.0, -1.0]).double(), torch.tensor([3.0, 4.0]).double())
    rule, theta = SubsampledNewton(curvature="hessian"), torch.zeros(2).double()
    rule.step(theta, rule.start(theta, flat(2)), asked, 0.5, 1)
    assert theta.tolist() == [-1.5, -2.0]


def test_it_warns_of_searching_on_a_mini_batch() -> None:
    assert SubsampledNewton().remarks(100, 100) == ()
    assert SubsampledNewton().remarks(10, 100) == (
        "a line search on 10 of 100 examples: that the loss of these falls need not hold for the others (Sun p. 21); "
        "batch_size=all takes them all",
    )
