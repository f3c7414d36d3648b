"""Step lengths from the loss of the mini-batch: the stochastic line search and the stochastic Polyak step."""

from __future__ import annotations

import pytest
import torch

from runner.core.errors import ConfigError
from runner.optimizer.clip_norm import ClipNorm
from runner.optimizer.stochastic_line_search import StochasticLineSearch
from runner.optimizer.stochastic_polyak import StochasticPolyak
from tests.optimizer.logistic import logistic, steps_on
from tests.optimizer.problems import Quadratic, flat


def bowl(h: float) -> Quadratic:
    """L = h/2 theta^2 in one dimension, asked at 1."""
    return Quadratic(torch.tensor([h]).double(), torch.zeros(1).double())


# L(1 - eta h) <= L(1) - c eta h^2 holds exactly for eta <= 2 (1 - c) / h, here 0.18: 0.9^16 = 0.1853, 0.9^17 = 0.1668.
def test_the_length_is_the_first_with_the_decrease() -> None:
    rule, theta = StochasticLineSearch(), torch.ones(1).double()
    state = rule.start(theta, flat(1))
    rule.step(theta, state, bowl(10.0), 1.0, 1)
    assert state["eta"] == pytest.approx(0.9**17, rel=1e-13)
    assert theta.item() == pytest.approx(1 - 10 * 0.9**17, rel=1e-13)


@pytest.mark.parametrize(("reset", "first"), [("grow", 0.25 * 2**0.5), ("max", 1.0), ("keep", 0.25)])
def test_where_the_next_search_begins(reset: str, first: float) -> None:
    asked = bowl(1.0)
    asked.share = lambda: 0.5  # type: ignore[method-assign]
    rule = StochasticLineSearch(reset=reset)  # type: ignore[arg-type]
    theta = torch.ones(1).double()
    rule.step(theta, state := {"eta": 0.25}, asked, 1.0, 2)  # every length up to 1.8 has the decrease
    assert state["eta"] == pytest.approx(first, rel=1e-15)


def test_no_search_begins_above_the_rate_of_the_step() -> None:
    for reset in ("grow", "max", "keep"):
        rule = StochasticLineSearch(reset=reset)  # type: ignore[arg-type]
        rule.step(torch.ones(1).double(), state := {"eta": 0.25}, bowl(1.0), 0.125, 2)
        assert state["eta"] == 0.125


def test_where_no_length_has_the_decrease_it_stays() -> None:
    asked = bowl(1.0)
    asked.value = lambda theta: float("nan")  # type: ignore[method-assign]
    asked.value_and_grad = lambda theta: (1.0, torch.ones(1).double())  # type: ignore[method-assign]
    theta = torch.ones(1).double()
    StochasticLineSearch(most=3).step(theta, state := {"eta": 0.25}, asked, 1.0, 2)
    assert (theta.item(), state["eta"]) == (1.0, 0.25)


def test_it_gives_the_warning_of_the_lecture_where_the_search_is_on_a_mini_batch() -> None:
    assert StochasticLineSearch().remarks(100, 100) == ()
    assert StochasticLineSearch().remarks(10, 100) == (
        "a line search on 10 of 100 examples: that the loss of these falls need not hold for the others; errors in "
        "loss and gradient may ruin the condition (Sun p. 21), unless the network fits them all",
    )


# On all examples a step along the gradient that has the decrease lowers the loss; on one of 10 it need not, and where
# no theta fits all examples it goes on wandering about the minimum. What the warning says, in numbers.
def test_on_small_mini_batches_that_no_theta_fits_it_does_not_settle() -> None:
    problem = logistic()
    _, least = problem.optimum()
    whole, noisy = (
        steps_on(problem, StochasticLineSearch(reset="max"), [10.0] * 300, batch=batch) for batch in (None, 10)
    )
    assert whole.value(whole.theta) - least < 1e-3
    assert noisy.value(noisy.theta) - least > 0.03


def test_on_all_examples_the_loss_falls_in_every_step() -> None:
    problem = logistic()
    values = []
    for steps in range(1, 20):
        asked = steps_on(problem, StochasticLineSearch(), [10.0] * steps)
        values.append(asked.value(asked.theta))
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("rule", [StochasticLineSearch(), StochasticPolyak()])
def test_a_clipped_gradient_which_no_longer_belongs_to_the_loss_is_refused(
    rule: StochasticLineSearch | StochasticPolyak,
) -> None:
    with pytest.raises(ConfigError, match="one compares values and gradients"):
        ClipNorm(inner=rule)


# (L - 0) / (c g^2) with L = h/2, g = h: 1/(2 c h), which is Newton's 1/h for c = 1/2.
@pytest.mark.parametrize(("c", "expected"), [(0.5, 0.0), (1.0, 0.5)])
def test_a_polyak_step_on_a_parabola_is_newtons_for_c_one_half(c: float, expected: float) -> None:
    rule, theta = StochasticPolyak(c=c), torch.ones(1).double()
    rule.step(theta, rule.start(theta, flat(1)), bowl(4.0), 1.0, 1)
    assert theta.item() == pytest.approx(expected, abs=1e-15)


def test_with_c_1_a_polyak_step_on_the_slope_of_a_wedge_ends_at_its_least_value() -> None:
    asked = bowl(1.0)
    asked.value_and_grad = lambda theta: (2 * abs(theta.item()) + 3, 2 * theta.sign())  # type: ignore[method-assign]
    rule, theta = StochasticPolyak(c=1.0, least=3.0), torch.tensor([0.75]).double()
    rule.step(theta, rule.start(theta, flat(1)), asked, 1.0, 1)
    assert theta.item() == 0


def test_the_bound_of_a_polyak_step_is_the_rate_or_grows_from_the_step_before() -> None:
    asked = bowl(0.125)  # where the step without bound is 8
    asked.share = lambda: 0.5  # type: ignore[method-assign]
    for limit, eta in (("smooth", 0.25 * 2**0.5), ("max", 1.0)):
        rule = StochasticPolyak(limit=limit)  # type: ignore[arg-type]
        rule.step(torch.ones(1).double(), state := {"eta": 0.25}, asked, 1.0, 2)
        assert state["eta"] == pytest.approx(eta, rel=1e-15)


def test_below_its_least_value_a_polyak_step_stays() -> None:
    theta = torch.ones(1).double()
    rule = StochasticPolyak(least=1.0)
    rule.step(theta, rule.start(theta, flat(1)), bowl(1.0), 1.0, 1)  # the loss is 1/2
    assert theta.item() == 1
