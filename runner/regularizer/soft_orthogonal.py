from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.core.check import NonNegative
from runner.core.theta import Layout
from runner.regularizer.base import Regularizer, gram, identity, matrices, total


@final
@dataclass(frozen=True)
class SoftOrthogonal(Regularizer):
    """The squared distance of each weight matrix's Gram matrix from the identity.

        Omega(theta) = strength * sum_W ||W^T W - I||_F^2,   dOmega/dW = 4 strength * W (W^T W - I)

    It is 0 where the columns of W are orthonormal, or its rows if they are fewer: of W^T W and W W^T the smaller is
    taken. A kernel is the matrix with one row for each of its outputs.

    strength: lambda

    >>> from runner.core.theta import adopt
    >>> theta, layout = adopt(torch.nn.Linear(2, 2))
    >>> _ = theta.copy_(torch.tensor([1.0, 0.0, 0.0, 2.0, 9.0, 9.0]))
    >>> SoftOrthogonal(strength=1.0).value(theta, layout).item()  # (2^2 - 1)^2
    9.0

    Source: Sun p. 42; Bansal, Chen & Wang 2018 (arXiv 1810.09102), "soft orthogonality".
    Here: taking the larger Gram matrix would add a constant, the difference of the two sizes, and change no gradient.
    """

    strength: NonNegative = 1e-4

    def value(self, theta: Tensor, layout: Layout) -> Tensor:
        excess = [g - identity(g) for g in map(gram, matrices(theta, layout))]
        return self.strength * total([e.square().sum((-2, -1)) for e in excess], theta)

    def value_and_grad(self, theta: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
        gradient, value = torch.zeros_like(theta), theta.new_zeros(theta.shape[:-1])
        for g, w in zip(matrices(gradient, layout), matrices(theta, layout), strict=True):
            e = gram(w) - identity(gram(w))
            torch.mul(e @ w if w.shape[-2] <= w.shape[-1] else w @ e, 4 * self.strength, out=g)
            value += self.strength * e.square().sum((-2, -1))
        return value, gradient
