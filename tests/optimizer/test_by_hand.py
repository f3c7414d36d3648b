"""The first steps, computed by hand, and what the lectures say of a constant gradient and of a quadratic."""

from __future__ import annotations

from itertools import repeat

import pytest
import torch

from runner.optimizer.adam import Adam
from runner.optimizer.base import Optimizer
from runner.optimizer.momentum import Momentum
from runner.optimizer.sgd import SGD
from tests.optimizer.problems import Given, Quadratic, descend, flat

# Everywhere L = 3/2 theta^2, so g = 3 theta; theta_0 = 2, so g_1 = 6; lr = 0.1.
BOWL = Quadratic(torch.tensor([3.0], dtype=torch.float64), torch.tensor([0.0], dtype=torch.float64))
FEW_ROUNDINGS = 1e-14  # ten operations of 1e-16 each


def iterate(rule: Optimizer, steps: int) -> float:
    return descend(rule, BOWL, torch.tensor([2.0], dtype=torch.float64), 0.1, steps).item()


def test_two_steps_of_sgd() -> None:
    # theta_1 = 2 - 0.1 * 6 = 1.4;  g_2 = 4.2;  theta_2 = 1.4 - 0.42 = 0.98
    assert iterate(SGD(), 1) == pytest.approx(1.4, rel=FEW_ROUNDINGS, abs=0)
    assert iterate(SGD(), 2) == pytest.approx(0.98, rel=FEW_ROUNDINGS, abs=0)


def test_two_steps_of_momentum() -> None:
    # mu = 0.5.  v_1 = 6;  theta_1 = 1.4;  g_2 = 4.2;  v_2 = 0.5 * 6 + 4.2 = 7.2;  theta_2 = 1.4 - 0.72 = 0.68
    assert iterate(Momentum(mu=0.5), 1) == pytest.approx(1.4, rel=FEW_ROUNDINGS, abs=0)
    assert iterate(Momentum(mu=0.5), 2) == pytest.approx(0.68, rel=FEW_ROUNDINGS, abs=0)


def test_two_steps_of_adam() -> None:
    # beta1 = 0.5, beta2 = 0.75, eps = 1.
    # m_1 = 0.5 * 6 = 3, m^ = 3 / 0.5 = 6;  s_1 = 0.25 * 36 = 9, s^ = 9 / 0.25 = 36
    #   theta_1 = 2 - 0.1 * 6 / (6 + 1) = 13.4/7
    # g_2 = 3 theta_1 = 40.2/7
    # m_2 = 0.5 * 3 + 0.5 * 40.2/7 = 30.6/7,  m^ = m_2 / (1 - 0.25) = 40.8/7
    # s_2 = 0.75 * 9 + 0.25 * 1616.04/49 = 734.76/49,  s^ = s_2 / (1 - 0.5625) = 1679.4514285714.../49
    #   theta_2 = 13.4/7 - 0.1 * (40.8/7) / (sqrt(1679.4514285714...)/7 + 1) = 13.4/7 - 4.08 / (sqrt(1679.45...) + 7)
    rule = Adam(betas=(0.5, 0.75), eps=1.0)
    assert iterate(rule, 1) == pytest.approx(13.4 / 7, rel=FEW_ROUNDINGS, abs=0)
    assert iterate(rule, 2) == pytest.approx(13.4 / 7 - 4.08 / ((734.76 / 0.4375) ** 0.5 + 7), rel=FEW_ROUNDINGS, abs=0)
    assert iterate(rule, 2) == pytest.approx(1.8292522511932, rel=1e-12, abs=0)  # the same as a decimal number


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_the_first_step_of_adam_is_lr_whatever_the_scale_of_the_gradient(scale: float) -> None:
    theta = torch.zeros(2, dtype=torch.float64)
    rule = Adam(eps=1e-12)  # |g| >= 1e-3, so eps changes the quotient by 1e-9 at most
    rule.step(theta, rule.start(theta, flat(2)), Given(repeat(scale * torch.tensor([1.0, -2.0]).double())), 0.01, 1)
    assert theta.tolist() == pytest.approx([-0.01, 0.01], rel=2e-9)


@pytest.mark.parametrize("mu", [0.0, 0.5, 0.9])
def test_momentum_under_a_constant_gradient_reaches_its_terminal_velocity(mu: float) -> None:
    # v_t = g (1 - mu^t) / (1 - mu); 0.9^300 = 2e-14
    theta, lr = torch.zeros(1, dtype=torch.float64), 0.1
    rule, asked = Momentum(mu=mu), Given(repeat(torch.tensor([2.0], dtype=torch.float64)))
    state = rule.start(theta, flat(1))
    steps = []
    for t in range(1, 302):
        before = theta.item()
        rule.step(theta, state, asked, lr, t)
        steps.append(before - theta.item())
    assert steps[0] == pytest.approx(lr * 2.0, rel=FEW_ROUNDINGS, abs=0)
    # a step is a difference of numbers up to 600, whose last bit is 1e-13
    assert steps[9] == pytest.approx(lr * 2.0 * (1 - mu**10) / (1 - mu), rel=1e-12, abs=0)
    assert steps[-1] == pytest.approx(lr * 2.0 / (1 - mu), rel=1e-12, abs=0)


def test_momentum_keeps_the_rate_of_each_step_out_of_the_velocity() -> None:
    # g = 1, mu = 0.5, rates 1 then 0.1: v = 1, 1.5, so theta = -1, -1.15. With the rate inside the velocity the second
    # step would be 0.5 * 1 + 0.1 = 0.6.
    theta = torch.zeros(1, dtype=torch.float64)
    rule, asked = Momentum(mu=0.5), Given(repeat(torch.ones(1, dtype=torch.float64)))
    state = rule.start(theta, flat(1))
    rule.step(theta, state, asked, 1.0, 1)
    rule.step(theta, state, asked, 0.1, 2)
    assert theta.item() == pytest.approx(-1.15, rel=FEW_ROUNDINGS, abs=0)


CURVATURES = torch.tensor([0.25, 1.0, 4.0], dtype=torch.float64)  # L = 4, so the limit on lr is 1/2
VALLEY = Quadratic(CURVATURES, torch.zeros(3, dtype=torch.float64))


@pytest.mark.parametrize("lr", [0.1, 0.25, 0.4, 0.5, 0.6])
def test_gradient_descent_multiplies_each_eigendirection_by_1_minus_lr_times_its_curvature(lr: float) -> None:
    found = descend(SGD(), VALLEY, torch.ones(3, dtype=torch.float64), lr, 20)
    torch.testing.assert_close(found, (1 - lr * CURVATURES) ** 20, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize(("lr", "diverges"), [(0.4999, False), (0.5001, True)])
def test_gradient_descent_diverges_exactly_above_2_over_the_largest_curvature(lr: float, diverges: bool) -> None:
    # the factor in that direction is 1 - 4 lr = -(1 -+ 0.0004); after 20,000 steps e^-8 or e^8
    found = descend(SGD(), VALLEY, torch.ones(3, dtype=torch.float64), lr, 20_000)
    assert (VALLEY.value(found) > VALLEY.value(torch.ones(3))) == diverges
    assert found[2].abs().item() == pytest.approx(abs(1 - 4 * lr) ** 20_000, rel=1e-10, abs=0)  # 20,000 roundings


def test_gradient_descent_at_the_limit_swings_for_ever() -> None:
    found = descend(SGD(), VALLEY, torch.ones(3, dtype=torch.float64), 0.5, 1001)
    assert found[2].item() == -1.0
