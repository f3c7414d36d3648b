from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from runner.loss.base import Function


@final
@dataclass(frozen=True, kw_only=True)
class Rosenbrock(Function):
    """A curved valley with a flat floor, the classical test of minimizers.

        f(x) = (1 - x1)^2 + 100 (x2 - x1^2)^2

    The minimum is 0 at (1, 1), where the Hessian has condition number 2508. The valley follows x2 = x1^2; finding it is
    easy, following it is not. The usual start is (-1.2, 1).

    >>> import torch
    >>> Rosenbrock().value(torch.tensor([[-1.0, 1.0]]), torch.tensor([0])).item()
    4.0

    Source: Rosenbrock 1960, "An automatic method for finding the greatest or least value of a function".
    """

    def at(self, x: Tensor, step: Tensor) -> Tensor:
        x1, x2 = x.unbind(-1)
        return (1 - x1).square() + 100 * (x2 - x1.square()).square()
