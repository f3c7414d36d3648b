from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.loss.base import OfErrors, normal_slopes


@final
@dataclass(frozen=True, kw_only=True)
class SumOfSquares(OfErrors):
    """The squared length of an example's error vector, as a mean over the examples.

        L = mean_i( ||z_i - y_i||^2 )

    For one output it is `mse`; for m scores against one-hot classes m times as much. With reduction=sum training
    descends sum_i ||z_i - y_i||^2, nothing divided.
    Metric: mae, the mean of |z_i - y_i|; with one_hot accuracy, by the largest score.

    >>> import torch
    >>> SumOfSquares(one_hot=True).value(torch.zeros(5, 3), torch.tensor([0, 1, 2, 0, 1])).item()
    1.0

    Source: Sun p. 12, ||.||_2^2.
    Here: the slide equates it with torch.nn.MSELoss, which divides by n times the number of outputs.
    """

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        return self.error(output, target).square().sum(-1).mean()

    def own_slopes(self, output: Tensor, generator: torch.Generator) -> Tensor:
        return normal_slopes(output, generator, curvature=2.0)
