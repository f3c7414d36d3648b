from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.core.check import Number
from runner.core.errors import ConfigError
from runner.init.base import Init


@final
@dataclass(frozen=True)
class Start(Init):
    """Start at a given point.

        theta = point

    For functions of a point, as in problem=rosenbrock, each of which brings its own.

    point: one number for every coordinate, or a single one for all of them

    >>> weight = torch.empty(2, 1)
    >>> Start(point=[-1.2, 1.0]).fill(weight, 1, 2, torch.Generator())
    >>> weight.T
    tensor([[-1.2000,  1.0000]])
    """

    point: tuple[Number, ...] = (1.0,)

    def fill(self, weight: Tensor, d_in: int, d_out: int, stream: torch.Generator) -> None:
        if len(self.point) not in (1, weight.numel()):
            raise ConfigError(
                "start",
                list(self.point),
                allowed=f"one number, or one for each of the {weight.numel()} elements of {list(weight.shape)}",
                do="give start=[...], which is init.point, of that length",
            )
        weight.copy_(weight.new_tensor(self.point).expand(weight.numel()).view_as(weight))
