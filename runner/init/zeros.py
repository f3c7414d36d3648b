from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.init.base import Init


@final
@dataclass(frozen=True)
class Zeros(Init):
    """All weights 0, a saddle on which the hidden layers receive no gradient.

        w = 0

    With f(x) = W_2 sigma(W_1 x) and the mean of |y - f(x)|^2 over m examples,

        dL/dW_1 = -2/m sum_i [ W_2^T (y_i - f(x_i)) * sigma'(W_1 x_i) ] x_i^T

    is exactly 0 where W_2 = 0: only the last layer's bias moves, or its weights too where sigma(0) is not 0. A linear
    architecture has no such layer, and its convex loss can be started anywhere.

    >>> weight = torch.ones(2, 3)
    >>> Zeros().fill(weight, 3, 2, torch.Generator())
    >>> weight.any().item()
    False

    Source: Sun p. 38; Grosse, CSC321 lecture 8, "saddle points": do not initialize at 0.
    Here: the gradient of a ReLU at 0 is taken as 0, as torch does; then W_2 does not move either.
    """

    def fill(self, weight: Tensor, d_in: int, d_out: int, stream: torch.Generator) -> None:
        weight.zero_()
