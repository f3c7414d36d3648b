from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from runner.loss.base import Function


@final
@dataclass(frozen=True, kw_only=True)
class MonkeySaddle(Function):
    """A saddle with three valleys, two for the legs and one for the tail.

        f(x) = x1^3 - 3 x1 x2^2

    At (0, 0) gradient and Hessian are 0, so that not even curvature tells where it goes down. There is no minimum.

    >>> import torch
    >>> MonkeySaddle().value(torch.tensor([[1.0, 1.0]]), torch.tensor([0])).item()
    -2.0

    Source: Hilbert & Cohn-Vossen 1932, "Anschauliche Geometrie", section 29.
    """

    def at(self, x: Tensor, step: Tensor) -> Tensor:
        x1, x2 = x.unbind(-1)
        return x1 * (x1.square() - 3 * x2.square())
