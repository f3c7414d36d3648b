from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from runner.core.check import Positive
from runner.stop.base import Row, Stop, counted


@final
@dataclass(frozen=True)
class Seconds(Stop):
    """Stop after some seconds of training.

        stop when  t >= seconds,   t = seconds of training so far, by the monotonic clock

    t counts steps and evaluations of all processes that worked on the run, as far as they committed; not the reading
    of the data, not the pictures. The epoch in progress ends after the step in which the time is up, and its row is
    written short.

    seconds: how long

    >>> Seconds(seconds=60).verdict([{"epoch": 1}], elapsed_s=61.5)
    'reached the limit of 60 seconds of training'

    Source: Sun p. 14, one of the stopping criteria.
    Here: two equal runs stop at different steps, so their files are equal up to the shorter one's last whole epoch
    and not beyond. Every other rule repeats bit for bit.
    """

    seconds: Positive = 60.0

    @property
    def timed(self) -> bool:
        return True

    def verdict(self, rows: Sequence[Row], elapsed_s: float = 0.0) -> str | None:
        done = self.due(0, elapsed_s)
        return f"reached the limit of {counted(self.seconds, 'second')} of training" if done else None

    def due(self, step: int, elapsed_s: float) -> bool:
        return elapsed_s >= self.seconds
