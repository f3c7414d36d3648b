from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from runner.core.check import Positive, Unit
from runner.schedule.base import Progress, Row, Schedule, Sums


@final
@dataclass(frozen=True)
class Warmup(Schedule):
    """Raise the learning rate in a straight line first, then follow another schedule.

        lr_k = lr (start + (1 - start) k / W)         for k < W,   W = epochs * steps in an epoch, rounded
             = the rate of `then` in its step k - W   after

    The other schedule begins when the warm-up ends and has the K - W steps that are left, so a cosine still reaches
    its floor at the end of the run. On the command line it is chosen by name, and its arguments lie below it:

        optrun schedule=warmup schedule.then=cosine schedule.then.floor=0.1

    epochs: how long, in epochs or parts of one
    start: the share of lr to begin with; 0 wastes the first step
    then: the schedule that follows; null stays at lr

    >>> [round(Warmup(epochs=2, start=0.5).factor(Progress(k, 2, 9), []), 3) for k in range(6)]
    [0.5, 0.625, 0.75, 0.875, 1.0, 1.0]

    Source: Goyal et al. 2017 (arXiv 1706.02677), section 2.2, "gradual warmup", 5 epochs.
    torch.optim.lr_scheduler.SequentialLR of LinearLR(start_factor=start, total_iters=W) and another.
    Here: a `then` that reads rows, as plateau does, sees those of the warm-up too.
    """

    epochs: Positive = 2.0
    start: Unit = 0.1
    then: Schedule | None = None

    def factor(self, at: Progress, rows: Sequence[Row]) -> float:
        warm = round(self.epochs * at.steps)
        if at.step < warm:
            return self.start + (1 - self.start) * at.step / warm
        return 1.0 if self.then is None else self.then.factor(at.after(warm), rows)

    def sums(self) -> Sums:
        if self.then is None:
            return Sums(True, False, "after the warm-up every term is the same: both sums grow without end")
        after = self.then.sums()
        return Sums(after.first, after.second, f"after the warm-up, which is finite: {after.reason}")

    @property
    def monitored(self) -> str | None:
        return None if self.then is None else self.then.monitored
