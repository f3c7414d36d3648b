"""Schedule-free rules, against the form in which their authors program them, and by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import repeat

import pytest
import torch
from torch import Tensor

from runner.optimizer.base import Optimizer
from runner.optimizer.lion import Lion
from runner.optimizer.schedule_free_adamw import ScheduleFreeAdamW
from runner.optimizer.schedule_free_sgd import ScheduleFreeSGD
from tests.optimizer.problems import Given, Quadratic, Rates, apart, descend, flat, quadratic

Direction = Callable[[Tensor, Tensor, int], tuple[Tensor, float]]  # (g, y, t) -> the step of z per rate, rate per lr
RATES: dict[str, Rates] = {
    "constant": lambda t: 0.1,
    "warm-up": lambda t: 0.1 * min(1.0, t / 10),
    "falling": lambda t: 0.1 / t,
}


def authors(direction: Direction, beta: float, rates: Rates, steps: int) -> tuple[Tensor, Tensor]:
    """(y, x) after some steps on the quadratic, with y and z kept and x worked out at the end."""
    y = torch.zeros(5, dtype=torch.float64)
    z, weights, largest = y.clone(), 0.0, 0.0
    for t in range(1, steps + 1):
        step, factor = direction(quadratic().value_and_grad(y)[1], y, t)
        rate = rates(t) * factor
        largest = max(largest, rate)
        weights += largest**2
        c = largest**2 / weights
        y = y + c * (z - y) + rate * (beta * (1 - c) - 1) * step
        z = z - rate * step
    return y, y + (1 - 1 / beta) * (z - y)


def ours(rule: Optimizer, rates: Rates, steps: int) -> tuple[Tensor, Tensor]:
    theta = torch.zeros(5, dtype=torch.float64)
    state = rule.start(theta, flat(5))
    for t in range(1, steps + 1):
        rule.step(theta, state, quadratic(), rates(t), t)
    return theta, rule.eval_theta(theta, state)


@pytest.mark.parametrize("rates", RATES.values(), ids=RATES)
@pytest.mark.parametrize("beta", [0.5, 0.9])
def test_schedule_free_sgd_is_that_of_its_authors(beta: float, rates: Rates) -> None:
    y, x = authors(lambda g, y, t: (g, 1.0), beta, rates, 100)
    theta, judged = ours(ScheduleFreeSGD(beta=beta), rates, 100)
    assert apart(theta, y) < 1e-12
    assert apart(judged, x) < 1e-12
    assert apart(judged, theta) > 1e-6


@pytest.mark.parametrize("rates", RATES.values(), ids=RATES)
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_schedule_free_adamw_is_that_of_its_authors(decay: float, rates: Rates) -> None:
    s = torch.zeros(5, dtype=torch.float64)

    def direction(g: Tensor, y: Tensor, t: int) -> tuple[Tensor, float]:
        s.copy_(0.99 * s + 0.01 * g * g)
        return g / (s.sqrt() + 1e-8) + decay * y, math.sqrt(1 - 0.99**t)

    y, x = authors(direction, 0.9, rates, 100)
    theta, judged = ours(ScheduleFreeAdamW(betas=(0.9, 0.99), weight_decay=decay), rates, 100)
    assert apart(theta, y) < 1e-12
    assert apart(judged, x) < 1e-12


def test_without_beta_it_is_sgd_and_its_running_average() -> None:
    # L = theta^2/2, lr = 0.5 from 1: z = 1/2, 1/4, 1/8; averages 1/2, 3/8, 7/24
    bowl = Quadratic(torch.ones(1).double(), torch.zeros(1).double())
    rule = ScheduleFreeSGD(beta=0.0)
    assert descend(rule, bowl, torch.ones(1).double(), 0.5, 3).item() == 0.125
    theta = torch.ones(1, dtype=torch.float64)
    state = rule.start(theta, flat(1))
    for t in (1, 2, 3):
        rule.step(theta, state, bowl, 0.5, t)
    assert rule.eval_theta(theta, state).item() == pytest.approx(7 / 24, rel=1e-15)


def test_two_steps_of_schedule_free_sgd() -> None:
    # g = 1, lr = 1, beta = 0.5 from 0: z = -1, c = 1, x = -1, y = -1; z = -2, c = 1/2, x = -1.5, y = -1.75
    rule, theta = ScheduleFreeSGD(beta=0.5), torch.zeros(1, dtype=torch.float64)
    state, asked = rule.start(theta, flat(1)), Given(repeat(torch.ones(1).double()))
    seen = []
    for t in (1, 2):
        rule.step(theta, state, asked, 1.0, t)
        seen.append((theta.item(), rule.eval_theta(theta, state).item()))
    assert seen == [(-1.0, -1.0), (-1.75, -1.5)]


def test_two_steps_of_lion() -> None:
    # betas (0.5, 0.75), lr = 0.1, decay 1. g = 2: c = 1, m = 0.5, theta = 1 * 0.9 - 0.1 = 0.8
    # g = -1: c = 0.25 - 0.5 < 0, m = 0.375 - 0.25, theta = 0.72 + 0.1 = 0.82; g = 0: c = 0.0625, theta = 0.738 - 0.1
    rule, theta = Lion(betas=(0.5, 0.75), weight_decay=1.0), torch.ones(1, dtype=torch.float64)
    state, asked = rule.start(theta, flat(1)), Given(iter(torch.tensor([[2.0], [-1.0], [0.0]]).double()))
    for t, expected in ((1, 0.8), (2, 0.82), (3, 0.638)):
        rule.step(theta, state, asked, 0.1, t)
        assert theta.item() == pytest.approx(expected, rel=1e-14)
    assert state["m"].item() == 0.125 * 0.75
