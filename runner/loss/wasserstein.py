from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from runner.loss.base import OfSmoothedClasses


@final
@dataclass(frozen=True, kw_only=True)
class Wasserstein(OfSmoothedClasses):
    """The least work that carries the predicted distribution over ordered classes to the wanted one.

        L = mean_i( sum_k |P_ik - Q_ik| ),  P_ik = sum_{j <= k} p_ij,  Q_ik = sum_{j <= k} q_ij,  p_i = softmax(z_i)

    Class k lies at the number k, and carrying probability u over a distance d costs u d: a near miss costs less than a
    far one, which means something for grades and counts, and nothing for kinds. q_i is the class as a distribution. For
    a one-hot q_i, L is the mean distance sum_k p_ik |k - y_i|.
    Metric: accuracy, the share of examples whose largest score is the right class.

    >>> import torch
    >>> round(Wasserstein().value(torch.zeros(1, 3), torch.tensor([0])).item(), 6)  # (0 + 1 + 2) / 3
    1.0

    Source: Sun p. 12, "Wasserstein metric"; scipy.stats.wasserstein_distance computes the same.
    Here: the slide does not say of what. It is taken for each example over the classes, so that it is a mean over
    examples; a distance between all outputs and all targets of a batch would forget which belongs to which.
    """

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        excess = output.softmax(-1) - self.wanted(target, output)
        return excess.cumsum(-1).abs().sum(-1).mean()
