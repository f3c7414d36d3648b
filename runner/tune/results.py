"""What a tune says at its end: its trials, the best of them, and how good the best of fewer would have been."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.screen.base import percent
from runner.stop.base import Direction
from runner.sweep.base import Row, cell, write_csv
from runner.tune.base import State, Told
from runner.tune.expected import Expected, expected

SHOWN = 20  # trials of the table on the screen; all of them are in tune.csv
MARKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # numbers of trials of which the screen tells the expected best

Table = tuple[list[str], list[list[str]], str]  # header, cells, caption


@dataclass(frozen=True)
class Trial:
    """A trial that has ended."""

    row: Row
    told: Told
    setting: Mapping[str, str]

    @property
    def number(self) -> int:
        return self.told.number

    @property
    def value(self) -> float:
        """Its number, NaN where it has none."""
        return math.nan if self.told.value is None else self.told.value


@dataclass(frozen=True)
class Results:
    """All trials in their order."""

    trials: Sequence[Trial]
    goal: str
    direction: Direction
    seed: int

    @property
    def ranked(self) -> list[Trial]:
        """Completed trials from the best to the worst, then pruned ones, then the others in their order."""
        sign = 1 if self.direction == "min" else -1
        order: dict[State, int] = {"completed": 0, "pruned": 1, "diverged": 2, "failed": 2}

        def key(trial: Trial) -> tuple[int, float, int]:
            place = order[trial.told.state]
            return place, sign * trial.value if place < 2 else 0.0, trial.number

        return sorted(self.trials, key=key)

    @property
    def best(self) -> Trial | None:
        """The best of those that completed."""
        first = self.ranked[0] if self.trials else None
        return first if first and first.told.state == "completed" else None

    def best_so_far(self) -> Iterator[float]:
        """After each trial, the best value of those that completed; NaN before the first."""
        better, held = (min, math.nan) if self.direction == "min" else (max, math.nan)
        for trial in self.trials:
            if trial.told.state == "completed":
                held = trial.value if math.isnan(held) else better(held, trial.value)
            yield held

    def curve(self) -> list[Expected]:
        """The expected best of k trials; what has no number, or less training, counts as it stands at the end.

        A pruned trial counts with what it had reached, one that diverged or failed as the worst of all that have one.
        """
        known = [trial.value for trial in self.trials if math.isfinite(trial.value)]
        if not known:
            return []
        worst = max(known) if self.direction == "min" else min(known)
        values = [trial.value if math.isfinite(trial.value) else worst for trial in self.trials]
        return expected(values, self.direction, self.seed)

    def counts(self) -> str:
        """What became of the trials, in words."""
        counted = Counter(trial.told.state for trial in self.trials)
        return ", ".join(f"{number} {state}" for state, number in counted.most_common())


def write_results(path: Path, results: Results, curve: Sequence[Expected]) -> None:
    """Write tune.csv and expected_best.csv."""
    keys = list(results.trials[0].setting)
    lines = [["trial", "dir", *keys, "state", results.goal, "epochs", "total_epochs", "best_so_far"]]
    total = 0
    for trial, best in zip(results.trials, results.best_so_far(), strict=True):
        total += trial.told.epochs
        value, held = (cell(None if math.isnan(x) else x) for x in (trial.value, best))
        about = [str(trial.number), trial.row.job.folder, *trial.setting.values(), trial.told.state]
        lines.append([*about, value, str(trial.told.epochs), str(total), held])
    write_csv(path / "tune.csv", lines)
    told = [[str(each.trials), cell(each.mean), cell(each.low), cell(each.high)] for each in curve]
    write_csv(path / "expected_best.csv", [["trials", "expected_best", "low_95", "high_95"], *told])


def table_of_trials(results: Results) -> Table:
    """The trials from the best to the worst."""
    order = results.ranked
    header = ["rank", "trial", *order[0].setting, "state", results.goal, "epochs"]
    cells = []
    for rank, trial in enumerate(order[:SHOWN], start=1):
        good = trial.told.state == "completed"
        value = percent(results.goal, trial.value) if math.isfinite(trial.value) else ""
        about = [str(rank) if good else "-", str(trial.number), *trial.setting.values()]
        cells.append([*about, trial.told.state, value, str(trial.told.epochs)])
    more = f"; {len(order) - SHOWN} more in tune.csv" if len(order) > SHOWN else ""
    return header, cells, f"ranked by {results.goal} of the best epoch, completed trials first{more}"


def table_of_expected(results: Results, curve: Sequence[Expected], learns: bool) -> Table:
    """How good the best of some numbers of trials is expected to be."""
    shown = [each for each in curve if each.trials in MARKS or each is curve[-1]]
    cells = [
        [str(each.trials), *(percent(results.goal, value) for value in (each.mean, each.low, each.high))]
        for each in shown
    ]
    caption = "expected best of k trials, with a bootstrap interval of 95 %"
    caption += "; drawn from these, whose later ones had learned from the first" if learns else ""
    return ["k", results.goal, "low", "high"], cells, caption
