from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, final

from runner.core.check import Count, Range
from runner.schedule.base import Progress, Row, Schedule, Sums


@final
@dataclass(frozen=True)
class Staircase(Schedule):
    """Divide the learning rate by a constant every so many epochs.

        lr_e = lr / divide_by^floor(e / every),   e = 0, 1, ... whole epochs done

    divide_by: the divisor of one stair
    every: epochs between two stairs

    >>> [Staircase(divide_by=10, every=2).factor(Progress(e * 5, 5, 6), []) for e in range(5)]
    [1.0, 1.0, 0.1, 0.1, 0.01]

    Source: Sun p. 22: "divide by 5 or 10 every 10 epochs". torch.optim.lr_scheduler.StepLR(gamma=1/divide_by).
    Here: Sun lists this below the conditions of Robbins and Monro, of which it fails the first: the stairs are a
    geometric series, so all steps together cover a finite distance.
    """

    divide_by: Annotated[float, Range(above=1, most=1e30)] = 10.0
    every: Count = 10

    def factor(self, at: Progress, rows: Sequence[Row]) -> float:
        return self.divide_by ** -(at.epoch // self.every)  # with 1 / ... the power would overflow, here it ends at 0

    def sums(self) -> Sums:
        reason = f"a geometric series in stairs, of ratio 1/{self.divide_by:g}: the sum of all rates is finite"
        return Sums(False, True, reason)
