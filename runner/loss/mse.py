from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.loss.base import OfErrors, normal_slopes


@final
@dataclass(frozen=True, kw_only=True)
class MSE(OfErrors):
    """The mean squared error of one number for each example, or of one score for each class.

        L = mean_i( (z_i - y_i)^2 )
        one_hot:  L = mean_ik( (z_ik - [k = y_i])^2 ), over examples i and classes k

    z_i is the single output for example i, y_i its target, in the units that the preprocessing leaves: with
    `preprocess=standardize` those of the targets' deviation, where L = 1 is what predicting the mean achieves.
    Metric: mae, the mean of |z_i - y_i|; with one_hot accuracy, by the largest score.

    >>> import torch
    >>> MSE().value(torch.tensor([[1.0], [2.0]]), torch.tensor([0.0, 0.0])).item()
    2.5

    Source: Sun p. 12; torch.nn.MSELoss. There is no factor 1/2.
    Here: the slide writes ||.||^2, which is not divided by the number of outputs; that is `sum_of_squares`. Scores are
    compared with one-hot classes as they are; `softmax_squared` takes the softmax of the slide first.
    """

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        return self.error(output, target).square().mean()

    def own_slopes(self, output: Tensor, generator: torch.Generator) -> Tensor:
        return normal_slopes(output, generator, curvature=2 / output.shape[-1])
