"""Schedules: the learning rate of each step, as a factor on the base rate `lr`.

What varies is the curve. What is fixed: a schedule decides, it changes nothing; its answer is a pure function of how
far the run is and of the rows of `metrics.csv` so far, so a resumed run needs nothing of it. `lr` is the highest rate
of every schedule: what begins low begins at a share of it. k = 0, 1, ... counts the steps done before the step in
question, e = 0, 1, ... the whole epochs.

For SGD on convex problems theory asks of the rates t_k (Robbins & Monro 1951)

    sum_k t_k = inf        any distance can be covered
    sum_k t_k^2 < inf      the noise of the gradients averages out

and every schedule says by `sums` whether both hold. Every training is finite, so this is about the rule continued for
ever; it is sufficient there and not necessary for a good network, and few of the schedules in use satisfy it.
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

    step     steps done in all: 0 before the first
    steps    steps in an epoch
    epochs   the limit on epochs
    skipped  steps that do not count, since another schedule had them
    """

    step: int
    steps: int
    epochs: int
    skipped: int = 0

    @property
    def epoch(self) -> int:
        """Whole epochs done: 0 during the first."""
        return self.step // self.steps

    @property
    def total(self) -> int:
        """K, the steps until the limit on epochs, 1 or more."""
        return max(1, self.epochs * self.steps - self.skipped)

    def after(self, steps: int) -> Progress:
        """The same for a schedule that begins so many steps later."""
        return Progress(self.step - steps, self.steps, self.epochs, self.skipped + steps)


@dataclass(frozen=True)
class Sums:
    """What the rates t_k of a schedule that goes on for ever add up to.

    first   whether sum t_k = inf;  None: the rows decide
    second  whether sum t_k^2 < inf
    reason  why, in words
    """

    first: bool | None
    second: bool | None
    reason: str

    @property
    def hold(self) -> bool | None:
        """Whether both conditions of Robbins and Monro hold.

        >>> Sums(True, False, "").hold, Sums(True, True, "").hold, Sums(None, True, "").hold
        (False, True, None)
        """
        if self.first is None or self.second is None:
            return False if False in (self.first, self.second) else None
        return self.first and self.second


def ends_at(floor: float, when: str) -> Sums:
    """Of a schedule that stays at a share of `lr` from some step on."""
    if floor > 0:
        return Sums(True, False, f"{when} the rate stays at {floor:g} of lr, and a rate that stays adds up without end")
    return Sums(False, True, f"{when} the rate is 0, so both sums have finitely many terms")


@dataclass(frozen=True)
class Schedule(Choice, ABC):
    """A curve of factors."""

    @abstractmethod
    def factor(self, at: Progress, rows: Sequence[Row]) -> float:
        """The factor on `lr` for the step that comes next; `rows` are those of the epochs before it."""

    def sums(self) -> Sums:
        """Whether the conditions of Robbins and Monro hold, and why."""
        return Sums(None, None, "this schedule does not say")

    @property
    def monitored(self) -> str | None:
        """The column of the rows that the rate depends on, if it depends on any."""
        return None
