from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from runner.core.check import Unit
from runner.schedule.base import Progress, Row, Schedule, Sums, ends_at


@final
@dataclass(frozen=True)
class Cosine(Schedule):
    """Lower the learning rate along half a cosine, over all steps that the limit on epochs allows.

        lr_k = lr * (floor + (1 - floor) * (1 + cos(pi k / K)) / 2),   K = epochs * steps in an epoch

    k = 0, 1, ... counts the steps done, so the first step has lr and the rate would be floor * lr after the last.

    floor: the share of lr that is left at the end

    >>> [round(Cosine().factor(Progress(k, 1, 4), []), 3) for k in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]

    Source: Loshchilov & Hutter 2017 (arXiv 1608.03983), equation 5, without restarts.
    torch.optim.lr_scheduler.CosineAnnealingLR(T_max=K), called after every step.
    """

    floor: Unit = 0.0

    def factor(self, at: Progress, rows: Sequence[Row]) -> float:
        share = min(1.0, at.step / at.total)
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * share)) / 2

    def sums(self) -> Sums:
        return ends_at(self.floor, "after K steps")
