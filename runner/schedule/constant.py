from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from runner.schedule.base import Progress, Row, Schedule, Sums


@final
@dataclass(frozen=True)
class Constant(Schedule):
    """Keep the learning rate.

        lr_k = lr

    >>> Constant().factor(Progress(step=500, steps=10, epochs=100), [])
    1.0

    Source: Grosse, CSC321 lecture 8. A constant rate does not satisfy the conditions of Robbins and Monro: SGD then
    settles in a region around the minimum whose size grows with lr.
    """

    def factor(self, at: Progress, rows: Sequence[Row]) -> float:
        return 1.0

    def sums(self) -> Sums:
        return Sums(True, False, "every term is the same: both sums grow without end")
