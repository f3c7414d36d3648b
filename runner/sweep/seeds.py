"""Settings: the runs of a sweep that differ in nothing but a seed, as one line with a mean, its interval and a count.

A seed is an axis whose name ends in `seed`. The mean and its 95 % interval are those of `runner.core.seeds`, over the
runs that completed. A mean hides the runs that did not, so it is never shown without them: a setting of which a run
diverged, failed or is missing says so, and ranks after all settings that are whole, whatever its mean.

Against the first of the ranking, b, every setting x has the interval of its paired differences

    d_i = log x_i - log b_i    over the seeds i that completed in both,    mean(d) +- t s_d / sqrt(n)

    not distinguishable         the interval holds 0
    worse                       it lies above 0
    better on the shared seeds  it lies below 0, though the setting is not whole or its mean is that of an outlier
    (nothing)                   fewer than two seeds completed in both

Logarithms, because a loss is positive and what is worse also scatters more: a learning rate that ends at 10, 1e4 and
1e8 has an interval which holds every good one. Where a loss is not positive, d_i = x_i - b_i.

Each is one comparison at 95 %. Among a hundred settings that are all equal to the best one, about five would be called
worse; and the best of many was also lucky, so its own mean is too good.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from runner.core.seeds import mean_and_half
from runner.sweep.base import Job, Row, cell, completed, pairs, without_seeds, write_csv

Estimate = tuple[float, float | None]  # a mean, and half the width of its interval if it has one
Scale = Callable[[float], float]


@dataclass(frozen=True)
class Setting:
    """The runs with the same values on every axis that is no seed; `planned` counts also those that are missing."""

    values: Mapping[str, str]
    rows: tuple[Row, ...]
    planned: int

    @cached_property
    def completed(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if completed(row))

    @property
    def status(self) -> str:
        """`completed` if all runs did, else how many did not: `1 of 8 diverged`."""
        if len(self.completed) == self.planned:
            return "completed"
        counts = Counter("not finite" if row.status == "completed" else row.status for row in self._others)
        counts["not started"] = self.planned - len(self.rows)
        told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        first, rest = told.split(" ", 1)
        return f"{first} of {self.planned} {rest}"

    @property
    def _others(self) -> list[Row]:
        return [row for row in self.rows if not completed(row)]

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """Whole settings by their mean, then the others by theirs, then those without a completed run."""
        loss = self.estimate("best_val_loss")
        return loss is None, len(self.completed) < self.planned, math.inf if loss is None else loss[0]

    def estimate(self, name: str) -> Estimate | None:
        """Mean and interval of a number over the completed runs; None where none of them has it."""
        found = [value for row in self.completed if (value := row.number(name)) is not None and math.isfinite(value)]
        return mean_and_half(found) if found else None

    def minus(self, best: Setting, scale: Scale) -> Estimate | None:
        """Mean and interval of the paired differences from the best validation losses of `best`, on a scale."""
        there = best.by_seed
        shared = [scale(loss) - scale(there[seed]) for seed, loss in self.by_seed.items() if seed in there]
        return mean_and_half(shared) if shared else None

    @cached_property
    def by_seed(self) -> dict[tuple[str, ...], float]:
        """Seeds -> best validation loss of the run that completed with them."""
        losses = {}
        for row in self.completed:
            loss = row.number("best_val_loss")
            assert loss is not None
            losses[tuple(value for key, value in row.values.items() if key not in self.values)] = loss
        return losses

    def beside(self, best: Setting, scale: Scale) -> str:
        """The setting compared with the first of the ranking, in the words of this file's table."""
        if self is best:
            return "best" if self.completed else ""
        mean, half = self.minus(best, scale) or (0.0, None)
        if half is None:
            return ""
        if abs(mean) <= half:
            return "not distinguishable"
        return "worse" if mean > 0 else "better on the shared seeds"


def settings(jobs: Iterable[Job], rows: Iterable[Row], varied: Iterable[str]) -> list[Setting]:
    """The settings of a sweep, ranked; where no axis is a seed, each run is one."""
    live = without_seeds(varied)
    planned: Counter[tuple[str, ...]] = Counter()
    for job in jobs:
        given = dict(pairs(job))
        planned[tuple(given.get(key, "") for key in live)] += 1
    held: dict[tuple[str, ...], list[Row]] = {key: [] for key in planned}
    for row in rows:
        held[tuple(row.values[key] for key in live)].append(row)
    made = [Setting(dict(zip(live, key, strict=True)), tuple(held[key]), planned[key]) for key in planned]
    return sorted(made, key=lambda setting: setting.rank)


def scale_of(order: Iterable[Setting]) -> Scale:
    """On what losses are compared: their logarithms, or themselves where one is not positive."""
    return math.log if all(loss > 0 for setting in order for loss in setting.by_seed.values()) else float


def write_settings(path: Path, order: Sequence[Setting], metrics: Iterable[str]) -> None:
    """Write sweep_seeds.csv."""
    write_csv(path / "sweep_seeds.csv", lines(order, metrics))


def lines(order: Sequence[Setting], metrics: Iterable[str]) -> list[list[str]]:
    """The header of sweep_seeds.csv and a line for each setting, from the first of the ranking to the last."""
    best, scale = order[0], scale_of(order)
    names = ["best_val_loss", *(f"best_val_{name}" for name in metrics), "final_val_loss"]
    difference = "log_ratio_to_best" if scale is math.log else "minus_best"
    estimates = [f"{name}_{part}" for name in (*names, difference) for part in ("mean", "half")]
    found = [["rank", *best.values, "runs", "completed", *estimates, "compared", "status", "jobs"]]
    for at, setting in enumerate(order, start=1):
        line = [str(at) if setting.completed else "", *setting.values.values()]
        line += [str(setting.planned), str(len(setting.completed))]
        for estimate in (*map(setting.estimate, names), setting.minus(best, scale)):
            line += map(cell, estimate or (None, None))
        numbers = " ".join(str(row.job.number) for row in setting.rows)
        found.append([*line, setting.beside(best, scale), setting.status, numbers])
    return found
