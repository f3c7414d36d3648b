from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

from torch import Tensor

from runner.core.check import Below1
from runner.linalg.vector import add_scaled_
from runner.optimizer.base import Asked, Asks, Elementwise, State


@final
@dataclass(frozen=True)
class NesterovOriginal(Elementwise):
    """Coast along the previous step, and take the gradient where that leads.

        theta_t+1 = theta_t + mu_t (theta_t - theta_t-1) - lr g(theta_t + mu_t (theta_t - theta_t-1))

    The first step is plain, since there is no previous one. The losses and gradient norms of training are those of the
    look-ahead point, where the gradient is asked for.

    mu: the share of the step that is kept, at most
    growth: constant, mu_t = mu; or nesterov, mu_t = (t - 1)/(t + 2) until that reaches mu

    >>> NesterovOriginal(growth="nesterov").mu_at(2)
    0.25

    Source: Nesterov 1983; Sun p. 26 (beta_k, constant or growing).
    Here: Sun's k counts from 0 or 1 as the source pleases; t counts from 1, so mu_1 = 0. `nesterov` is torch's form, of
    which theta is the look-ahead point.
    """

    gradients: ClassVar[Asks] = "elsewhere"
    separable: ClassVar[bool] = False  # the point ahead is one of all parameters
    memory: ClassVar[tuple[str, ...]] = ("p",)  # the previous step

    mu: Below1 = 0.9
    growth: Literal["constant", "nesterov"] = "constant"

    def mu_at(self, t: int) -> float:
        """mu_t."""
        return self.mu if self.growth == "constant" else min(self.mu, (t - 1) / (t + 2))

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        ahead = add_scaled_(theta.clone(), self.mu_at(t), state["p"])
        _, g = objective.value_and_grad(ahead)
        self.move(theta, g, state, lr, t)

    def update(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        p = add_scaled_(state["p"].mul_(self.mu_at(t)), -lr, g)
        theta.add_(p)

    def stable_below(self, lr: float) -> float | None:
        return 2 * (1 + self.mu) / ((1 + 2 * self.mu) * lr) if self.growth == "constant" else None

    def rule(self, lr: float) -> str:
        mu = f"{self.mu}" if self.growth == "constant" else f"min({self.mu}, (t - 1)/(t + 2))"
        return f"p <- mu p - {lr} g(theta + mu p);  theta <- theta + p;  mu = {mu}"
