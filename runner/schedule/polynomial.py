from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from runner.core.check import Positive, Unit
from runner.schedule.base import Progress, Row, Schedule, Sums, ends_at


@final
@dataclass(frozen=True)
class Polynomial(Schedule):
    """Lower the learning rate along a power of the share of steps that is left.

        lr_k = lr (floor + (1 - floor) (1 - k / K)^power),   K = epochs * steps in an epoch

    k = 0, 1, ... counts the steps done. power=1 is a straight line.

    power: above 1 the rate falls early, below 1 late
    floor: the share of lr that is left at the end

    >>> [round(Polynomial(power=2).factor(Progress(k, 1, 4), []), 4) for k in range(5)]
    [1.0, 0.5625, 0.25, 0.0625, 0.0]

    Source: Chen et al. 2017 (arXiv 1606.00915), "poly" with power 0.9.
    torch.optim.lr_scheduler.PolynomialLR(total_iters=K, power), called after every step, with floor=0.
    """

    power: Positive = 1.0
    floor: Unit = 0.0

    def factor(self, at: Progress, rows: Sequence[Row]) -> float:
        left = max(0.0, 1 - at.step / at.total)
        return self.floor + (1 - self.floor) * math.pow(left, self.power)

    def sums(self) -> Sums:
        return ends_at(self.floor, "after K steps")
