from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from runner.core.check import Below1
from runner.linalg.vector import add_scaled_, decay_add_
from runner.optimizer.base import Elementwise, State, momentum_kernel


@final
@dataclass(frozen=True)
class Nesterov(Elementwise):
    """Step along the gradient and along the velocity that already contains it.

        v     <- mu v + g
        theta <- theta - lr (g + mu v)

    v starts at 0. theta is the look-ahead point of Nesterov's own form: for a constant lr it is y = x + mu (x - x_prev)
    where x are the iterates of `nesterov_original`.

    mu: the share of the velocity that is kept

    >>> Nesterov(mu=0.9).equivalent_to(lr=0.01)
    'torch.optim.SGD(lr=0.01, momentum=0.9, nesterov=True)'

    Source: Nesterov 1983, in the form of Sutskever et al. 2013 and Bengio et al. 2012 (arXiv 1212.0901), as in torch.
    Here: Sun p. 26 prints the original form. Under a schedule the two differ, since here lr is outside the velocity.
    """

    memory: ClassVar[tuple[str, ...]] = ("v",)

    mu: Below1 = 0.9

    def update(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        v = decay_add_(state["v"], self.mu, g)
        add_scaled_(theta, -lr, g)
        add_scaled_(theta, -lr * self.mu, v)

    def update_long(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        """torch's kernel of one pass, where there is one run."""
        if theta.dim() > 1 or self.mu == 0:
            super().update_long(theta, g, state, lr, t)
        else:
            momentum_kernel(theta, g, state["v"], lr, self.mu, nesterov=True)

    def stable_below(self, lr: float) -> float:
        return 2 * (1 + self.mu) / ((1 + 2 * self.mu) * lr)

    def rule(self, lr: float) -> str:
        return f"v <- {self.mu} v + g;  theta <- theta - {lr} (g + {self.mu} v)"

    def equivalent_to(self, lr: float) -> str:
        nesterov = ", nesterov=True" if self.mu else ""  # torch refuses it without momentum; it would change nothing
        return f"torch.optim.SGD(lr={lr}, momentum={self.mu}{nesterov})"
