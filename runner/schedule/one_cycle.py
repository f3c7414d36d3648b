from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

from runner.core.check import Share, Unit
from runner.schedule.base import Progress, Row, Schedule, Sums, ends_at


@final
@dataclass(frozen=True)
class OneCycle(Schedule):
    """Raise the learning rate to the base rate once, then let it fall far below where it began.

        lr_k = lr start -> lr          for k = 0 .. p         p = warm K - 1
             = lr       -> lr end      for k = p .. K - 1     K = epochs * steps in an epoch

    Each arrow is half a cosine or a straight line. With three_phase the rate first falls back to lr start, for
    k = p .. 2p, and then to lr end.

    warm: the share of all steps in which the rate rises
    start: the share of lr to begin with
    end: the share of lr that is left at the last step
    anneal: cos or linear
    three_phase: fall as slowly as it rose, then to the end

    >>> cycle = OneCycle(warm=0.5, start=0.2, end=0.0, anneal="linear")
    >>> [round(cycle.factor(Progress(k, 1, 6), []), 3) for k in range(6)]
    [0.2, 0.6, 1.0, 0.667, 0.333, 0.0]

    Source: Smith & Topin 2018 (arXiv 1708.07120); three_phase is the form of that paper, the two phases with cosines
    are fastai's. The constants are those of torch.optim.lr_scheduler.OneCycleLR: div_factor 25, final_div_factor 1e4.
    Here: the momentum stays as it is. The paper and, unless told otherwise, torch lower it while the rate rises
    (cycle_momentum=True), so their runs differ. torch fails where warm K is 1; here the first step then has lr.
    """

    warm: Share = 0.3
    start: Unit = 0.04
    end: Unit = 4e-6
    anneal: Literal["cos", "linear"] = "cos"
    three_phase: bool = False

    def factor(self, at: Progress, rows: Sequence[Row]) -> float:
        last = at.total - 1
        k, peak = min(at.step, last), self.warm * at.total - 1
        if k <= peak:
            return self.between(self.start, 1.0, k / peak if peak else 1.0)
        if not self.three_phase:
            return self.between(1.0, self.end, (k - peak) / (last - peak))
        if k <= 2 * peak:
            return self.between(1.0, self.start, (k - peak) / peak)
        return self.between(self.start, self.end, (k - 2 * peak) / (last - 2 * peak))

    def between(self, a: float, b: float, share: float) -> float:
        """From a (share 0) to b (share 1)."""
        if self.anneal == "cos":
            share = (1 - math.cos(math.pi * share)) / 2
        return a + (b - a) * share

    def sums(self) -> Sums:
        return ends_at(self.end, "after K steps")
