"""Numbers of runs, numbers of experiments, and what they say of a claim."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from runner.core.errors import ConfigError, did_you_mean
from runner.core.seeds import mean_and_half
from runner.lecture.base import Claim, Compare, Measure

Rows = Sequence[Mapping[str, float]]
Values = NDArray[np.float64]
Numbers = Mapping[str, Sequence[float]]  # arm -> one number for each seed


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval over the seeds; of one seed the interval is the number itself."""

    value: float
    low: float
    high: float

    def within(self, bounds: tuple[float, float]) -> bool:
        """Whether the whole interval lies between the bounds; a number that is none does not."""
        return bounds[0] <= self.low and self.high <= bounds[1]


def measured(rows: Rows, status: str, measure: Measure, arm: str = "") -> float:
    """The number of a run of an arm, which ended with `status`.

    >>> rows = [{"step": 1.0, "x": 8.0}, {"step": 2.0, "x": 4.0}, {"step": 3.0, "x": 2.0}]
    >>> [measured(rows, "completed", Measure("x", take)) for take in ("least", "change")]
    [2.0, 2.0]
    >>> round(measured(rows, "completed", Measure("x", "rate")), 6)
    0.5
    >>> [measured(rows, "completed", Measure("x", "epochs", value=least)) for least in (4.0, 1.0)]
    [2.0, inf]
    """
    if measure.take == "diverged":
        return float(status == "diverged")
    columns = [name.replace("{arm}", arm) for name in (measure.column, measure.per) if name]
    for name in columns:
        refuse_unknown(name, list(rows[0]) if rows else [name])
    if status == "diverged":
        return math.inf
    seen = rows[measure.skip : measure.skip + measure.rows if measure.rows else None]
    values = np.array([(row[columns[0]] - measure.minus) / (row[columns[1]] if measure.per else 1.0) for row in seen])
    if len(values) < 2:
        return float(values[0]) if len(values) and measure.take not in ("change", "turn", "rate") else math.nan
    return taken(values, np.array([row["step"] for row in seen]), measure, measure.skip)


def refuse_unknown(name: str, known: list[str]) -> None:
    """`ConfigError` for a column that metrics.csv does not have."""
    if name not in known:
        do = f"{did_you_mean(name, known)}name one of them, or choose a probe that measures it"
        allowed = f"columns of metrics.csv: {', '.join(known)}"
        raise ConfigError("lecture.measure.column", name, allowed=allowed, do=do)


def taken(values: Values, steps: Values, measure: Measure, skipped: int) -> float:
    """The number of the rows that are looked at."""
    match measure.take:
        case "last" | "first":
            return float(values[-1 if measure.take == "last" else 0])
        case "least":
            return float(values.min())
        case "most":
            return float(values.max())
        case "mean":
            return float(values.mean())
        case "change":
            return float(abs(values[-1] - values[-2]))
        case "turn":
            return float(values[-1] / values[-2]) if values[-2] else math.nan
        case "rate":
            alive = values != 0  # what has arrived at 0 exactly has no rate any more
            if alive.sum() < 2:
                return math.nan
            return float(np.exp(np.polyfit(steps[alive], np.log(np.abs(values[alive])), 1)[0]))
        case "epochs":
            there = np.flatnonzero(values <= measure.value)
            return float(there[0] + 1 + skipped) if len(there) else math.inf
        case "all_zero":
            return float(np.all(values == 0))
        case _:
            raise AssertionError(measure.take)


def estimated(numbers: Numbers, compare: Compare) -> Estimate:
    """The number of an experiment, from those of its arms.

    >>> estimated({"a": [2.0, 8.0], "b": [1.0, 2.0]}, Compare("difference", "a", "b")).value
    3.5
    >>> round(estimated({"1": [1.0], "10": [0.1], "100": [0.01]}, Compare("slope")).value, 6)
    -1.0
    """
    of, to = numbers.get(compare.of, ()), numbers.get(compare.to, ())
    match compare.how:
        case "value":
            return interval(of)
        case "ratio":
            logs = interval([math.log(a / b) if 0 < a / b < math.inf else math.nan for a, b in paired(of, to)])
            return Estimate(math.exp(logs.value), math.exp(logs.low), math.exp(logs.high))
        case "difference":
            return interval([a - b for a, b in paired(of, to)])
        case "slope":
            x = np.log([float(label) for label in numbers])
            return interval([slope(x, each) for each in zip(*numbers.values(), strict=True)])
        case "spread":
            return interval([max(each) - min(each) for each in zip(*numbers.values(), strict=True)])
        case "ordered":
            return interval(
                [float(all(a < b for a, b in pairwise(each))) for each in zip(*numbers.values(), strict=True)]
            )


def paired(of: Sequence[float], to: Sequence[float]) -> list[tuple[float, float]]:
    """Seed by seed; a denominator of 0 counts as the smallest number that there is."""
    return [(a, b or math.ulp(0.0)) for a, b in zip(of, to, strict=True)]


def slope(x: Values, numbers: Sequence[float]) -> float:
    """Of a straight line through the logarithms; NaN where a number has none."""
    y = np.array(numbers)
    if not (np.isfinite(y).all() and (y > 0).all()):
        return math.nan
    return float(np.polyfit(x, np.log(y), 1)[0])


def interval(found: Sequence[float]) -> Estimate:
    """Mean and interval by Student over the seeds; NaN where a seed has no number."""
    if not all(map(math.isfinite, found)):
        same = len(set(found)) == 1
        return Estimate(*[found[0] if same else math.nan] * 3)
    mean, half = mean_and_half(list(found))
    return Estimate(mean, mean - (half or 0.0), mean + (half or 0.0))


@dataclass(frozen=True)
class Outcome:
    """What came of the circumstances of a claim, by their names."""

    claim: Claim
    found: Mapping[str, Estimate]

    def held(self, name: str) -> bool:
        """Whether the measured number is within the bounds there."""
        return self.found[name].within(self.claim.bounds)

    @property
    def as_printed(self) -> str:
        """What comes of the claim as it is printed, where that gives another number; nothing where it does not.

        It is given as much room on both sides as the prediction.
        """
        printed = self.claim.printed
        if printed is None:
            return ""
        low, high = (bound - self.claim.predicted + printed for bound in self.claim.bounds)
        held = any(self.found[name].within((low, high)) for name in self.claim.cases)
        return f"{'holds' if held else 'does not hold here'}, it would be {printed:.4g}"

    @property
    def verdict(self) -> str:
        """`holds`, `holds under ...` or `does not hold here`, with the reason where a control spoke against it."""
        alike = [name for name in self.claim.control if self.held(name)]
        if alike:
            return f"does not hold here: it is so without the cause too ({', '.join(alike)})"
        holding = [name for name in self.claim.cases if self.held(name)]
        if not holding:
            return "does not hold here"
        return "holds" if len(holding) == len(self.claim.cases) else f"holds under {' and '.join(holding)}"
