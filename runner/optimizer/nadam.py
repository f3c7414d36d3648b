from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from runner.core.check import Below1, NonNegative, Positive
from runner.core.theta import Layout
from runner.linalg.vector import add_quotient_
from runner.optimizer.base import Elementwise, State, denominator, moments


@final
@dataclass(frozen=True)
class NAdam(Elementwise):
    """Adam that looks ahead as Nesterov's momentum does.

        m     <- beta1 m + (1 - beta1) g
        s     <- beta2 s + (1 - beta2) g^2
        m^    =  (1 - mu_t) g / (1 - mu_1 ... mu_t)  +  mu_t+1 m / (1 - mu_1 ... mu_t+1)
        theta <- theta - lr * m^ / (sqrt(s^) + eps),   s^ = s / (1 - beta2^t)
        mu_t  =  beta1 (1 - 0.96^(t momentum_decay) / 2)

    mu grows from about beta1 / 2 to beta1. The product of the mu is kept as a number.

    betas: (beta1, beta2), the shares of m and of s that are kept
    eps: keeps the quotient finite where s is 0
    momentum_decay: how fast mu grows

    >>> NAdam().equivalent_to(lr=0.002)
    'torch.optim.NAdam(lr=0.002, betas=(0.9, 0.999), eps=1e-08, momentum_decay=0.004)'

    Source: Dozat 2016, "Incorporating Nesterov momentum into Adam"; constants as in torch.
    Here: torch keeps the product of the mu in float32, whatever the parameters are; here it has 64 bits.
    """

    memory: ClassVar[tuple[str, ...]] = ("m", "s")
    numbers: ClassVar[tuple[str, ...]] = ("product",)

    betas: tuple[Below1, Below1] = (0.9, 0.999)
    eps: Positive = 1e-8
    momentum_decay: NonNegative = 4e-3

    def mu(self, t: int) -> float:
        """mu_t."""
        fading: float = 0.96 ** (t * self.momentum_decay)
        return self.betas[0] * (1 - fading / 2)

    def start(self, theta: Tensor, layout: Layout) -> State:
        return super().start(theta, layout) | {"product": 1.0}

    def count(self, state: State, lr: float, t: int) -> None:
        state["product"] = state["product"] * self.mu(t)

    def update(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        m, s = moments(state, g, self.betas)
        divisor = denominator(s / (1 - self.betas[1] ** t), self.eps, "outside")
        now, ahead = state["product"], state["product"] * self.mu(t + 1)
        add_quotient_(theta, -lr * (1 - self.mu(t)) / (1 - now), g, divisor)
        add_quotient_(theta, -lr * self.mu(t + 1) / (1 - ahead), m, divisor)

    def rule(self, lr: float) -> str:
        beta1, beta2 = self.betas
        return (
            f"m <- {beta1} m + {1 - beta1:.6g} g;  s <- {beta2} s + {1 - beta2:.6g} g^2;  "
            f"mu_t = {beta1} (1 - 0.96^({self.momentum_decay} t)/2);  "
            f"theta <- theta - {lr} ((1 - mu_t) g/(1 - prod mu_1..t) + mu_t+1 m/(1 - prod mu_1..t+1)) "
            f"/ (sqrt(s/(1 - {beta2}^t)) + {self.eps})"
        )

    def equivalent_to(self, lr: float) -> str:
        arguments = f"betas={self.betas}, eps={self.eps}, momentum_decay={self.momentum_decay}"
        return f"torch.optim.NAdam(lr={lr}, {arguments})"
