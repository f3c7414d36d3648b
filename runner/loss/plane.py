from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from runner.core.check import Number
from runner.loss.base import Function


@final
@dataclass(frozen=True, kw_only=True)
class Plane(Function):
    """A plane: the gradient is the same everywhere.

        f(x) = slope1 x1 + slope2 x2

    There is no minimum. Momentum reaches its terminal velocity here, -lr/(1 - mu) times the slope a step; Adam
    moves by lr in every coordinate, however small its slope.

    slope: the gradient

    >>> import torch
    >>> Plane(slope=(1.0, 0.5)).value(torch.tensor([[2.0, 2.0]]), torch.tensor([0])).item()
    3.0

    Source: Grosse, CSC321 lecture 8, "momentum", terminal velocity.
    """

    slope: tuple[Number, Number] = (1.0, 0.1)

    def at(self, x: Tensor, step: Tensor) -> Tensor:
        return self.slope[0] * x[..., 0] + self.slope[1] * x[..., 1]
