from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

from runner.loss.base import OfTwoClasses


@final
@dataclass(frozen=True, kw_only=True)
class BCE(OfTwoClasses):
    """The negative log-probability of the right one of two classes, with one score and a sigmoid.

        L = mean_i( -y_i log p_i - (1 - y_i) log(1 - p_i) ),  p_i = sigmoid(z_i)

    y_i is 0 or 1. The gradient with respect to the score is p_i - y_i: it does not vanish where the sigmoid saturates
    on the wrong side.
    Metric: accuracy; a score above 0 is class 1.

    >>> import torch
    >>> BCE().value(torch.zeros(2, 1), torch.tensor([0, 1])).item()  # log 2
    0.6931471824645996

    Source: Sun p. 12; torch.nn.BCEWithLogitsLoss. Sigmoid and logarithm are taken together, which cannot overflow.
    Here: the slide prints y log p - (1 - y) log(1 - p), without the first minus; that has no minimum at p = y.
    """

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(output.squeeze(-1), target.to(output.dtype))

    def own_slopes(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """p - y for y = 1 with probability p."""
        p = output.sigmoid()
        return p - torch.bernoulli(p, generator=generator)
