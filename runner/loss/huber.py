from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

from runner.core.check import Positive
from runner.loss.base import OfErrors


@final
@dataclass(frozen=True, kw_only=True)
class Huber(OfErrors):
    """Half the squared error where it is small, and a straight line where it is large.

        L = mean_i( h(z_i - y_i) ),  h(e) = e^2 / 2 for |e| <= delta,  delta (|e| - delta/2) beyond

    Both pieces have value delta^2/2 and slope delta where they meet.
    Metric: mae, the mean of |z_i - y_i|; with one_hot accuracy, by the largest score.

    delta: the error where it turns, in the units of the targets

    >>> import torch
    >>> Huber().value(torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 0.0])).item()  # 1/2 and 3 - 1/2
    1.5

    Source: Huber 1964; Sun p. 12, "etc"; torch.nn.HuberLoss.
    Here: torch.nn.SmoothL1Loss(beta=delta) is this divided by delta.
    """

    delta: Positive = 1.0

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        e = self.error(output, target)
        return F.huber_loss(e, torch.zeros_like(e), delta=self.delta)
