from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from runner.core.check import Positive
from runner.schedule.base import Progress, Row, Schedule, Sums


@final
@dataclass(frozen=True)
class RobbinsMonro(Schedule):
    """Let the learning rate fall like a power of the number of steps, as the theory of SGD asks.

        lr_k = a / (b + k)^c   with  a = lr b^c,   k = 0, 1, ... steps done

    So the first rate is lr. Both conditions of Robbins and Monro hold for 1/2 < c <= 1. c = 1 is `inverse_time` with
    decay = 1 / b.

    b: steps before the fall begins to show
    c: the power

    >>> [round(RobbinsMonro(b=1, c=0.5).factor(Progress(k, 2, 9), []), 3) for k in range(4)]
    [1.0, 0.707, 0.577, 0.5]

    Source: Robbins & Monro 1951, "A Stochastic Approximation Method", Annals of Mathematical Statistics 22(3); Sun p.
    22, the two sums. Near c = 1/2, with the iterates averaged: Polyak & Juditsky 1992.
    """

    b: Positive = 100.0
    c: Positive = 0.75

    def factor(self, at: Progress, rows: Sequence[Row]) -> float:
        return math.pow(self.b / (self.b + at.step), self.c)

    def sums(self) -> Sums:
        power = f"the terms fall like k^-{self.c:g}"
        first = "sum t_k is infinite since c <= 1" if self.c <= 1 else "sum t_k is finite since c > 1"
        second = "sum t_k^2 is finite since 2c > 1" if 2 * self.c > 1 else "sum t_k^2 is infinite since 2c <= 1"
        return Sums(self.c <= 1, 2 * self.c > 1, f"{power}: {first}, {second}")
