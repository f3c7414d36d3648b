from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from runner.core.check import Below1
from runner.linalg.vector import add_scaled_
from runner.optimizer.base import Elementwise, State


@final
@dataclass(frozen=True)
class MomentumEMA(Elementwise):
    """Step along the exponentially weighted average of the gradients.

        v     <- mu v + (1 - mu) g
        theta <- theta - lr v

    v starts at 0, so after n steps it is the sum of (1 - mu) mu^k g_n-k, whose weights add up to 1 - mu^n: an average
    over about the last 1/(1 - mu) gradients. Under a constant gradient the step is lr g, whatever mu.

    mu: the share of the average that is kept

    >>> MomentumEMA(mu=0.5).rule(0.1)
    'v <- 0.5 v + 0.5 g;  theta <- theta - 0.1 v'

    Source: Farrahi p. 12 (beta, of daily temperatures) and Su ("moving average", rho), applied to the gradient; the
    numerator of Adam in Sun p. 30.
    Here: the iterates of `momentum` with 1 - mu times its lr. They are not those of torch's dampening=1-mu, which
    leaves the first gradient whole.
    """

    memory: ClassVar[tuple[str, ...]] = ("v",)

    mu: Below1 = 0.9

    def update(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        add_scaled_(theta, -lr, state["v"].lerp_(g, 1 - self.mu))

    def stable_below(self, lr: float) -> float:
        return 2 * (1 + self.mu) / ((1 - self.mu) * lr)

    def rule(self, lr: float) -> str:
        return f"v <- {self.mu} v + {1 - self.mu:.6g} g;  theta <- theta - {lr} v"

    def equivalent_to(self, lr: float) -> str:
        return f"torch.optim.SGD(lr={lr * (1 - self.mu)}, momentum={self.mu})"
