from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from runner.core.check import Below1
from runner.linalg.vector import add_scaled_
from runner.optimizer.base import Elementwise, State


@final
@dataclass(frozen=True)
class HeavyBall(Elementwise):
    """Step against the gradient and on along the previous step, whose length remembers old rates.

        p     <- mu p - lr g
        theta <- theta + p             which is   theta_t+1 = theta_t - lr g + mu (theta_t - theta_t-1)

    p starts at 0 and is the step itself, so Grosse's two lines and Polyak's one are the same rule. Under a constant
    gradient the step grows from lr g to its terminal velocity lr g / (1 - mu).

    mu: the share of the step that is kept, near 1; the friction is 1 - mu, and with none it would never settle

    >>> HeavyBall(mu=0.9).rule(0.01)
    'p <- 0.9 p - 0.01 g;  theta <- theta + p'

    Source: Polyak 1964; Grosse, CSC321 lecture 8, "momentum" (p, alpha); Sun p. 25 (x_k - x_k-1, beta_k).
    Here: lr is inside the velocity. `momentum` keeps it outside, as torch does: the iterates are the same for a
    constant lr, not under a schedule, where a smaller lr slows `momentum` at once and this rule only by and by.
    """

    memory: ClassVar[tuple[str, ...]] = ("p",)

    mu: Below1 = 0.9

    def update(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        p = add_scaled_(state["p"].mul_(self.mu), -lr, g)
        theta.add_(p)

    def stable_below(self, lr: float) -> float:
        return 2 * (1 + self.mu) / lr

    def rule(self, lr: float) -> str:
        return f"p <- {self.mu} p - {lr} g;  theta <- theta + p"
