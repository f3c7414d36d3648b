"""Our rules are torch's, to the rounding of float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from runner.core.errors import ConfigError
from runner.core.theta import adopt
from runner.optimizer.adadelta import Adadelta
from runner.optimizer.adagrad import Adagrad
from runner.optimizer.adam import Adam
from runner.optimizer.adamax import Adamax
from runner.optimizer.adamw import AdamW
from runner.optimizer.amsgrad import AMSGrad
from runner.optimizer.asgd import ASGD
from runner.optimizer.base import Optimizer
from runner.optimizer.momentum import Momentum
from runner.optimizer.nadam import NAdam
from runner.optimizer.nesterov import Nesterov
from runner.optimizer.radam import RAdam
from runner.optimizer.rmsprop import RMSprop
from runner.optimizer.rprop import Rprop
from runner.optimizer.sgd import SGD
from runner.optimizer.torch import Torch
from tests.optimizer.problems import (
    Given,
    Rates,
    apart,
    batches,
    descend,
    flat,
    network,
    quadratic,
    trained,
    trained_by_hand,
)

Make = Callable[[list[nn.Parameter]], torch.optim.Optimizer]

BETAS = [(0.9, 0.999), (0.0, 0.999), (0.9, 0.0), (0.0, 0.0), (0.5, 0.9), (0.99, 0.9999)]
RULES: list[tuple[Optimizer, Make]] = [
    (SGD(), lambda p: torch.optim.SGD(p)),
    *[(Momentum(mu=mu), lambda p, mu=mu: torch.optim.SGD(p, momentum=mu)) for mu in (0.0, 0.5, 0.9, 0.99)],
    *[(Adam(betas=betas), lambda p, b=betas: torch.optim.Adam(p, betas=b)) for betas in BETAS],
    *[(Adam(eps=eps), lambda p, eps=eps: torch.optim.Adam(p, eps=eps)) for eps in (1e-3, 1.0)],
    *[(Nesterov(mu=mu), lambda p, mu=mu: torch.optim.SGD(p, momentum=mu, nesterov=mu > 0)) for mu in (0.0, 0.5, 0.9)],
    *[(Adagrad(eps=eps), lambda p, eps=eps: torch.optim.Adagrad(p, eps=eps)) for eps in (1e-10, 1e-3)],
    *[
        (
            RMSprop(beta=beta, eps=eps, mu=mu, centered=centered),
            lambda p, a=(beta, eps, mu, centered): torch.optim.RMSprop(
                p, alpha=a[0], eps=a[1], momentum=a[2], centered=a[3]
            ),
        )
        for beta, eps, mu, centered in [
            (0.99, 1e-8, 0.0, False),
            (0.9, 1e-3, 0.0, False),
            (0.99, 1e-8, 0.9, False),
            # a first centered step has s = g^2/100, m^2 = g^2/10^4; with beta = 0 the deviation is 0 but for rounding
            (0.99, 1e-3, 0.0, True),
            (0.9, 1e-3, 0.5, True),
        ]
    ],
    *[(AMSGrad(betas=betas), lambda p, b=betas: torch.optim.Adam(p, betas=b, amsgrad=True)) for betas in BETAS],
    *[
        (AdamW(betas=b, weight_decay=d), lambda p, b=b, d=d: torch.optim.AdamW(p, betas=b, weight_decay=d))
        for b, d in [((0.9, 0.999), 0.01), ((0.0, 0.9), 0.0), ((0.5, 0.9), 1.0)]
    ],
    *[(Adamax(betas=betas), lambda p, b=betas: torch.optim.Adamax(p, betas=b)) for betas in BETAS],
    *[(RAdam(betas=betas), lambda p, b=betas: torch.optim.RAdam(p, betas=b)) for betas in [*BETAS, (0.9, 0.6)]],
    *[
        (NAdam(betas=b, momentum_decay=d), lambda p, b=b, d=d: torch.optim.NAdam(p, betas=b, momentum_decay=d))
        for b, d in [((0.9, 0.999), 4e-3), ((0.0, 0.9), 0.0), ((0.5, 0.9), 1.0)]
    ],
    *[
        (Adadelta(rho=rho, eps=eps), lambda p, rho=rho, eps=eps: torch.optim.Adadelta(p, rho=rho, eps=eps))
        for rho, eps in [(0.9, 1e-6), (0.5, 1e-2), (0.0, 1e-3)]
    ],
]
each_rule = pytest.mark.parametrize(("rule", "make"), RULES, ids=[repr(rule) for rule, _ in RULES])

RATES: dict[str, Rates] = {
    "constant": lambda t: 0.01,
    "staircase": lambda t: 0.03 / 5 ** (t // 25),
    "up and down": lambda t: 0.01 * (1 + 0.9 * math.sin(t)),
}
# Only under a constant rate: torch's Rprop sees the rate of the first step alone, its ASGD that of the step before.
CONSTANT_ALONE: list[tuple[Optimizer, Make]] = [
    *[
        (Rprop(etas=e, sizes=s), lambda p, e=e, s=s: torch.optim.Rprop(p, lr=0.01, etas=e, step_sizes=s))
        for e, s in [((0.5, 1.2), (1e-6, 50.0)), ((0.9, 1.5), (0.005, 0.02)), ((0.5, 1.2), (0.02, 0.03))]
    ],
    *[
        (ASGD(lambd=d, alpha=a, t0=t0), lambda p, d=d, a=a, t0=t0: torch.optim.ASGD(p, 0.01, lambd=d, alpha=a, t0=t0))
        for d, a, t0 in [(1e-4, 0.75, 0), (1.0, 0.5, 20), (0.0, 0.75, 1000)]
    ],
]
each_rate = pytest.mark.parametrize("rates", RATES.values(), ids=RATES)

# A step rounds a handful of times, 1e-16 each, and none of these problems enlarges an error over 100 steps by more
# than a factor of some hundred.
SAME = 1e-12


@each_rate
@each_rule
def test_a_hundred_steps_on_a_network_are_those_of_torch(rule: Optimizer, make: Make, rates: Rates) -> None:
    assert apart(trained(rule, rates, 100), trained_by_hand(make, rates, 100)) < SAME


@each_rate
@each_rule
def test_a_hundred_steps_on_a_quadratic_are_those_of_torch(rule: Optimizer, make: Make, rates: Rates) -> None:
    asked = quadratic()
    theta = torch.zeros(5, dtype=torch.float64)
    state = rule.start(theta, flat(5))
    twin = nn.Parameter(torch.zeros(5, dtype=torch.float64))
    live = make([twin])
    for t in range(1, 101):
        rule.step(theta, state, asked, rates(t), t)
        live.param_groups[0]["lr"] = rates(t)
        _, twin.grad = asked.value_and_grad(twin.detach())
        live.step()
    assert apart(theta, twin.detach()) < SAME


@pytest.fixture(autouse=True)
def factors_in_float64() -> Iterator[None]:
    """torch keeps the steps and NAdam's factors in its default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(("rule", "make"), CONSTANT_ALONE, ids=[repr(rule) for rule, _ in CONSTANT_ALONE])
def test_a_hundred_steps_at_a_constant_rate_are_those_of_torch(rule: Optimizer, make: Make) -> None:
    assert apart(trained(rule, lambda t: 0.01, 100), trained_by_hand(make, None, 100)) < SAME


@pytest.mark.parametrize("t0", [0, 1, 7])
def test_the_average_of_asgd_is_that_of_torch(t0: int) -> None:
    module = network()
    live = torch.optim.ASGD(module.parameters(), lr=0.1, t0=t0)
    theta, layout = adopt(network())
    rule = ASGD(t0=t0)
    state = rule.start(theta, layout)
    for t, (x, y) in zip(range(1, 31), batches(), strict=False):
        live.zero_grad()
        F.cross_entropy(module(x), y).backward()  # type: ignore[no-untyped-call]
        g = torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])
        rule.step(theta, state, Given(iter([g])), 0.1, t)
        live.step()
    mean = torch.cat([live.state[p]["ax"].flatten() for p in module.parameters()])
    assert apart(rule.eval_theta(theta, state), mean) < SAME
    assert not torch.equal(mean, theta)


def test_a_schedule_multiplies_all_sizes_of_rprop() -> None:
    # g = 1: size 0.1; then 1.2 times that at half the rate; sizes 0.1, 0.06
    theta, rule = torch.zeros(1), Rprop()
    state = rule.start(theta, flat(1))
    for t, lr in ((1, 0.1), (2, 0.05)):
        rule.step(theta, state, Given(iter([torch.ones(1)])), lr, t)
    assert theta.item() == pytest.approx(-0.16, rel=1e-14)


def test_the_smallest_size_of_rprop_is_not_above_the_largest() -> None:
    with pytest.raises(ConfigError) as refused:
        Rprop(sizes=(1.0, 0.5))
    assert str(refused.value) == (
        "sizes=[1.0,0.5] is refused\n  allowed: [smallest, largest]\n  do this: give sizes=[1e-6,50]"
    )


@pytest.mark.parametrize(
    "rule",
    [
        *[rule for rule, _ in RULES],
        Torch(cls=torch.optim.RMSprop, arguments={"alpha": 0.9, "momentum": 0.5}),
        Torch(cls=torch.optim.Adam, arguments={"betas": [0, 0.999]}),
        Torch(cls=torch.optim.AdamW, arguments={"amsgrad": True, "betas": [0.5, 0.9]}),
    ],
    ids=repr,
)
def test_the_torch_call_that_a_manifest_names_gives_the_same_iterates(rule: Optimizer) -> None:
    call = rule.equivalent_to(0.01)
    assert call is not None

    def make(parameters: list[nn.Parameter]) -> Any:
        return eval(call.replace("(", "(parameters, ", 1), {"torch": torch, "parameters": parameters})

    assert make([nn.Parameter(torch.zeros(1))]).param_groups[0]["lr"] == 0.01
    assert apart(trained(rule, lambda t: 0.01, 20), trained_by_hand(make, lambda t: 0.01, 20)) < SAME


def test_adam_with_beta1_0_is_not_rmsprop() -> None:
    # A lecture says it is. RMSprop has no correction of s: its first step is lr g / sqrt((1 - alpha) g^2), so with
    # alpha = 0.999 it is 1/sqrt(0.001) = 31.6 times that of Adam, which is lr.
    asked = quadratic()
    first_adam = descend(Adam(betas=(0, 0.999)), asked, torch.zeros(5, dtype=torch.float64), 0.01, 1)
    rmsprop = Torch(cls=torch.optim.RMSprop, arguments={"alpha": 0.999})
    first_rmsprop = descend(rmsprop, asked, torch.zeros(5, dtype=torch.float64), 0.01, 1)
    assert (first_rmsprop / first_adam).tolist() == pytest.approx([1 / math.sqrt(0.001)] * 5, rel=1e-5)  # eps = 1e-8
