from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from runner.loss.base import Function


@final
@dataclass(frozen=True, kw_only=True)
class Ravine(Function):
    """The ravine of the lecture, four times as steep across as along.

        f(x) = x1^2 + 4 x2^2

    The Hessian is diag(2, 8), its condition number 4; the minimum is 0 at (0, 0). With lr = 2/(2 + 8) = 0.2 gradient
    descent multiplies both coordinates by 0.6 in every step, x2 with alternating sign, and no other rate is faster.

    >>> import torch
    >>> Ravine().value(torch.tensor([[1.0, 1.0]]), torch.tensor([0])).item()
    5.0

    Source: Sun p. 27.
    """

    def at(self, x: Tensor, step: Tensor) -> Tensor:
        x1, x2 = x.unbind(-1)
        return x1.square() + 4 * x2.square()
