from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from runner.core.check import Count
from runner.stop.base import Row, Stop, counted


@final
@dataclass(frozen=True)
class Steps(Stop):
    """Stop after a fixed number of steps.

        stop when k = steps

    Where that is in the middle of an epoch, the epoch ends there and its row is written short: its loss, accuracy and
    gradient norm are means over the steps that were made. The limit on epochs holds as well.

    steps: how many

    >>> Steps(steps=100).verdict([{"epoch": 1, "step": 63}, {"epoch": 2, "step": 100}])
    'reached the limit of 100 steps'

    Source: Sun p. 14 and 18, "while SC not satisfied", k the iteration.
    Here: schedules that use up the run, as cosine does, go by the limit on epochs and do not see this one.
    """

    steps: Count = 1000

    def verdict(self, rows: Sequence[Row], elapsed_s: float = 0.0) -> str | None:
        done = self.due(int(rows[-1]["step"]), elapsed_s)
        return f"reached the limit of {counted(self.steps, 'step')}" if done else None

    def due(self, step: int, elapsed_s: float) -> bool:
        return step >= self.steps
