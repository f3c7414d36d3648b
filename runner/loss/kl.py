from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

from runner.loss.base import OfSmoothedClasses, class_slopes


@final
@dataclass(frozen=True, kw_only=True)
class KL(OfSmoothedClasses):
    """The Kullback-Leibler divergence of the predicted distribution over the classes from the wanted one.

        L = mean_i( sum_k q_ik log(q_ik / p_ik) ),   p_i = softmax(z_i)

    q_i is the class as a distribution: one-hot, or smoothed, with 0 log 0 = 0. L is cross-entropy minus the entropy of
    q: the same gradient, with minimum 0 at p = q.
    Metric: accuracy, the share of examples whose largest score is the right class.

    >>> import torch
    >>> round(KL(label_smoothing=0.5).value(torch.zeros(1, 2), torch.tensor([1])).item(), 6)
    0.130812

    Source: Sun p. 12; torch.nn.KLDivLoss(reduction="batchmean").
    Here: KLDivLoss wants log p first and q second, against the formula's order, and its default reduction divides by
    the classes too. Without smoothing the entropy of q is 0 and this is cross_entropy.
    """

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(output.log_softmax(-1), self.wanted(target, output), reduction="batchmean")

    def own_slopes(self, output: Tensor, generator: torch.Generator) -> Tensor:
        return class_slopes(output, generator)
