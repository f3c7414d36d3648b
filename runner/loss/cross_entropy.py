from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

from runner.loss.base import OfSmoothedClasses, class_slopes


@final
@dataclass(frozen=True, kw_only=True)
class CrossEntropy(OfSmoothedClasses):
    """The negative log-probability of the right class, with probabilities by softmax over the scores.

        L = mean_i( -log p_i[y_i] ),   p_i = softmax(z_i)
        smoothed:  L = mean_i( -sum_k q_ik log p_ik ),  q_ik = eps for the wrong classes, 1 - (m - 1) eps for y_i

    z_i `[m]` are the scores of example i, y_i its class. Uniform guessing has L = log m. The gradient with respect to
    the scores is p - q, for smoothed targets too.
    Metric: accuracy, the share of examples whose largest score is the right class.

    >>> import torch
    >>> CrossEntropy().value(torch.zeros(1, 10), torch.tensor([3])).item()  # log 10
    2.3025851249694824

    Source: Sun p. 12; Szegedy et al. 2016 (arXiv 1512.00567), section 7, for label smoothing. Softmax and logarithm are
    taken together, on scores, which cannot overflow.
    Here: torch's label_smoothing is m times the slide's eps. The slide's reason for smoothing, no update where y_k = 0,
    holds for the term y_k log p_k alone: through the softmax the score of a wrong class has gradient p_k, not 0.
    """

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(output, target, label_smoothing=self.smoothing(output.shape[-1]))

    def own_slopes(self, output: Tensor, generator: torch.Generator) -> Tensor:
        return class_slopes(output, generator)

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        # Examples last: torch's kernel then takes a vector register of them at a time, 3 us a batch, not 16. Batch by
        # batch: what is left over at an end rounds differently, which must not depend on how many batches there are.
        log_p = outputs.mT.contiguous().log_softmax(1)  # [K, m, B]
        right = log_p.gather(1, targets.unsqueeze(1)).squeeze(1)
        share = self.smoothing(outputs.shape[-1])
        if share:
            right = (1 - share) * right + share * log_p.mean(1)
        return -right.mean(-1)
