from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, final

from runner.core.check import Range, Unit
from runner.schedule.base import Progress, Row, Schedule, Sums

Epochs = Annotated[float, Range(least=1e-6, most=1e30)]  # a step is longer, up to a million of them in an epoch
Shrink = Annotated[float, Range(above=0, most=1)]


@final
@dataclass(frozen=True)
class Cyclic(Schedule):
    """Move the learning rate up and down between two bounds, a new rate in every step.

        lr_k = lr (low + (1 - low) tri_k per_cycle^c per_step^k),   c = 0, 1, ... whole cycles done

    tri_k is the triangle that rises from 0 to 1 in `up` epochs and falls back in `down` epochs. The three policies:

        triangular     per_cycle=1    per_step=1       triangles of one height
        triangular2    per_cycle=0.5  per_step=1       each half as high as the one before
        exp_range      per_cycle=1    per_step=gamma   the height falls in every step, as with gamma=0.99994

    up: epochs in which the rate rises
    down: epochs in which it falls; null: as many as it rises
    low: the lower bound, as a share of lr, which is the upper one
    per_cycle: what a cycle leaves of the height
    per_step: what a step leaves of the height, gamma

    >>> [round(Cyclic(up=1, low=0.5).factor(Progress(k, 2, 9), []), 3) for k in range(6)]
    [0.5, 0.75, 1.0, 0.75, 0.5, 0.75]

    Source: Smith 2017 (arXiv 1506.01186); Farrahi p. 19, "a different lr on each batch". Half a cycle of 2 to 10
    epochs and a lower bound of 1/3 or 1/4 of the upper one are Smith's rules of thumb.
    torch.optim.lr_scheduler.CyclicLR(base_lr=low*lr, max_lr=lr, step_size_up=up*steps), called after every step.
    Here: the momentum stays as it is; torch's class moves it against the rate unless cycle_momentum=False is given.
    """

    up: Epochs = 2.0
    down: Epochs | None = None
    low: Unit = 0.25
    per_cycle: Shrink = 1.0
    per_step: Shrink = 1.0

    def factor(self, at: Progress, rows: Sequence[Row]) -> float:
        down = self.up if self.down is None else self.down
        cycles = at.step / ((self.up + down) * at.steps)
        done = math.floor(cycles)
        share, rising = cycles - done, self.up / (self.up + down)
        triangle = share / rising if share <= rising else (1 - share) / (1 - rising)
        return self.low + (1 - self.low) * triangle * self.per_cycle**done * self.per_step**at.step

    def sums(self) -> Sums:
        if self.low > 0 or self.per_cycle == self.per_step == 1:
            return Sums(True, False, "the rate keeps coming back to the same heights, so neither sum is finite")
        return Sums(False, True, "the heights are a geometric series and the lower bound is 0: both sums are finite")
