from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from runner.linalg.vector import add_scaled_
from runner.optimizer.base import Elementwise


@final
@dataclass(frozen=True)
class SGD(Elementwise):
    """Step against the gradient of the mini-batch.

        theta <- theta - lr g

    g is the gradient of the mean loss over the mini-batch. With sampler=full this is gradient descent, which on a
    quadratic with largest curvature L converges for lr < 2/L and diverges above.

    >>> SGD().equivalent_to(lr=0.1)
    'torch.optim.SGD(lr=0.1)'

    Source: Robbins & Monro 1951; Grosse, CSC321 lecture 8; Sun p. 18.
    """

    def update(self, theta: Tensor, g: Tensor, state: dict[str, Tensor], lr: float, t: int) -> None:
        add_scaled_(theta, -lr, g)

    def stable_below(self, lr: float) -> float:
        return 2 / lr

    def rule(self, lr: float) -> str:
        return f"theta <- theta - {lr} g"

    def equivalent_to(self, lr: float) -> str:
        return f"torch.optim.SGD(lr={lr})"
