from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from runner.loss.base import OfErrors


@final
@dataclass(frozen=True, kw_only=True)
class L1(OfErrors):
    """The mean absolute error, which wrong targets far away cannot dominate.

        L = mean_i( |z_i - y_i| )

    Among constants it is least at the median of the targets, as the squared error is at their mean. The slope is 1 up
    to the minimum and jumps there (0 at an error of exactly 0), so a constant rate keeps stepping over it.
    Metric: mae, the same number; with one_hot accuracy, by the largest score.

    >>> import torch
    >>> L1().value(torch.tensor([[1.0], [2.0]]), torch.tensor([0.0, 4.0])).item()
    1.5

    Source: Sun p. 12, "for robustness"; torch.nn.L1Loss, whose mean is over outputs too.
    """

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        return self.error(output, target).abs().mean()
