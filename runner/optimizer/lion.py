from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from runner.core.check import Below1, NonNegative
from runner.linalg.vector import add_scaled_
from runner.optimizer.base import Elementwise, State


@final
@dataclass(frozen=True)
class Lion(Elementwise):
    """Step of the same size in every element, by the sign of a mixture of gradient and momentum.

        c     =  beta1 m + (1 - beta1) g
        m     <- beta2 m + (1 - beta2) g
        theta <- (1 - lr weight_decay) theta - lr sign(c)

    m starts at 0. Every element moves by lr, however flat the loss, so near a minimum it swings by lr: it wants an lr 3
    to 10 times smaller than Adam's, a schedule that ends low, and a weight_decay 3 to 10 times larger than AdamW's.

    betas: (beta1, beta2), the share of m in the sign and the share of m that is kept
    weight_decay: the share of theta that a step with lr = 1 would take away

    >>> Lion().rule(0.0001)
    'c = 0.9 m + 0.1 g;  m <- 0.99 m + 0.01 g;  theta <- (1 - 0.0001 * 0.0) theta - 0.0001 sign(c)'

    Source: Chen et al. 2023 (arXiv 2302.06675), algorithm 2.
    """

    memory: ClassVar[tuple[str, ...]] = ("m",)

    betas: tuple[Below1, Below1] = (0.9, 0.99)
    weight_decay: NonNegative = 0.0

    def update(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        beta1, beta2 = self.betas
        m = state["m"]
        sign = m.lerp(g, 1 - beta1).sign_()
        m.lerp_(g, 1 - beta2)
        add_scaled_(theta.mul_(1 - lr * self.weight_decay), -lr, sign)

    def rule(self, lr: float) -> str:
        beta1, beta2 = self.betas
        return (
            f"c = {beta1} m + {1 - beta1:.6g} g;  m <- {beta2} m + {1 - beta2:.6g} g;  "
            f"theta <- (1 - {lr} * {self.weight_decay}) theta - {lr} sign(c)"
        )
