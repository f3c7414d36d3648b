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
class DoubleSoftOrthogonal(Regularizer):
    """The squared distances of both Gram matrices of each weight matrix from the identity.

        Omega(theta) = strength * sum_W ( ||W^T W - I||_F^2 + ||W W^T - I||_F^2 )

    For W `[d_out, d_in]` one of the two cannot be 0 unless d_out = d_in: the least value is |d_out - d_in|.

    strength: lambda

    >>> from runner.core.theta import adopt
    >>> theta, layout = adopt(torch.nn.Linear(2, 1))
    >>> _ = theta.copy_(torch.tensor([1.0, 0.0, 9.0]))
    >>> DoubleSoftOrthogonal(strength=1.0).value(theta, layout).item()  # the columns (1) and (0): 0 + 1
    1.0

    Source: Bansal, Chen & Wang 2018 (arXiv 1810.09102), "double soft orthogonality".
    Here: both terms are tr((W^T W)^2) - 2 tr(W^T W) plus the size of their identity, since W W^T has the same non-zero
    eigenvalues. So the gradient is exactly twice that of `soft_orthogonal` of the same strength, for every shape.
    """

    strength: NonNegative = 1e-4

    def value(self, theta: Tensor, layout: Layout) -> Tensor:
        grams = [g for w in matrices(theta, layout) for g in (w.mT @ w, w @ w.mT)]
        return self.strength * total([(g - identity(g)).square().sum((-2, -1)) for g in grams], theta)

    def value_and_grad(self, theta: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
        gradient, value = torch.zeros_like(theta), theta.new_zeros(theta.shape[:-1])
        for g, w in zip(matrices(gradient, layout), matrices(theta, layout), strict=True):
            small = gram(w)
            e = small - identity(small)
            torch.mul(e @ w if w.shape[-2] <= w.shape[-1] else w @ e, 8 * self.strength, out=g)
            value += self.strength * (2 * e.square().sum((-2, -1)) + abs(w.shape[-2] - w.shape[-1]))
        return value, gradient
