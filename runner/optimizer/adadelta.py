from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from runner.core.check import Below1, Positive
from runner.linalg.vector import add_product_, add_scaled_
from runner.optimizer.base import Elementwise, State


@final
@dataclass(frozen=True)
class Adadelta(Elementwise):
    """Step along the gradient, scaled by the root mean square of past steps over that of past gradients.

        s     <- rho s + (1 - rho) g^2
        d     =  sqrt(u + eps) / sqrt(s + eps) * g
        u     <- rho u + (1 - rho) d^2
        theta <- theta - lr d

    s and u start at 0, so the first step is about sqrt(eps / (1 - rho)) lr in every element, and steps grow from there.

    rho: the share of s and of u that is kept
    eps: starts the steps, and keeps the quotient finite where s is 0

    >>> Adadelta().equivalent_to(lr=1.0)
    'torch.optim.Adadelta(lr=1.0, rho=0.9, eps=1e-06)'

    Source: Zeiler 2012 (arXiv 1212.5701), algorithm 1.
    Here: the paper has no lr; with lr = 1 this is its rule.
    """

    memory: ClassVar[tuple[str, ...]] = ("s", "u")

    rho: Below1 = 0.9
    eps: Positive = 1e-6

    def update(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        s = add_product_(state["s"].mul_(self.rho), 1 - self.rho, g, g)
        d = (state["u"] + self.eps).sqrt_().div_((s + self.eps).sqrt_()).mul_(g)
        add_product_(state["u"].mul_(self.rho), 1 - self.rho, d, d)
        add_scaled_(theta, -lr, d)

    def rule(self, lr: float) -> str:
        rho, kept = self.rho, f"{1 - self.rho:.6g}"
        return (
            f"s <- {rho} s + {kept} g^2;  d = sqrt(u + {self.eps})/sqrt(s + {self.eps}) g;  "
            f"u <- {rho} u + {kept} d^2;  theta <- theta - {lr} d"
        )

    def equivalent_to(self, lr: float) -> str:
        return f"torch.optim.Adadelta(lr={lr}, rho={self.rho}, eps={self.eps})"
