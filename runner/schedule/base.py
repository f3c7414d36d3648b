"""Schedules: the learning rate of each step, as a factor on the base rate `lr`.

What varies is the curve. What is fixed: a schedule decides, it changes nothing; its answer is a pure function of how
far the run is and of the rows of `metrics.csv` so far, so a resumed run needs nothing of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.core.check import Choice

Row = Mapping[str, float]


@dataclass(frozen=True)
class Progress:
    """How far a run is, before the step in question.

    step    steps done in all: 0 before the first
    steps   steps in an epoch
    epochs  the limit on epochs
    """

    step: int
    steps: int
    epochs: int

    @property
    def epoch(self) -> int:
        """Whole epochs done: 0 during the first."""
        return self.step // self.steps


@dataclass(frozen=True)
class Schedule(Choice, ABC):
    """A curve of factors."""

    @abstractmethod
    def factor(self, at: Progress, rows: Sequence[Row]) -> float:
        """The factor on `lr` for the step that comes next; `rows` are those of the epochs before it."""
