from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

from torch import Tensor

from runner.core.check import Range
from runner.loss.base import Function


@final
@dataclass(frozen=True, kw_only=True)
class Bowl(Function):
    """A quadratic bowl whose condition number is chosen.

        f(x) = (x1^2 + condition x2^2) / 2

    The Hessian is diag(1, condition); the minimum is 0 at (0, 0). Gradient descent multiplies x1 by 1 - lr and x2
    by 1 - lr condition in every step: it diverges from lr = 2/condition on, and is fastest at lr = 2/(1 +
    condition), where both shrink by (condition - 1)/(condition + 1).

    condition: the larger curvature over the smaller one

    >>> import torch
    >>> Bowl(condition=4).value(torch.tensor([[1.0, 1.0]]), torch.tensor([0])).item()
    2.5

    Source: Grosse, CSC321 lecture 8, "gradient descent" and "ravines"; Sun p. 24.
    """

    condition: Annotated[float, Range(least=1, most=1e30)] = 10.0

    def at(self, x: Tensor, step: Tensor) -> Tensor:
        x1, x2 = x.unbind(-1)
        return (x1.square() + self.condition * x2.square()) / 2
