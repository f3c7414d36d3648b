from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor
from torch.optim.adam import adam

from runner.core.check import Below1, Positive
from runner.linalg.vector import add_product_, add_quotient_, sqrt
from runner.optimizer.base import Elementwise


@final
@dataclass(frozen=True)
class Adam(Elementwise):
    """Step along the running mean of the gradient, divided by the root of its running mean square.

        m     <- beta1 m + (1 - beta1) g
        s     <- beta2 s + (1 - beta2) g^2
        theta <- theta - lr * m^ / (sqrt(s^) + eps),   m^ = m / (1 - beta1^t),   s^ = s / (1 - beta2^t)

    m and s start at 0, which the divisors correct: after one step m^ = g and s^ = g^2, so the first step is
    lr g / (|g| + eps), close to lr in every element.

    betas: (beta1, beta2), the shares of m and of s that are kept
    eps: keeps the quotient finite where s is 0

    >>> Adam(betas=(0, 0.999)).equivalent_to(lr=0.001)
    'torch.optim.Adam(lr=0.001, betas=(0.0, 0.999), eps=1e-08)'

    Source: Kingma & Ba 2015 (arXiv 1412.6980), algorithm 1. Sun p. 30 and Su print it without the divisors.
    """

    memory: ClassVar[tuple[str, ...]] = ("m", "s")

    betas: tuple[Below1, Below1] = (0.9, 0.999)
    eps: Positive = 1e-8

    def update(self, theta: Tensor, g: Tensor, state: dict[str, Tensor], lr: float, t: int) -> None:
        beta1, beta2 = self.betas
        m = state["m"].lerp_(g, 1 - beta1)
        s = add_product_(state["s"].mul_(beta2), 1 - beta2, g, g)
        # m^ / (sqrt(s^) + eps) = c/(1 - beta1^t) * m / (sqrt(s) + c eps), c = sqrt(1 - beta2^t): one pass less
        c = sqrt(1 - beta2**t)
        add_quotient_(theta, -lr * c / (1 - beta1**t), m, s.sqrt().add_(c * self.eps))

    def update_long(self, theta: Tensor, g: Tensor, state: dict[str, Tensor], lr: float, t: int) -> None:
        """torch's kernel of one pass: 0.4 ms for a million elements, the formula in blocks 1.0."""
        if isinstance(lr, Tensor):  # a row of runs, each with its own constants
            super().update_long(theta, g, state, lr, t)
            return
        beta1, beta2 = self.betas
        before = torch.tensor(float(t - 1), device=theta.device)  # the kernel counts the step itself
        adam(
            [theta], [g], [state["m"]], [state["s"]], [], [before],
            lr=lr, beta1=beta1, beta2=beta2, eps=self.eps, weight_decay=0.0, amsgrad=False, maximize=False, fused=True,
        )  # fmt: skip

    def rule(self, lr: float) -> str:
        beta1, beta2 = self.betas
        return (
            f"m <- {beta1} m + {1 - beta1:.6g} g;  s <- {beta2} s + {1 - beta2:.6g} g^2;  "
            f"theta <- theta - {lr} m/(1 - {beta1}^t) / (sqrt(s/(1 - {beta2}^t)) + {self.eps})"
        )

    def equivalent_to(self, lr: float) -> str:
        return f"torch.optim.Adam(lr={lr}, betas={self.betas}, eps={self.eps})"
