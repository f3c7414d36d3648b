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
class L2(Regularizer):
    """Half the squared length of the weights, which pulls each towards 0 in proportion to its size.

        Omega(theta) = strength / 2 * sum w^2,   dOmega/dw = strength * w

    Under plain SGD every step takes w <- (1 - lr strength) w first: weight decay by `strength`.

    strength: lambda, the weight decay of torch.optim.SGD
    biases: also of biases and of the scales and shifts of normalizations, as torch.optim does

    >>> from runner.core.theta import adopt
    >>> layer = torch.nn.Linear(2, 1)
    >>> theta, layout = adopt(layer)
    >>> _ = theta.copy_(torch.tensor([1.0, 2.0, 9.0]))  # two weights and a bias
    >>> L2(strength=0.1).value(theta, layout).item()  # 0.1 / 2 * (1 + 4)
    0.25

    Source: Sun p. 2 and 6, Omega(W); Tikhonov's regularization, ridge regression.
    Here: with Adam this is not AdamW. There the penalty's gradient is divided by the root of its mean square, so that
    large weights decay no faster than small ones.
    """

    strength: NonNegative = 1e-4
    biases: bool = False

    def value(self, theta: Tensor, layout: Layout) -> Tensor:
        parts = penalized(theta, layout, self.biases)
        return self.strength / 2 * total([part.square().sum(-1) for part in parts], theta)

    def value_and_grad(self, theta: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
        gradient = torch.zeros_like(theta)
        pairs = zip(penalized(gradient, layout, self.biases), penalized(theta, layout, self.biases), strict=True)
        for g, w in pairs:
            torch.mul(w, self.strength, out=g)
        return self.value(theta, layout), gradient
