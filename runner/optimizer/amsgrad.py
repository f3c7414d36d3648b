from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from runner.core.check import Below1, Positive
from runner.optimizer.base import Elementwise, State, adam_kernel, adam_step_, moments


@final
@dataclass(frozen=True)
class AMSGrad(Elementwise):
    """Adam whose divisor never shrinks.

        m     <- beta1 m + (1 - beta1) g
        s     <- beta2 s + (1 - beta2) g^2
        h     <- max(h, s)
        theta <- theta - lr * m^ / (sqrt(h^) + eps),   m^ = m / (1 - beta1^t),   h^ = h / (1 - beta2^t)

    Where a large gradient is rare, Adam forgets it before the next one comes and can walk the wrong way even on a line
    (Farrahi p. 20); the largest s so far is not forgotten.

    betas: (beta1, beta2), the shares of m and of s that are kept
    eps: keeps the quotient finite where s is 0

    >>> AMSGrad().equivalent_to(lr=0.001)
    'torch.optim.Adam(lr=0.001, betas=(0.9, 0.999), eps=1e-08, amsgrad=True)'

    Source: Reddi, Kale & Kumar 2018 (arXiv 1904.09237), algorithm 2.
    Here: the paper has neither the corrections nor eps; they are those of torch.
    """

    memory: ClassVar[tuple[str, ...]] = ("m", "s", "largest")

    betas: tuple[Below1, Below1] = (0.9, 0.999)
    eps: Positive = 1e-8

    def update(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        m, s = moments(state, g, self.betas)
        h = torch.maximum(state["largest"], s, out=state["largest"])
        adam_step_(theta, lr, m, h, self.betas, self.eps, t)

    def update_long(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        """torch's kernel of one pass, where there is one run."""
        if theta.dim() == 1:
            adam_kernel(theta, g, state, lr, self.betas, self.eps, t, largest=(state["largest"],))
        else:
            super().update_long(theta, g, state, lr, t)

    def rule(self, lr: float) -> str:
        beta1, beta2 = self.betas
        return (
            f"m <- {beta1} m + {1 - beta1:.6g} g;  s <- {beta2} s + {1 - beta2:.6g} g^2;  h <- max(h, s);  "
            f"theta <- theta - {lr} m/(1 - {beta1}^t) / (sqrt(h/(1 - {beta2}^t)) + {self.eps})"
        )

    def equivalent_to(self, lr: float) -> str:
        return f"torch.optim.Adam(lr={lr}, betas={self.betas}, eps={self.eps}, amsgrad=True)"
