from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from runner.core.check import Below1
from runner.linalg.vector import add_scaled_, decay_add_
from runner.optimizer.base import Elementwise, State, momentum_kernel


@final
@dataclass(frozen=True)
class Momentum(Elementwise):
    """Step along a decaying sum of past gradients, like a puck that friction 1 - mu slows.

        v     <- mu v + g
        theta <- theta - lr v

    v starts at 0. Under a constant gradient the step grows from lr g to its terminal velocity lr g / (1 - mu), so a
    larger mu wants a smaller lr.

    mu: the share of the velocity that is kept; 1 would never settle

    >>> Momentum(mu=0.9).equivalent_to(lr=0.01)
    'torch.optim.SGD(lr=0.01, momentum=0.9)'

    Source: Polyak 1964, in the form of Su ("momentum", rho) and Farrahi p. 13 (beta), which is torch's.
    Here: Grosse and Sun p. 25 keep lr inside the velocity (p <- mu p - lr g); the iterates are the same for a constant
    lr, not under a schedule.
    """

    memory: ClassVar[tuple[str, ...]] = ("v",)

    mu: Below1 = 0.9

    def update(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        v = decay_add_(state["v"], self.mu, g)
        add_scaled_(theta, -lr, v)

    def update_long(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        """torch's kernel of one pass, where there is one run."""
        if theta.dim() > 1 or self.mu == 0:
            super().update_long(theta, g, state, lr, t)
        else:
            momentum_kernel(theta, g, state["v"], lr, self.mu, nesterov=False)

    def stable_below(self, lr: float) -> float:
        return 2 * (1 + self.mu) / lr

    def rule(self, lr: float) -> str:
        return f"v <- {self.mu} v + g;  theta <- theta - {lr} v"

    def equivalent_to(self, lr: float) -> str:
        return f"torch.optim.SGD(lr={lr}, momentum={self.mu})"
