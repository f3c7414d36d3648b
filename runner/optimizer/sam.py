from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from runner.core.check import Positive
from runner.linalg.vector import norm
from runner.optimizer.base import Asked, Asks, State, Wrapper


@dataclass(frozen=True)
class Elsewhere(Asked):
    """An objective that answers for theta + shift when it is asked for theta."""

    objective: Asked
    shift: Tensor

    def value(self, theta: Tensor) -> float:
        return self.objective.value(theta + self.shift)

    def value_and_grad(self, theta: Tensor) -> tuple[float, Tensor]:
        return self.objective.value_and_grad(theta + self.shift)


@final
@dataclass(frozen=True)
class SAM(Wrapper):
    """Step with the gradient of the highest point nearby: sharpness-aware minimization.

        e     =  rho g(theta) / ||g(theta)||,   0 where g is 0
        theta <- inner rule with g(theta + e) as the gradient

    The loss is judged at the worst point within rho of theta, to first order, so that minima with steep walls are left.
    A step costs two gradients of the mini-batch, and the length is that of all parameters together.

    rho: how far up to look, in units of theta

    >>> from runner.optimizer.sgd import SGD
    >>> SAM(inner=SGD(), rho=0.1).rule(0.5)
    "e = 0.1 g/||g||, g' = g(theta + e);  with g' for g:  theta <- theta - 0.5 g"

    Source: Foret et al. 2021 (arXiv 2010.01412), algorithm 1 and equation 2 with p = 2.
    Here: the losses and gradient norms of training are those at theta, from the first of the two gradients. In the
    authors' program and its followers 1e-12 is added to ||g||.
    """

    changes_gradients: ClassVar[bool] = True
    rho: Positive = 0.05

    @property
    def gradients(self) -> Asks:
        return "elsewhere" if self.inner.gradients == "here" else "freely"

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        _, g = objective.value_and_grad(theta)
        length = norm(g)
        shift = (self.rho / length.masked_fill(length == 0, 1.0)) * g
        self.inner.step(theta, state["inner"], Elsewhere(objective, shift), lr, t)

    def rule(self, lr: float) -> str:
        return f"e = {self.rho} g/||g||, g' = g(theta + e);  with g' for g:  {self.inner.rule(lr)}"
