from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from runner.loss.base import Function


@final
@dataclass(frozen=True, kw_only=True)
class Himmelblau(Function):
    """Four minima of the same depth.

        f(x) = (x1^2 + x2 - 11)^2 + (x1 + x2^2 - 7)^2

    The minima are 0, at (3, 2), (-2.805118, 3.131313), (-3.779310, -3.283186) and (3.584428, -1.848127). Which one is
    found depends on the start: a map of basins, as with init=normal init.std=3 and many seeds.

    >>> import torch
    >>> Himmelblau().value(torch.tensor([[3.0, 2.0]]), torch.tensor([0])).item()
    0.0

    Source: Himmelblau 1972, "Applied Nonlinear Programming".
    """

    def at(self, x: Tensor, step: Tensor) -> Tensor:
        x1, x2 = x.unbind(-1)
        return (x1.square() + x2 - 11).square() + (x1 + x2.square() - 7).square()
