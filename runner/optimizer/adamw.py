from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from runner.core.check import Below1, NonNegative, Positive
from runner.optimizer.base import Elementwise, State, adam_kernel, adam_step_, moments


@final
@dataclass(frozen=True)
class AdamW(Elementwise):
    """Adam, and apart from it a pull of every element towards 0.

        m     <- beta1 m + (1 - beta1) g
        s     <- beta2 s + (1 - beta2) g^2
        theta <- (1 - lr weight_decay) theta - lr * m^ / (sqrt(s^) + eps)
        m^ = m / (1 - beta1^t),   s^ = s / (1 - beta2^t)

    The decay does not go through s, as that of an l2 regularizer would: all elements decay at the same rate.

    betas: (beta1, beta2), the shares of m and of s that are kept
    eps: keeps the quotient finite where s is 0
    weight_decay: the share of theta that a step with lr = 1 would take away

    >>> AdamW().equivalent_to(lr=0.001)
    'torch.optim.AdamW(lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01)'

    Source: Loshchilov & Hutter 2019 (arXiv 1711.05101), algorithm 2; Sun p. 30 lists it.
    Here: the decay is multiplied by lr, as in torch; in the paper by the schedule's factor alone.
    """

    memory: ClassVar[tuple[str, ...]] = ("m", "s")

    betas: tuple[Below1, Below1] = (0.9, 0.999)
    eps: Positive = 1e-8
    weight_decay: NonNegative = 0.01

    def update(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        m, s = moments(state, g, self.betas)
        theta.mul_(1 - lr * self.weight_decay)
        adam_step_(theta, lr, m, s, self.betas, self.eps, t)

    def update_long(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        """torch's kernel of one pass, where there is one run."""
        if theta.dim() == 1:
            adam_kernel(theta, g, state, lr, self.betas, self.eps, t, weight_decay=self.weight_decay)
        else:
            super().update_long(theta, g, state, lr, t)

    def rule(self, lr: float) -> str:
        beta1, beta2 = self.betas
        return (
            f"m <- {beta1} m + {1 - beta1:.6g} g;  s <- {beta2} s + {1 - beta2:.6g} g^2;  "
            f"theta <- (1 - {lr} * {self.weight_decay}) theta "
            f"- {lr} m/(1 - {beta1}^t) / (sqrt(s/(1 - {beta2}^t)) + {self.eps})"
        )

    def equivalent_to(self, lr: float) -> str:
        return f"torch.optim.AdamW(lr={lr}, betas={self.betas}, eps={self.eps}, weight_decay={self.weight_decay})"
