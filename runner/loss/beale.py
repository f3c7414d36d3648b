from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.loss.base import Function


@final
@dataclass(frozen=True, kw_only=True)
class Beale(Function):
    """A flat basin between steep walls.

        f(x) = (1.5 - x1 + x1 x2)^2 + (2.25 - x1 + x1 x2^2)^2 + (2.625 - x1 + x1 x2^3)^2

    The minimum is 0 at (3, 0.5). Far from it gradients grow with the sixth power of x2.

    >>> import torch
    >>> Beale().value(torch.tensor([[3.0, 0.5]]), torch.tensor([0])).item()
    0.0

    Source: Beale 1958, "On an iterative method for finding a local minimum of a function of more than one
    variable"; Sun p. 34 links to a comparison of methods on it.
    """

    def at(self, x: Tensor, step: Tensor) -> Tensor:
        x1, x2 = x.unbind(-1)
        parts = ((1.5, x2), (2.25, x2.square()), (2.625, x2 * x2.square()))
        return torch.stack([(c - x1 + x1 * power).square() for c, power in parts]).sum(0)
