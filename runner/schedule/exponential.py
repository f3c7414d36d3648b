from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from runner.core.check import Positive
from runner.schedule.base import Progress, Row, Schedule, Sums


@final
@dataclass(frozen=True)
class Exponential(Schedule):
    """Let the learning rate fall by the same share in every step.

        lr_k = lr exp(-decay k),   k = 0, 1, ... steps done

    After log(2) / decay steps the rate is half of lr. A factor gamma an epoch is decay = -log(gamma) / steps in an
    epoch.

    decay: how fast, per step

    >>> [round(Exponential(decay=0.1).factor(Progress(k, 2, 9), []), 3) for k in range(4)]
    [1.0, 0.905, 0.819, 0.741]

    Source: Sun p. 22, "exponential", with alpha = lr and beta = decay, k the iteration.
    torch.optim.lr_scheduler.ExponentialLR(gamma=exp(-decay)), called after every step.
    Here: Sun lists this below the conditions of Robbins and Monro, of which it fails the first. All steps together are
    at most lr / (1 - exp(-decay)) gradients long: a start that is farther away never arrives.
    """

    decay: Positive = 0.005

    def factor(self, at: Progress, rows: Sequence[Row]) -> float:
        return math.exp(-self.decay * at.step)

    def sums(self) -> Sums:
        total = 1 / -math.expm1(-self.decay)
        return Sums(False, True, f"a geometric series: the sum of all rates is {total:.4g} lr")
