"""A tune: a sweep whose jobs are proposed batch after batch, each from what the earlier ones gave.

    sweep.json ... 0/ 1/   the folder of a sweep (`runner.sweep`), whose job number n is trial n
    tune.json              what was asked for: ranges, budget, search, goal, and the command
    study.log              Optuna's journal (`runner.tune.study`)
    tune.csv               one row for each trial in order: its setting, what became of it, the best so far
    expected_best.csv      how good the best of k trials is expected to be
    tune.png               both of them (and tune.svg)

The folder of the sweep has one owner, who holds its lock: one process proposes, and as many workers as there are
processors train. Of all these files only tune.json, sweep.json and study.log are needed to go on; the rest is derived.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from runner.core.check import Choice, Count
from runner.core.errors import ConfigError, CorruptError, did_you_mean
from runner.ranges import Interval, Listed
from runner.stop.base import Direction
from runner.store.base import read_json, write_json
from runner.store.folder import sealed, unsealed
from runner.sweep.grid import Cell, Grid
from runner.tune.pruning import Prune
from runner.tune.space import corners, settled

FORMAT = 1
FILE = "tune.json"
FIRST = 10  # trials of the first batch: what TPE draws at random before it learns, and what a median rests on
LATER = 5  # of each later one: small batches learn soon, large ones fill a group; five was chosen, not compared
ALIKE = 32  # where no trial depends on another: as many as train side by side


Proposer = Literal["tpe", "random", "sobol"]
State = Literal["completed", "pruned", "diverged", "failed"]


@dataclass(frozen=True)
class Told:
    """What became of a trial.

    value   of the goal; None where there is none
    epochs  that it had
    """

    number: int
    state: State
    value: float | None
    epochs: int


@dataclass(frozen=True)
class Plan(Choice):
    """The budget of a tune and how it is spent.

    runs: trials, at most
    total_epochs: epochs of all trials together, at most
    search: what proposes the trials
    prune: which of them end early
    goal: the validation number that is searched for, that of the best epoch of a run
    batch: trials that are proposed at once, after the first 10
    """

    runs: Count = 40
    total_epochs: Count | Literal["unlimited"] = "unlimited"
    search: Proposer = "tpe"
    prune: Prune = "none"
    goal: str = "val_loss"
    batch: Count | Literal["auto"] = "auto"

    def size(self, done: int, spent: int, longest: int) -> int:
        """How many trials are proposed next, after `done` of them with `spent` epochs; 0 where the budget is spent.

        Whatever the next trials do, the budget is kept: each may train for `longest` epochs.

        >>> plan = Plan(runs=12, total_epochs=100)
        >>> plan.size(0, 0, 8), plan.size(10, 70, 8), plan.size(10, 90, 8), plan.size(12, 20, 8)
        (10, 2, 1, 0)
        """
        learns = self.search == "tpe" or self.prune != "none"
        later = (LATER if learns else ALIKE) if self.batch == "auto" else self.batch
        size = min(max(later, FIRST) if not done else later, self.runs - done)
        if self.total_epochs != "unlimited":
            size = min(size, (self.total_epochs - spent) // longest)
        return max(0, size)


@dataclass(frozen=True)
class Asked:
    """What a command asks for.

    ranges  as they are typed
    cell    a setting, key -> text, as a job
    typed   what the command said beside its ranges: enough to say it again
    """

    ranges: Sequence[Interval | Listed]
    cell: Callable[[Mapping[str, str]], Cell]
    typed: Mapping[str, Any]
    command: str


@dataclass(frozen=True)
class Search:
    """What is searched, and the facts about its runs that hold for all of them.

    grid     the corners of the space, built
    longest  epochs that a trial may train
    """

    space: list[Interval | Listed]
    grid: Grid
    plan: Plan
    longest: int
    seed: int
    direction: Direction


def searched(asked: Asked, plan: Plan, plugins: tuple[str, ...]) -> Search:
    """The search that a command asks for. Raises `ConfigError` for the first thing in it that is wrong."""
    if not asked.ranges:
        raise ConfigError(
            "",
            asked.command,
            allowed="at least one range: KEY=interval(LOW,HIGH), KEY=A,B or KEY=range(N)",
            do="give lr='interval(1e-4,1)', say; `optrun tune --help` shows examples",
        )
    grid = Grid.of([asked.cell(setting) for setting in corners(asked.ranges)], plugins)
    for refused in grid.refused.values():
        raise refused
    runs = list(grid.runs.values())
    longest = max(run.limit for run in runs)
    if plan.total_epochs != "unlimited" and plan.total_epochs < longest:
        do = f"give total_epochs={longest * plan.runs} for all runs, or fewer epochs=... for each"
        allowed = f"at least the {longest} epochs of one trial"
        raise ConfigError("total_epochs", plan.total_epochs, allowed=allowed, do=do)
    direction, *_ = [direction_of(plan.goal, run.loss.metrics) for run in runs]
    return Search(settled(asked.ranges, runs[0]), grid, plan, longest, runs[0].seed, direction)


def direction_of(goal: str, metrics: Mapping[str, str]) -> Direction:
    """Whether a lower or a higher goal is better. Raises `ConfigError` where it is not measured.

    metrics  beside the loss: name -> which way is better
    """
    known: dict[str, Direction] = {"val_loss": "min"}
    for name, direction in metrics.items():
        known[f"val_{name}"] = "max" if direction == "max" else "min"
    if goal not in known:
        do = f"{did_you_mean(goal, list(known))}give goal=val_loss, say"
        raise ConfigError("goal", goal, allowed=f"one of {', '.join(known)}", do=do)
    return known[goal]


def is_tune(path: Path) -> bool:
    """Whether a folder holds a tune."""
    return (path / FILE).is_file()


def write_plan(path: Path, plan: Plan, asked: Asked) -> None:
    """Write tune.json, which holds the hash of itself."""
    content = {"format": FORMAT, "command": asked.command, **asdict(plan), "typed": dict(asked.typed)}
    write_json(path / FILE, sealed(content))


def read_plan(path: Path) -> tuple[Plan, str, dict[str, Any]]:
    """(plan, command, what was typed) of tune.json; `CorruptError` where it was changed or is of another format."""
    content = read_json(path / FILE)
    if content.get("format") != FORMAT:
        raise CorruptError(f"{path} has format {content.get('format')}; this optrun reads tunes of format {FORMAT}")
    if not unsealed(content):
        raise CorruptError(f"{path / FILE} was changed or damaged since it was written")
    return Plan(**{name: content[name] for name in vars(Plan())}), content["command"], content["typed"]
