from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.architecture.base import Architecture
from runner.core.check import Positive


@final
@dataclass(frozen=True)
class Point(Architecture):
    """A point in space: the output is theta itself, whatever the input.

        output = theta,   -bound <= theta_j <= bound after every step

    For functions of a point, as in problem=rosenbrock. With data it is the model that predicts the same for every
    example: the best constant is the mean of the targets for mse, their median for l1.

    bound: clip every coordinate to this size after each step, or null

    >>> Point().build((1,), 2).double()(torch.zeros(3, 1, dtype=torch.float64)).shape
    torch.Size([3, 2])
    """

    bound: Positive | None = None

    def build(self, inputs: tuple[int, ...], outputs: int) -> nn.Module:
        return Coordinates(outputs)

    def project(self, theta: Tensor) -> None:
        if self.bound is not None:
            theta.clamp_(-self.bound, self.bound)


class Coordinates(nn.Module):
    """The module of a point: a linear map `[d, 1]` of the constant 1."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(d, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.new_ones(x.shape[0], 1), self.weight)  # a copy: theta moves on while outputs are kept
