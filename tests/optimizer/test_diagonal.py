"""Rules that divide by an estimate of the Hessian's diagonal: AdaHessian and Sophia.

On a diagonal Hessian h random signs give z * (H z) = h without any error, so that the formulas can be followed by hand.
"""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from runner.core.curvature import Curved
from runner.core.errors import Diverged
from runner.core.theta import Layout, Slot, adopt
from runner.optimizer.adahessian import AdaHessian
from runner.optimizer.base import Optimizer
from runner.optimizer.sophia import Sophia
from tests.optimizer.problems import Operator, Quadratic, flat, trained

H = torch.tensor([1.0, 4.0, 9.0, -2.0]).double()
MINIMUM = torch.tensor([0.5, -0.5, 0.25, 0.125]).double()


def iterates(rule: Optimizer, steps: int, lr: float = 0.1) -> Tensor:
    """theta after 1, 2, ... steps from 1 on a diagonal quadratic, `[steps, 4]`."""
    theta, asked = torch.ones(4).double(), Quadratic(H, MINIMUM)
    state = rule.start(theta, flat(4))
    rows = []
    for t in range(1, steps + 1):
        rule.step(theta, state, asked, lr, t)
        rows.append(theta.clone())
    return torch.stack(rows)


# A dozen roundings a step.
@pytest.mark.parametrize(("power", "every"), [(1.0, 1), (0.5, 1), (1.0, 3)])
def test_adahessian_is_its_formula_with_the_exact_diagonal(power: float, every: int) -> None:
    rule = AdaHessian(betas=(0.5, 0.75), power=power, every=every)
    theta, m, s, count = torch.ones(4).double(), torch.zeros(4).double(), torch.zeros(4).double(), 0
    for t, found in enumerate(iterates(rule, 7), start=1):
        m = 0.5 * m + 0.5 * H * (theta - MINIMUM)
        if t in range(1, 8, every):
            s, count = 0.75 * s + 0.25 * H**2, count + 1
        theta = theta - 0.1 * (m / (1 - 0.5**t)) / ((s / (1 - 0.75**count)) ** (power / 2) + 1e-4)
        torch.testing.assert_close(found, theta, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("every", [1, 3])
def test_sophia_is_its_formula_with_the_exact_diagonal(every: int) -> None:
    rule = Sophia(betas=(0.5, 0.75), gamma=0.5, every=every)
    theta, m, h = torch.ones(4).double(), torch.zeros(4).double(), torch.zeros(4).double()
    for t, found in enumerate(iterates(rule, 7), start=1):
        m = 0.5 * m + 0.5 * H * (theta - MINIMUM)
        if t in range(1, 8, every):
            h = 0.75 * h + 0.25 * H
        theta = theta - 0.1 * (m / (0.5 * h).clamp(min=1e-12)).clamp(-1, 1)
        torch.testing.assert_close(found, theta, rtol=1e-13, atol=1e-15)


def test_sophia_steps_by_lr_where_the_curvature_is_negative() -> None:
    moved = iterates(Sophia(), 1, lr=0.25)[0] - 1
    assert moved[3].item() == 0.25  # uphill from the top at 0.125, against the gradient, which is negative


class Diagonal(nn.Module):
    """L = sum_i h_i (theta_i - minimum_i)^2 / 2, whatever its input."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.ones_like(H))

    def forward(self, x: Tensor) -> Tensor:
        return H * (self.theta - MINIMUM).square() / 2


TWINS: dict[str, tuple[Optimizer, str, dict[str, Any]]] = {
    "AdaHessian": (AdaHessian(betas=(0.8, 0.9)), "AdaHessian", {"betas": (0.8, 0.9), "eps": 1e-4}),
    # It clips m / max(h, eps) by p and multiplies by lr: with gamma h in place of h, and then lr gamma, ours.
    "SophiaH": (
        Sophia(betas=(0.8, 0.9), gamma=0.5, every=3, curvature="hessian"),
        "SophiaH",
        {"betas": (0.8, 0.9), "p": 0.5, "update_period": 3, "hessian_distribution": "rademacher", "eps": 2e-12},
    ),
}


# The same dozen operations a step in another order.
@pytest.mark.parametrize(("rule", "name", "arguments"), TWINS.values(), ids=TWINS)
def test_ten_steps_are_those_of_pytorch_optimizer(rule: Optimizer, name: str, arguments: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = pytest.importorskip("pytorch_optimizer")
    module = Diagonal()
    lr = 0.1 / (0.5 if name == "SophiaH" else 1)
    live = getattr(theirs, name)(module.parameters(), lr=lr, **arguments)
    for found in iterates(rule, 10):
        loss = module(torch.ones(1)).sum()
        (module.theta.grad,) = torch.autograd.grad(loss, [module.theta], create_graph=True)
        live.step()
        torch.testing.assert_close(found, module.theta.detach(), rtol=1e-12, atol=1e-15)


class Kernels(Quadratic):
    """Products with the Hessian that differ within a kernel."""

    def hessian(self, theta: Tensor) -> Operator:
        return lambda v: v * torch.arange(8.0).double()


def test_within_a_kernel_of_a_convolution_adahessian_takes_the_mean() -> None:
    layout = Layout((Slot("weight", (1, 1, 2, 3), 0, 6), Slot("bias", (2,), 6, 2)))
    theta, rule = torch.zeros(8).double(), AdaHessian()
    state = rule.start(theta, layout)
    rule.step(theta, state, Kernels(torch.ones(8).double(), torch.ones(8).double()), 0.1, 1)
    torch.testing.assert_close((state["s"] / 0.001).sqrt(), torch.tensor([2.5] * 6 + [6, 7]).double())


def test_their_random_signs_follow_from_the_initial_weights_and_the_step() -> None:
    for rule in (AdaHessian(), Sophia(every=1)):
        assert torch.equal(trained(rule, lambda t: 0.01, 5), trained(rule, lambda t: 0.01, 5))
        theta, _ = adopt(nn.Linear(3, 2))
        assert rule.start(theta, flat(8))["seed"] != rule.start(theta + 1, flat(8))["seed"]


@pytest.mark.parametrize("every", [1, 5])
def test_an_estimate_costs_a_gradient_and_a_product(every: int) -> None:
    module = Diagonal()
    theta, layout = adopt(module)
    asked = Curved(module, lambda output, y: output.sum(), theta, layout)
    for rule in (AdaHessian(every=every), Sophia(every=every)):
        asked.counts.backward = asked.counts.hvp = 0
        state = rule.start(theta, layout)
        for t in range(1, 11):
            asked.on(torch.ones(7, 1).double(), torch.ones(7))
            rule.step(theta, state, asked, 0.01, t)
        assert asked.counts.hvp == 7 * 10 // every
        assert asked.counts.backward == 7 * (10 + 10 // every)


class Cusp(Quadratic):
    """A loss without a second derivative."""

    def hessian(self, theta: Tensor) -> Operator:
        return lambda v: v * torch.nan


@pytest.mark.parametrize("rule", [AdaHessian(), Sophia(curvature="hessian")])
def test_where_the_curvature_is_not_finite_training_diverges_before_the_step(rule: Optimizer) -> None:
    theta, asked = torch.zeros(4).double(), Cusp(H.abs(), MINIMUM)
    with pytest.raises(Diverged):
        rule.step(theta, rule.start(theta, flat(4)), asked, 0.1, 1)
    assert not theta.any()
