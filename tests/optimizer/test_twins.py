"""Our rules are torch's, to the rounding of float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from runner.optimizer.adam import Adam
from runner.optimizer.base import Optimizer
from runner.optimizer.momentum import Momentum
from runner.optimizer.sgd import SGD
from runner.optimizer.torch import Torch
from tests.optimizer.problems import Rates, apart, descend, quadratic, trained, trained_by_hand

Make = Callable[[list[nn.Parameter]], torch.optim.Optimizer]

BETAS = [(0.9, 0.999), (0.0, 0.999), (0.9, 0.0), (0.0, 0.0), (0.5, 0.9), (0.99, 0.9999)]
RULES: list[tuple[Optimizer, Make]] = [
    (SGD(), lambda p: torch.optim.SGD(p)),
    *[(Momentum(mu=mu), lambda p, mu=mu: torch.optim.SGD(p, momentum=mu)) for mu in (0.0, 0.5, 0.9, 0.99)],
    *[(Adam(betas=betas), lambda p, b=betas: torch.optim.Adam(p, betas=b)) for betas in BETAS],
    *[(Adam(eps=eps), lambda p, eps=eps: torch.optim.Adam(p, eps=eps)) for eps in (1e-3, 1.0)],
]
each_rule = pytest.mark.parametrize(("rule", "make"), RULES, ids=[repr(rule) for rule, _ in RULES])

RATES: dict[str, Rates] = {
    "constant": lambda t: 0.01,
    "staircase": lambda t: 0.03 / 5 ** (t // 25),
    "up and down": lambda t: 0.01 * (1 + 0.9 * math.sin(t)),
}
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
    state = rule.start(theta, None)  # type: ignore[arg-type]  # a rule on elements needs no layout
    twin = nn.Parameter(torch.zeros(5, dtype=torch.float64))
    live = make([twin])
    for t in range(1, 101):
        rule.step(theta, state, asked, rates(t), t)
        live.param_groups[0]["lr"] = rates(t)
        _, twin.grad = asked.value_and_grad(twin.detach())
        live.step()
    assert apart(theta, twin.detach()) < SAME


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
