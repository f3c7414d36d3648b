from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, final

from runner.core.check import Count, Range
from runner.core.errors import ConfigError, shown
from runner.schedule.base import Progress, Row, Schedule, Sums, ends_at


@final
@dataclass(frozen=True)
class MultiStep(Schedule):
    """Divide the learning rate by a constant after each of some given epochs.

        lr_e = lr / divide_by^(number of milestones <= e),   e = 0, 1, ... whole epochs done

    divide_by: the divisor of one drop
    milestones: the epochs after which the rate drops, in rising order

    >>> [MultiStep(divide_by=10, milestones=(1, 3)).factor(Progress(e * 5, 5, 6), []) for e in range(5)]
    [1.0, 0.1, 0.1, 0.01, 0.01]

    Source: Sun p. 22, the staircase with stairs of unequal length. He et al. 2016 (arXiv 1512.03385), section 4.2.
    torch.optim.lr_scheduler.MultiStepLR(gamma=1/divide_by).
    Here: a rate that is dropped early makes the loss drop at once and may cost more later (Grosse, lecture 8).
    """

    divide_by: Annotated[float, Range(above=1, most=1e30)] = 10.0
    milestones: tuple[Count, ...] = (15, 25)

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(later <= earlier for earlier, later in pairwise(self.milestones)):
            raise ConfigError(
                "milestones",
                self.milestones,
                allowed="epochs in rising order, each once",
                do=f"give milestones={shown(sorted(set(self.milestones)))}",
            )

    def factor(self, at: Progress, rows: Sequence[Row]) -> float:
        return self.divide_by ** -bisect_right(self.milestones, at.epoch)

    def sums(self) -> Sums:
        return ends_at(self.divide_by ** -len(self.milestones), "after the last milestone")
