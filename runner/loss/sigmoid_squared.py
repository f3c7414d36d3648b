from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from runner.loss.base import OfTwoClasses


@final
@dataclass(frozen=True, kw_only=True)
class SigmoidSquared(OfTwoClasses):
    """The squared error of a probability by sigmoid, which has plateaus where it is confidently wrong.

        L = mean_i( (p_i - y_i)^2 ),  p_i = sigmoid(z_i)

    The gradient with respect to the score is 2 (p_i - y_i) p_i (1 - p_i), which vanishes at p_i = 0 and 1 whatever y_i
    is: an example that starts far on the wrong side stays there. `bce` has p_i - y_i and does not.
    Metric: accuracy; a score above 0 is class 1.

    >>> import torch
    >>> SigmoidSquared().value(torch.zeros(2, 1), torch.tensor([0, 1])).item()
    0.25

    Source: Grosse, CSC321 lecture 8, "plateaux": logistic activation with least squares; Sun p. 12.
    """

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        return (output.squeeze(-1).sigmoid() - target).square().mean()
