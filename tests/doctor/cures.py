"""Whether a planted run has its fault, where that is a matter of degree: the same run with the cure tells.

The doctor does not see it. A run whose cure makes it hardly better does not have the fault, and does not count.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from runner.doctor.base import Case, Row, command
from runner.doctor.trend import UNFINISHED
from runner.store.folder import read_rows
from tests.doctor.planted import Words
from tests.doctor.trained import trained

TENTH = 0.1


def times(key: str, factor: float) -> Callable[[Words], Words]:
    """The word of a run that sets `key`, with its number multiplied."""

    def change(words: Words) -> Words:
        (given,) = [word for word in words if word.startswith(f"{key}=")]
        return (f"{key}={float(given.partition('=')[2]) * factor:g}",)

    return change


def always(*change: str) -> Callable[[Words], Words]:
    """The same change of every run."""
    return lambda words: change


def ends_lower(case: Case, cured: list[Row]) -> bool:
    """Whether the training loss ends lower by a share of what a constant answer loses."""
    return cured[-1]["train_loss"] <= case.train[-1] - UNFINISHED * case.chance


def is_better(case: Case, cured: list[Row]) -> bool:
    """Whether the validation loss comes lower by a tenth."""
    return min(row["val_loss"] for row in cured) <= (1 - TENTH) * min(case.val)


def is_much_better(case: Case, cured: list[Row]) -> bool:
    """Whether it comes lower by a tenth that is more than a share of what a constant answer loses."""
    best = min(row["val_loss"] for row in cured)
    return is_better(case, cured) and best <= min(case.val) - UNFINISHED * case.chance


# Name of the rule -> (the change that cures, what it has to come to)
CURES: dict[str, tuple[Callable[[Words], Words], Callable[[Case, list[Row]], bool]]] = {
    "DecayedEarly": (always("schedule=constant"), is_much_better),
    "TooLow": (times("lr", 100.0), is_much_better),
    "StoppedEarly": (times("epochs", 4.0), is_better),
    "Flattening": (times("lr", 0.1), ends_lower),
    "NoiseFloor": (times("lr", 0.1), ends_lower),
    "Underfitting": (
        always("architecture=mlp", "architecture.hidden=[64,64]", "regularizer=none"),
        is_much_better,
    ),
}


def has_the_fault(fault: str, words: Words, case: Case, folder: Path) -> bool:
    """Whether the cure makes it better by enough, where that decides; trained in `folder`."""
    if fault not in CURES:
        return True
    change, better = CURES[fault]
    cured = shlex.split(command(shlex.join(["optrun", *words]), change(words)))[1:]
    trained(tuple(cured), folder)
    return better(case, read_rows(folder / "metrics.csv"))
