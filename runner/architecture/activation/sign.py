from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor
from torch.nn import functional

from runner.architecture.activation.base import Activation


@final
@dataclass(frozen=True)
class Sign(Activation):
    """The hard threshold of the perceptron, with or without a gradient of its own making.

        sigma(x) = -1, 0, 1 as x is negative, 0, positive
        none              sigma'(x) = 0
        straight_through  sigma'(x) := 1  if |x| < 1,  else  0

    Its true derivative is 0 wherever it has one: no parameter before it gets a gradient, all of them exactly 0, and
    only the last layer learns. The straight-through estimator takes the slope of hardtanh instead.

    surrogate: what stands for the derivative

    >>> Sign().function()(torch.tensor([-2.0, 3.0])).tolist()
    [-1.0, 1.0]

    Source: Sun p. 7; Hubara et al. 2016 (arXiv 1602.02830) for the surrogate.
    Here: at |x| = 1 the surrogate is 0, as hardtanh's derivative is in torch; the paper has 1. The classic
    perceptron trains a single layer by its own loss, max(0, -y w.x), not through this function.
    """

    surrogate: Literal["none", "straight_through"] = "none"

    def function(self) -> Callable[[Tensor], Tensor]:
        return torch.sign if self.surrogate == "none" else straight_through


def straight_through(x: Tensor) -> Tensor:
    """sign(x) with the gradient of hardtanh; the difference that carries it is exactly 0."""
    slope = functional.hardtanh(x)
    return torch.sign(x).detach() + (slope - slope.detach())
