"""Adagrad with the whole matrix, against its definition and Adagrad itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from runner.core.errors import ConfigError
from runner.optimizer.adagrad import Adagrad
from runner.optimizer.ema import EMA
from runner.optimizer.full_matrix_adagrad import FullMatrixAdagrad
from tests.optimizer.problems import Given, flat


def gradients(steps: int = 12) -> Tensor:
    return torch.randn(steps, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def end(rule: FullMatrixAdagrad | Adagrad, given: Tensor, lr: float = 0.1) -> Tensor:
    """theta after a step from 0 along each of the given gradients `[steps, P]`."""
    theta = given.new_zeros(given.shape[1])
    state = rule.start(theta, flat(given.shape[1]))
    rows: Iterator[Tensor] = iter(given)
    asked = Given(rows)
    for t in range(1, len(given) + 1):
        rule.step(theta, state, asked, lr, t)
    return theta


# G^(1/2) = U S U' for the gradients U S V' as columns, which forms no square. Eigenvalues that are 0 come out as some
# 1e-16 of the largest, and their roots as 1e-8 of its root: beside eps = 0.1 an error of 1e-6.
@pytest.mark.parametrize("beta", [1.0, 0.9])
def test_it_is_its_definition_by_the_singular_values_of_the_gradients(beta: float) -> None:
    theta, rows = torch.zeros(5).double(), gradients()
    for t in range(1, len(rows) + 1):
        ages = torch.arange(t - 1, -1, -1).double()
        weights = torch.ones(t).double() if beta == 1 else (1 - beta) * beta**ages
        U, S, _ = torch.linalg.svd((weights.sqrt()[:, None] * rows[:t]).T, full_matrices=False)
        root = U @ torch.diag(S) @ U.T
        theta -= 0.1 * torch.linalg.solve(root + 0.1 * torch.eye(5).double(), rows[t - 1])
    found = end(FullMatrixAdagrad(beta=beta, every=1), rows)
    torch.testing.assert_close(found, theta, rtol=1e-5, atol=1e-6)


def test_along_the_axes_it_is_adagrad() -> None:
    given = torch.eye(5).double()[torch.tensor([0, 1, 2, 3, 4, 0, 2, 2])] * torch.linspace(-1, 2, 8).double()[:, None]
    one, other = (end(rule, given) for rule in (FullMatrixAdagrad(every=1), Adagrad(eps=0.1)))
    torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-15)  # eigenvalues round once more than squares


def test_turned_gradients_make_turned_steps() -> None:
    turn, _ = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64))
    straight, turned = (end(FullMatrixAdagrad(), given) for given in (gradients(), gradients() @ turn))
    torch.testing.assert_close(turned, straight @ turn, rtol=1e-5, atol=1e-6)  # as above


# Gradients with covariance C: the steps of one with beta near 1 have covariance near I, those of SGD have C.
def test_the_noise_of_its_steps_is_alike_in_all_directions() -> None:
    scale = torch.diag(torch.tensor([1.0, 10.0, 0.1, 1.0, 3.0]).double())
    given = gradients(3000) @ scale
    rule, theta = FullMatrixAdagrad(beta=0.999, eps=1e-6, every=10), torch.zeros(5).double()
    state, asked, steps = rule.start(theta, flat(5)), Given(iter(given)), []
    for t in range(1, 3001):
        before = theta.clone()
        rule.step(theta, state, asked, 1.0, t)
        steps.append(theta - before)
    spread = torch.linalg.eigvalsh(torch.cov(torch.stack(steps[1000:]).T))
    assert spread[-1] / spread[0] < 1.5  # of 10^4 for the gradients; 1000 effective samples err by some 5 percent


def test_more_parameters_than_it_can_keep_the_square_of_are_refused() -> None:
    for rule in (FullMatrixAdagrad(), EMA(inner=FullMatrixAdagrad())):
        rule.check(flat(1024))
        with pytest.raises(ConfigError) as refused:
            rule.check(flat(1025))
        assert str(refused.value) == (
            "optimizer=full_matrix_adagrad is refused\n"
            "  allowed: a network of at most 1024 parameters, since the square of their number is kept; this one has "
            "1025\n"
            "  do this: give architecture.hidden=[8], say, or choose optimizer=adagrad, which keeps the diagonal"
        )
