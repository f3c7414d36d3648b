from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.core.theta import Layout
from runner.regularizer.base import Regularizer


@final
@dataclass(frozen=True)
class NoRegularizer(Regularizer):
    """Ask nothing of the parameters but a small loss.

        Omega(theta) = 0

    It costs nothing, and there is no column `penalty`.

    >>> from runner.core.theta import adopt
    >>> NoRegularizer().value(*adopt(torch.nn.Linear(3, 2))).item()
    0.0
    """

    @property
    def columns(self) -> tuple[str, ...]:
        return ()

    @property
    def term(self) -> Regularizer | None:
        return None

    def value(self, theta: Tensor, layout: Layout) -> Tensor:
        return theta.new_zeros(theta.shape[:-1])

    def value_and_grad(self, theta: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
        return self.value(theta, layout), torch.zeros_like(theta)

    def measure(self, theta: Tensor, layout: Layout) -> tuple[float, ...]:
        return ()
