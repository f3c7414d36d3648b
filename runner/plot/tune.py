"""What a search found, on one slide: every trial at the left, how good the best of k is expected to be at the right."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from runner.core.errors import CorruptError, DiskError
from runner.plot.base import (
    BAD,
    INK,
    QUIET,
    TRAIN,
    VALIDATION,
    Values,
    is_log,
    look,
    page,
    panel,
    read_columns,
    read_json,
    save,
    set_epochs,
    set_y,
)


@dataclass(frozen=True)
class Tuned:
    """What is read of the folder: of each trial its number, its state, its value and the best one until then."""

    title: str
    goal: str
    numbers: Values
    states: tuple[str, ...]
    values: Values
    best: Values
    expected: dict[str, Values]

    def of(self, *states: str) -> Values:
        """Which trials are in one of some states."""
        return np.array([state in states for state in self.states])


def draw(folder: Path) -> list[Path]:
    """Draw `tune.png` and `tune.svg` from `tune.csv`, `expected_best.csv`, `tune.json` and `sweep.json`.

    Returns the two paths. Raises `DiskError` if a file cannot be read or written and `CorruptError` if it does not hold
    what it should; the old pictures are then still there.
    """
    with look():
        return save(figure(read(folder)), folder, "tune")


def read(folder: Path) -> Tuned:
    """The tune in `folder`."""
    table, plan = folder / "tune.csv", read_json(folder / "tune.json")
    goal = str(plan.get("goal"))
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise DiskError(f"{table} cannot be read: {error.strerror}") from None
    try:
        columns = [[float(row[name] or "nan") for row in rows] for name in ("trial", goal, "best_so_far")]
        states = tuple(row["state"] for row in rows)
    except (KeyError, ValueError) as error:
        raise CorruptError(f"{table} does not hold the trials of a tune for {goal}: {error}") from None
    numbers, values, best = (np.array(column) for column in columns)
    names = ("trials", "expected_best", "low_95", "high_95")
    title = str(read_json(folder / "sweep.json").get("title", folder.name))
    return Tuned(title, goal, numbers, states, values, best, read_columns(folder / "expected_best.csv", names))


def figure(tuned: Tuned) -> Figure:
    """The slide; to be called inside `look()`."""
    foot, head = 0.62, 0.45
    told = ", ".join(f"{count} {state}" for state, count in Counter(tuned.states).most_common())
    note = f"{len(tuned.states)} trials: {told}  ·  ● completed   ○ pruned   × diverged   line: the best so far"
    slide, left_over = page(tuned.title, [(note, QUIET)], 3.3 + foot + head)
    high = left_over - foot - head
    trials(panel(slide, 0.8, foot, 3.9, high, tuned.goal), tuned)
    best_of(panel(slide, 5.75, foot, 3.95, high, f"expected best {tuned.goal} of k trials, 95 % interval"), tuned)
    return slide


def trials(axes: Axes, tuned: Tuned) -> None:
    """Every trial with its value, and the best so far; those without a value at the top edge."""
    whole, cut, lost = tuned.of("completed"), tuned.of("pruned"), tuned.of("diverged", "failed")
    set_y(axes, tuned.values, is_log(tuned.values), 0.08 if lost.any() else 0.0)
    set_epochs(axes, 0.0, float(max(len(tuned.numbers) - 1, 1)), "trial")
    axes.plot(tuned.numbers[cut], tuned.values[cut], "o", color=TRAIN, mfc="white", ms=5)
    axes.plot(tuned.numbers[whole], tuned.values[whole], "o", color=VALIDATION, ms=5)
    axes.plot(tuned.numbers, tuned.best, color=INK, lw=1.6, drawstyle="steps-post")
    axes.plot(
        tuned.numbers[lost], [0.965] * int(lost.sum()), "x", color=BAD, ms=7, mew=2,
        transform=axes.get_xaxis_transform(),
    )  # fmt: skip


def best_of(axes: Axes, tuned: Tuned) -> None:
    """The curve with its band."""
    count, mean, low, high = (tuned.expected[name] for name in ("trials", "expected_best", "low_95", "high_95"))
    every = np.concatenate((low, high))
    set_y(axes, every, is_log(every))
    set_epochs(axes, 1.0, float(max(len(count), 2)), "k")
    axes.fill_between(count, low, high, color=VALIDATION, alpha=0.18, lw=0)
    axes.plot(count, mean, color=VALIDATION, lw=2.2)
