from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from runner.core.check import Positive
from runner.schedule.base import Progress, Row, Schedule, Sums


@final
@dataclass(frozen=True)
class InverseTime(Schedule):
    """Let the learning rate fall like one over the number of steps.

        lr_k = lr / (1 + decay k),   k = 0, 1, ... steps done

    After 1 / decay steps the rate is half of lr.

    decay: how fast, per step

    >>> [round(InverseTime(decay=0.5).factor(Progress(k, 2, 9), []), 3) for k in range(4)]
    [1.0, 0.667, 0.5, 0.4]

    Source: Sun p. 22, "1/t", with alpha = lr and beta = decay, k the iteration. torch has it as LambdaLR(lambda k:
    1 / (1 + decay * k)), called after every step.
    Here: the first of the schedules on that page, and the only one there that satisfies Robbins and Monro.
    """

    decay: Positive = 0.01

    def factor(self, at: Progress, rows: Sequence[Row]) -> float:
        return 1 / (1 + self.decay * at.step)

    def sums(self) -> Sums:
        return Sums(True, True, "the terms fall like 1/k: sum 1/k is infinite (logarithm), sum 1/k^2 is finite")
