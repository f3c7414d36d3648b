"""Logistic regression with a penalty: one minimum, known to scipy, for the methods of many examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor, nn

from runner.core.curvature import Curved
from runner.core.theta import adopt
from runner.loss.bce import BCE
from runner.optimizer.base import Optimizer
from runner.regularizer.l2 import L2


@dataclass
class Logistic:
    """L(w) = mean_i log(1 + exp(-y_i x_i.w)) + strength/2 |w|^2 on x `[n, d]`, y `[n]` 0 or 1, in float64."""

    x: Tensor
    y: Tensor
    strength: float

    def __len__(self) -> int:
        return len(self.y)

    def rows(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        return self.x[numbers], self.y[numbers]

    def drawn(self, size: int, t: int) -> Tensor:
        """The numbers `[size]` of different examples for step t, other ones than the mini-batches."""
        return torch.randperm(len(self), generator=torch.Generator().manual_seed(1_000_000 + t))[:size]

    def asked(self) -> Curved:
        """The objective, at 0 and on all examples."""
        module = nn.Linear(self.x.shape[1], 1, bias=False).double()
        theta, layout = adopt(module)
        theta.zero_()
        made = Curved(
            module, BCE().value, theta, layout, penalty=L2(strength=self.strength), pool=self, drawn=self.drawn
        )
        made.on(self.x, self.y)
        return made

    def optimum(self) -> tuple[np.ndarray, float]:
        """The minimum, `[d]`, and the loss there, by scipy's Newton method with the dense Hessian."""
        x, y = self.x.numpy(), self.y.numpy()

        def chance(w: np.ndarray) -> np.ndarray:
            return 1 / (1 + np.exp(-x @ w))

        found = minimize(
            lambda w: np.logaddexp(0, (1 - 2 * y) * (x @ w)).mean() + self.strength / 2 * w @ w,
            np.zeros(x.shape[1]),
            jac=lambda w: x.T @ (chance(w) - y) / len(y) + self.strength * w,
            hess=lambda w: (x.T * (chance(w) * (1 - chance(w)))) @ x / len(y) + self.strength * np.eye(x.shape[1]),
            method="trust-exact",
            options={"gtol": 1e-12},
        )
        return found.x, found.fun


def logistic(n: int = 2000, d: int = 20, strength: float = 1e-3) -> Logistic:
    """Features whose scales fall from 1 to 1/10, labels of a random direction with noise."""
    numbers = torch.Generator().manual_seed(0)
    x = torch.randn(n, d, generator=numbers, dtype=torch.float64) * torch.logspace(0, -1, d, dtype=torch.float64)
    w = torch.randn(d, generator=numbers, dtype=torch.float64) * 3
    y = (torch.rand(n, generator=numbers, dtype=torch.float64) < torch.sigmoid(x @ w)).long()
    return Logistic(x, y, strength)


def steps_on(problem: Logistic, rule: Optimizer, lrs: list[float], batch: int | None = None) -> Curved:
    """The objective on all examples, after a step of each rate on mini-batches of `batch`, without it of all."""
    asked = problem.asked()
    state = rule.start(asked.theta, asked.layout)
    for t, lr in enumerate(lrs, start=1):
        if batch is not None:
            chosen = torch.randperm(len(problem), generator=torch.Generator().manual_seed(t))[:batch]
            asked.on(*problem.rows(chosen))
        rule.step(asked.theta, state, asked, lr, t)
    asked.on(problem.x, problem.y)
    return asked
