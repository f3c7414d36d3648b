from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from runner.loss.base import OfClasses, one_hot


@final
@dataclass(frozen=True, kw_only=True)
class SoftmaxSquared(OfClasses):
    """The squared distance of the probabilities by softmax from the one-hot class.

        L = mean_i( sum_k (p_ik - [k = y_i])^2 ),   p_i = softmax(z_i)

    It lies between 0 and 2. The gradient carries the factor p_k, so like `sigmoid_squared` it vanishes where the
    network is confidently wrong. For two classes it is twice `sigmoid_squared` of the difference of the scores.
    Metric: accuracy, the share of examples whose largest score is the right class.

    >>> import torch
    >>> SoftmaxSquared().value(torch.zeros(1, 2), torch.tensor([1])).item()
    0.5

    Source: Sun p. 12, one-hot encoding and softmax with ||.||^2; as a score for forecasts: Brier 1950.
    """

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        return (output.softmax(-1) - one_hot(target, output)).square().sum(-1).mean()
