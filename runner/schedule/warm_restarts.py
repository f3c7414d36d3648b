from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from runner.core.check import Count, Unit
from runner.schedule.base import Progress, Row, Schedule, Sums


@final
@dataclass(frozen=True)
class WarmRestarts(Schedule):
    """Lower the learning rate along half a cosine, then jump back to the base rate, again and again.

        lr_k = lr (floor + (1 - floor) (1 + cos(pi j / T_i)) / 2)

    j = 0, 1, ... counts the steps since restart i, and T_i = first * times^i * steps in an epoch is the length of that
    period. The rate of a run is best judged at the end of a period, when it is low.

    first: epochs until the first restart
    times: how many times as long the next period is
    floor: the share of lr that is left at the end of a period

    >>> [round(WarmRestarts(first=2).factor(Progress(k, 1, 9), []), 3) for k in range(7)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]

    Source: Loshchilov & Hutter 2017 (arXiv 1608.03983), equation 5; T_0 = 10 and T_mult = 2 are among those they try.
    torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(T_0=first*steps, T_mult=times), called after every step.
    Here: the period is found with whole numbers. torch's `step(epoch)` takes a logarithm for it, which can be off by
    a period where a restart falls on a step.
    """

    first: Count = 10
    times: Count = 2
    floor: Unit = 0.0

    def factor(self, at: Progress, rows: Sequence[Row]) -> float:
        since, period = at.step, self.first * at.steps
        if self.times == 1:
            since %= period
        while since >= period:
            since -= period
            period *= self.times
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * since / period)) / 2

    def sums(self) -> Sums:
        return Sums(True, False, "every period begins at lr again, so neither the terms nor their squares fade")
