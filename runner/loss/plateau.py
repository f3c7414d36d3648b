from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.loss.base import Function


@final
@dataclass(frozen=True, kw_only=True)
class Plateau(Function):
    """A hole in a plain, which is flat almost everywhere.

        f(x) = 1 - exp(-(x1^2 + x2^2) / 2)

    The minimum is 0 at (0, 0). At a distance r from it the gradient has length r exp(-r^2/2): 0.6 at r = 1, 2e-5 at
    r = 5, and exactly 0 in float64 from r = 39 on. A method that divides by the size of the gradient does not mind.

    >>> import torch
    >>> Plateau().value(torch.tensor([[0.0, 0.0]]), torch.tensor([0])).item()
    0.0

    Source: Grosse, CSC321 lecture 8, "plateaux".
    """

    def at(self, x: Tensor, step: Tensor) -> Tensor:
        return -torch.expm1(-x.square().sum(-1) / 2)
