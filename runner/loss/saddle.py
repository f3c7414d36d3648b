from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from runner.core.check import NonNegative
from runner.loss.base import Function


@final
@dataclass(frozen=True, kw_only=True)
class Saddle(Function):
    """A saddle: up along x1, down along x2.

        f(x) = x1^2 - x2^2 + quartic x2^4

    At (0, 0) the gradient is 0 and the Hessian diag(2, -2): a point exactly on the line x2 = 0 runs into the saddle
    and stays, one beside it leaves, by a factor 1 + 2 lr a step under gradient descent. With quartic = 0 the
    function has no minimum; otherwise it is -1/(4 quartic), at x2 = +-1/sqrt(2 quartic).

    quartic: bounds the function from below, unless it is 0

    >>> import torch
    >>> Saddle(quartic=1).value(torch.tensor([[0.0, 0.5**0.5]]), torch.tensor([0])).item()
    -0.25

    Source: Grosse, CSC321 lecture 8, "saddle points"; Sun p. 34.
    """

    quartic: NonNegative = 0.0

    def at(self, x: Tensor, step: Tensor) -> Tensor:
        x1, x2 = x.unbind(-1)
        return x1.square() - x2.square() + self.quartic * x2.square().square()
