"""The gradient over all examples, and why that of a mini-batch does not replace it."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from runner.core.noise import Dropout
from runner.core.objective import Objective
from runner.core.streams import stream
from runner.core.theta import adopt


def least_squares(n: int = 6, d: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    draw = stream(0, "least squares")
    return torch.randn(n, d, generator=draw, dtype=torch.float64), torch.randn(
        n, 1, generator=draw, dtype=torch.float64
    )


def objective(module: nn.Module) -> Objective:
    theta, layout = adopt(module.double())
    return Objective(module, nn.functional.mse_loss, theta, layout)


@pytest.mark.parametrize("at_a_time", [1, 4, 5, 6, 100])
def test_the_full_gradient_is_that_of_the_mean_loss_however_it_is_put_together(at_a_time: int) -> None:
    x, y = least_squares()
    o = objective(nn.Linear(3, 1))
    o.on(x, y)
    _, grad = o.value_and_grad(o.theta)
    # sums of six terms in another order: some roundings of 1e-16
    assert o.norm_of_all(
        o.theta, zip(torch.split(x, at_a_time), torch.split(y, at_a_time), strict=True), len(y)
    ) == pytest.approx(grad.norm().item(), rel=1e-14)


def test_measuring_the_full_gradient_changes_nothing_and_is_not_counted() -> None:
    x, y = least_squares()
    o = objective(nn.Sequential(nn.Linear(3, 1000), Dropout(1000, 0.5), nn.Linear(1000, 1)))
    o.module.train()
    o.on(x[:2], y[:2], stream(0, "noise"))
    value, grad = o.value_and_grad(o.theta)
    before, counts, elsewhere = o.theta.clone(), (o.counts.forward, o.counts.backward), torch.zeros_like(o.theta)
    without_noise = o.norm_of_all(o.theta, zip(torch.split(x, 6), torch.split(y, 6), strict=True), len(y))
    assert o.norm_of_all(elsewhere, zip(torch.split(x, 6), torch.split(y, 6), strict=True), len(y)) != without_noise
    assert (o.counts.forward, o.counts.backward) == counts
    assert torch.equal(o.theta, before)
    assert o.module.training
    again, same = o.value_and_grad(o.theta)  # the mini-batch and its masks are still there
    assert again == value
    assert torch.equal(same, grad)
    o.on(x, y, None)  # no stream: no dropout
    assert without_noise == pytest.approx(o.value_and_grad(o.theta)[1].norm().item(), rel=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_at_the_minimum_a_mini_batch_still_has_a_gradient_of_the_size_of_its_noise(size: int) -> None:
    # Least squares at its minimum: the full gradient is 0, one example's is g_i = 2 (x_i w - y_i) x_i, their covariance
    # Sigma. Over all mini-batches of S draws with replacement the mean of |g|^2 is exactly tr Sigma / S.
    x, y = least_squares()
    o = objective(nn.Linear(3, 1, bias=False))
    o.theta.copy_(torch.linalg.lstsq(x, y).solution.flatten())
    each = 2 * (x @ o.theta.view(3, 1) - y) * x
    assert each.mean(dim=0).norm().item() < 1e-14
    trace = each.var(dim=0, correction=0).sum().item()
    squares = []
    for rows in itertools.product(range(6), repeat=size):
        o.on(x[list(rows)], y[list(rows)])
        squares.append(o.value_and_grad(o.theta)[1].square().sum().item())
    assert o.norm_of_all(o.theta, zip(torch.split(x, 6), torch.split(y, 6), strict=True), len(y)) < 1e-14
    assert math.sqrt(sum(squares) / len(squares)) == pytest.approx(math.sqrt(trace / size), rel=1e-12)
