"""Timing in turns, A B A B ..., and the table of what came out.

A machine that others use too is fast in one second and slow in the next. Taken in turns, both sides meet the same
seconds; the median forgets the turns in which one of them was disturbed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median, quantiles

LEAST = 5  # turns, however short the time

Timed = Callable[[], float]  # one turn: seconds for each unit of work


def in_turns(sides: dict[str, Timed], seconds: float) -> dict[str, list[float]]:
    """The times of every side: one turn each to warm up, which is not counted, then as many as fit; five at least."""
    end = time.monotonic() + seconds
    for timed in sides.values():
        timed()
    times: dict[str, list[float]] = {name: [] for name in sides}
    first = next(iter(sides))
    while len(times[first]) < LEAST or time.monotonic() < end:
        for name, timed in sides.items():
            times[name].append(timed())
    return times


@dataclass(frozen=True)
class Comparison:
    """Our times against those of a rival, turn by turn; `bound` is the ratio that is promised, None where none is."""

    what: str
    ours: list[float]
    theirs: list[float]
    bound: float | None = None

    @property
    def ratio(self) -> float:
        """The median of the ratios turn by turn, which the next second's load does not move."""
        return median(self.each)

    @property
    def each(self) -> list[float]:
        """The ratio of every turn."""
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    def cells(self, unit: float) -> tuple[str, ...]:
        """The line of the table, times in `unit` seconds."""
        low, _, high = quantiles(self.each, n=4, method="inclusive")
        medians = [median(side) / unit for side in (self.ours, self.theirs)]
        numbers = [f"{number:,.{0 if number >= 100 else 2}f}" for number in medians]
        verdict = "" if self.bound is None else "holds" if self.ratio <= self.bound else "DOES NOT HOLD"
        bound = "" if self.bound is None else f"{self.bound:.2f}"
        middle, turns = f"{low:.2f} .. {high:.2f}", str(len(self.ours))
        return (self.what, *numbers, f"{self.ratio:.2f}", middle, turns, bound, verdict)


def table(caption: str, rows: Iterable[Comparison], unit: float) -> str:
    """The rows as text, times in `unit` seconds: medians, and of the ratios the median and the middle half."""
    head = ("", "ours", "theirs", "ratio", "middle half", "turns", "at most", "")
    lines = [head, *(row.cells(unit) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    form = "  ".join(["{:<%d}", *["{:>%d}"] * (len(head) - 2), "{}"]) % tuple(widths[:-1])
    return "\n".join([caption, "", *(form.format(*line).rstrip() for line in lines)])
