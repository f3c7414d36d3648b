from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.core.check import NonNegative
from runner.core.theta import Layout
from runner.regularizer.base import Regularizer, penalized, total


@final
@dataclass(frozen=True)
class L1(Regularizer):
    """The absolute values of the weights, which pulls each towards 0 with the same force.

        Omega(theta) = strength * sum |w|,   dOmega/dw = strength * sign(w),  sign(0) = 0

    In a minimum, a weight whose removal raises the loss by less than `strength` for each unit of its size is 0.

    strength: lambda
    biases: also of biases and of the scales and shifts of normalizations

    >>> from runner.core.theta import adopt
    >>> theta, layout = adopt(torch.nn.Linear(2, 1))
    >>> _ = theta.copy_(torch.tensor([1.0, -2.0, 9.0]))  # two weights and a bias
    >>> L1(strength=0.5).value(theta, layout).item()
    1.5

    Source: Sun p. 2 and 6, Omega(W); Tibshirani 1996 (lasso).
    Here: gradient steps come near 0 and jump over it by lr * strength; exact zeros need a proximal step.
    """

    strength: NonNegative = 1e-5
    biases: bool = False

    def value(self, theta: Tensor, layout: Layout) -> Tensor:
        parts = penalized(theta, layout, self.biases)
        return self.strength * total([part.abs().sum(-1) for part in parts], theta)

    def value_and_grad(self, theta: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
        gradient = torch.zeros_like(theta)
        pairs = zip(penalized(gradient, layout, self.biases), penalized(theta, layout, self.biases), strict=True)
        for g, w in pairs:
            torch.sign(w, out=g).mul_(self.strength)
        return self.value(theta, layout), gradient
