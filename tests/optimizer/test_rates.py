"""Plain steps and momentum at the rates of their theory, on quadratics with curvatures from 1 to the condition k.

A direction of curvature h does not see the others, and its error e_t = theta_t there, the minimum being 0, obeys a
recursion whose roots are the rate. With the best constants both ends, h = 1 and h = k, have the largest root, and for
momentum it is a double one: e_t = (1 + c t) r^t, where the two first errors give c. Those lines are what is compared.
"""

from __future__ import annotations

import math

import pytest
import torch

from runner.optimizer.base import Optimizer
from runner.optimizer.heavy_ball import HeavyBall
from runner.optimizer.nesterov import Nesterov
from runner.optimizer.nesterov_original import NesterovOriginal
from runner.optimizer.sgd import SGD
from tests.optimizer.problems import flat
from tests.optimizer.test_one_function import CONDITIONS, axes, gone

STEPS = 100
# An iterate rounds by some 1e-16 of its own size, and e_t / r^t carries every rounding on, at a double root t times:
# 1e-16 STEPS^2 and the k of a rate like lr k = 4 - ..., which are 1e-12 and 1e-12.
CLOSE = 1e-10

each_condition = pytest.mark.parametrize("k", CONDITIONS)


def errors(rule: Optimizer, lr: float, *curvatures: float, steps: int = STEPS) -> list[float]:
    """The errors after so many steps from 1 in every direction."""
    theta = torch.ones(len(curvatures), dtype=torch.float64)
    gone(rule, axes(*curvatures), theta, steps, lr=lr)
    return theta.tolist()


@each_condition
def test_gradient_descent_shrinks_the_error_by_k_less_1_over_k_more_1(k: float) -> None:
    # lr = 2 / (1 + k): 1 - lr h = (k - 1)/(k + 1) for h = 1 and its negative for h = k.
    r = (k - 1) / (k + 1)
    slow, fast = errors(SGD(), 2 / (1 + k), 1.0, k, steps=STEPS - 1)
    assert slow == pytest.approx(r ** (STEPS - 1), rel=CLOSE)
    assert fast == pytest.approx(-(r ** (STEPS - 1)), rel=CLOSE)


@each_condition
def test_heavy_ball_shrinks_the_error_by_root_k_less_1_over_root_k_more_1(k: float) -> None:
    # e_t+1 = (1 + mu - lr h) e_t - mu e_t-1. With Polyak's lr = 4 / (sqrt k + 1)^2 and mu = r^2 the factor of e_t is
    # 2 r for h = 1 and -2 r for h = k: a double root r or -r. Between them the roots are complex, of modulus r too.
    # The first step is plain, as if e_-1 = e_0 = 1: then 1 - c = r for the root r.
    r = (math.sqrt(k) - 1) / (math.sqrt(k) + 1)
    slow, between, fast = errors(HeavyBall(mu=r * r), 4 / (math.sqrt(k) + 1) ** 2, 1.0, (1 + k) / 2, k)
    assert slow == pytest.approx((1 + (1 - r) * STEPS) * r**STEPS, rel=CLOSE)
    assert fast == pytest.approx((1 + (1 + r) * STEPS) * r**STEPS, rel=CLOSE)
    # Here the factor is 1 + mu - 2 (1 + k) / (sqrt k + 1)^2 = 0: every other step is by -mu, as STEPS is even.
    assert between == pytest.approx(r**STEPS, rel=CLOSE)


@each_condition
def test_nesterov_shrinks_the_error_by_1_less_1_over_root_k(k: float) -> None:
    # e_t+1 = (1 - lr h)((1 + mu) e_t - mu e_t-1). With lr = 1/k and mu = (sqrt k - 1)/(sqrt k + 1) the factors are, for
    # h = 1, 2 r and -r^2, r = 1 - 1/sqrt k, and e_-1 = e_0 = 1 gives c = 1 - r.
    r = 1 - 1 / math.sqrt(k)
    mu = (math.sqrt(k) - 1) / (math.sqrt(k) + 1)
    (slow,) = errors(NesterovOriginal(mu=mu), 1 / k, 1.0)
    assert slow == pytest.approx((1 + STEPS / math.sqrt(k)) * r**STEPS, rel=CLOSE)
    # The look-ahead point y_t = e_t + mu (e_t - e_t-1) begins at 1 and 1 - (1 + mu)/k, so that c = 1/(sqrt k + 1).
    (ahead,) = errors(Nesterov(mu=mu), 1 / k, 1.0)
    assert ahead == pytest.approx((1 + STEPS / (math.sqrt(k) + 1)) * r**STEPS, rel=CLOSE)


@each_condition
def test_nesterov_is_never_above_its_bound_whatever_the_curvatures(k: float) -> None:
    # L_t - L* <= (1 - 1/sqrt k)^t (L_0 - L* + ||e_0||^2 / 2), for the least curvature 1 (Nesterov 2004, theorem 2.2.3).
    h = torch.logspace(0, math.log10(k), 7, dtype=torch.float64).tolist()
    rule, bowl = NesterovOriginal(mu=(math.sqrt(k) - 1) / (math.sqrt(k) + 1)), axes(*h)
    theta = torch.ones(7, dtype=torch.float64)
    first = bowl.value(theta) + 7 / 2
    state = rule.start(theta, flat(7))
    for t in range(1, STEPS + 1):
        rule.step(theta, state, bowl, 1 / k, t)
        assert bowl.value(theta) <= first * (1 - 1 / math.sqrt(k)) ** t
