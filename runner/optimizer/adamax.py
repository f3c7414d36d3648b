from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from runner.core.check import Below1, Positive
from runner.linalg.vector import add_quotient_
from runner.optimizer.base import Elementwise, State


@final
@dataclass(frozen=True)
class Adamax(Elementwise):
    """Step along the running mean of the gradient, divided by its largest size, which fades.

        m     <- beta1 m + (1 - beta1) g
        u     <- max(beta2 u, |g| + eps)
        theta <- theta - lr / (1 - beta1^t) * m / u

    m and u start at 0. u needs no correction: it is |g| + eps after one step, so that the first step is close to lr.

    betas: (beta1, beta2), the share of m that is kept and the one to which u fades
    eps: keeps the quotient finite where every gradient was 0

    >>> Adamax().equivalent_to(lr=0.002)
    'torch.optim.Adamax(lr=0.002, betas=(0.9, 0.999), eps=1e-08)'

    Source: Kingma & Ba 2015 (arXiv 1412.6980), algorithm 2; Sun p. 30 lists it. The paper has no eps; torch's is here.
    """

    memory: ClassVar[tuple[str, ...]] = ("m", "u")

    betas: tuple[Below1, Below1] = (0.9, 0.999)
    eps: Positive = 1e-8

    def update(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        beta1, beta2 = self.betas
        m = state["m"].lerp_(g, 1 - beta1)
        u = torch.maximum(state["u"].mul_(beta2), g.abs().add_(self.eps), out=state["u"])
        add_quotient_(theta, -lr / (1 - beta1**t), m, u)

    def rule(self, lr: float) -> str:
        beta1, beta2 = self.betas
        return (
            f"m <- {beta1} m + {1 - beta1:.6g} g;  u <- max({beta2} u, |g| + {self.eps});  "
            f"theta <- theta - {lr} m/(1 - {beta1}^t) / u"
        )

    def equivalent_to(self, lr: float) -> str:
        return f"torch.optim.Adamax(lr={lr}, betas={self.betas}, eps={self.eps})"
