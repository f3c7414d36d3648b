from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from runner.core.check import NonNegative
from runner.loss.base import Function


@final
@dataclass(frozen=True, kw_only=True)
class DoubleWell(Function):
    """Two wells with a barrier between them, in one dimension.

        f(x) = (x^2 - 1)^2 + tilt x

    Without tilt both minima are 0, at -1 and 1, and gradient descent with small steps ends in that of the side on
    which it starts. With a tilt the left one is lower; below tilt = 8/(3 sqrt(3)) = 1.54 the right one still is a
    minimum, out of which momentum may carry over the barrier.

    tilt: lifts the right well by about 2 tilt above the left one

    >>> import torch
    >>> DoubleWell().value(torch.tensor([[0.0]]), torch.tensor([0])).item()
    1.0

    Source: Grosse, CSC321 lecture 8, "local optima" and basins of attraction; Farrahi p. 10 and 11.
    """

    dimension: ClassVar[int] = 1

    tilt: NonNegative = 0.0

    def at(self, x: Tensor, step: Tensor) -> Tensor:
        x1 = x.squeeze(-1)
        return (x1.square() - 1).square() + self.tilt * x1
