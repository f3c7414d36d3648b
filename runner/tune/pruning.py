"""Which trials end early: hurdles for the next batch, from the validation of the trials before it.

    b_i(e)   the best goal of trial i after its first e epochs

    median    after each epoch e from E/10 on, a trial must be as good as the median of b_i(e) over the trials that
              completed and had e epochs; from 5 of them on
    halving   after e = r, 4r, 16r, ... < E epochs with r = E/16 (1 at least), it must be among the best quarter there:
              with n earlier trials that came there, as good as number max(floor((n + 1) / 4), 1) of them

with E the longest a trial may train. They are the rules of Optuna's MedianPruner and SuccessiveHalvingPruner (Li et al.
2020, A system for massively parallel hyperparameter tuning, algorithm 2). Here a whole batch is judged by the batches
before it, so that the bounds can stand in the configuration of a run as a stop rule (`stop=hurdles`): a trial ends in
the same epoch with any number of workers, side by side or alone, resumed or repeated. A hurdle says when a run ends and
nothing else; its schedule still counts on all E epochs. What is slow at first is lost: a small learning rate looks bad
after one epoch in sixteen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Literal

from runner.run import Run
from runner.stop.any_of import AnyOf
from runner.stop.base import Direction, Row
from runner.stop.hurdles import Hurdles

ENOUGH = 5  # completed trials, before which a median says little: Optuna's default
WARM = 10  # the first E / WARM epochs are not judged by the median, as many schedules warm up in them
KEPT = 4  # of so many one goes on: Optuna's default
RUNGS = 2  # times that a whole training is divided by KEPT, for the first rung
NAME = "pruning"  # of the rule in a run's configuration

Prune = Literal["none", "median", "halving"]


@dataclass(frozen=True)
class History:
    """The goal of a trial that has ended, after each epoch; `whole`: it completed without being pruned."""

    values: tuple[float, ...]
    whole: bool


def hurdles(prune: Prune, earlier: Sequence[History], longest: int, goal: str, direction: Direction) -> Hurdles | None:
    """What the next trials must take; None where there is nothing to compare with."""
    sign = 1 if direction == "min" else -1
    found = {}
    for epoch in epochs_of(prune, longest):
        there = [history for history in earlier if len(history.values) >= epoch]
        bound = BOUNDS[prune]([(best(one.values[:epoch], sign), one.whole) for one in there])
        if bound is not None and math.isfinite(bound):
            found[epoch] = sign * bound
    if not found:
        return None
    return Hurdles(epochs=tuple(found), bounds=tuple(found.values()), monitor=goal, direction=direction)


def epochs_of(prune: Prune, longest: int) -> list[int]:
    """After which epochs trials are judged.

    >>> epochs_of("halving", 30), epochs_of("median", 12), epochs_of("none", 30)
    ([1, 4, 16], [2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [])
    """
    if prune == "none":
        return []
    if prune == "median":
        return list(range(longest // WARM + 1, longest))
    rungs = [max(1, longest // KEPT**RUNGS)]
    while rungs[-1] * KEPT < longest:
        rungs.append(rungs[-1] * KEPT)
    return [epoch for epoch in rungs if epoch < longest]


def best(values: Sequence[float], sign: int) -> float:
    """The least of some values, with the sign that makes lower better; inf where none is finite."""
    return min((sign * value for value in values if math.isfinite(value)), default=math.inf)


def middle(found: Sequence[tuple[float, bool]]) -> float | None:
    """The median over trials that completed."""
    values = [value for value, whole in found if whole]
    return median(values) if len(values) >= ENOUGH else None


def quarter(found: Sequence[tuple[float, bool]]) -> float | None:
    """The last value with which one more trial would be among the best quarter."""
    values = sorted(value for value, _ in found)
    return values[max((len(values) + 1) // KEPT - 1, 0)] if values else None


BOUNDS = {"median": middle, "halving": quarter}


def judged_by(run: Run, rule: Hurdles | None) -> Run:
    """A run that must take hurdles as well."""
    if rule is None:
        return run
    return replace(run, stop=AnyOf(rules={"rule": run.stop, NAME: rule}))


def pruned(config: Mapping[str, Any], rows: Sequence[Row]) -> bool:
    """Whether a hurdle in the configuration of a run ended it, with these rows."""
    node = config.get("stop", {}).get("rules", {}).get(NAME)
    if node is None or not rows:
        return False
    rule = Hurdles(**{name: value for name, value in node.items() if name != "_target_"})
    return rule.verdict(rows) is not None
