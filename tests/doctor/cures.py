"""Whether a planted run has its fault, where that is a matter of degree: the same run with the cure tells.

The doctor does not see it, nor does it see what the doctor says. A run counts where the cure

    brings the lowest validation loss clearly down     rate decayed early, rate too low, stopped early, underfitting
    brings the training loss at the end clearly down   premature flattening, noise floor
    came to a validation loss clearly below the end's  overfitting, whose cure is to stop early
    halves what the training loss climbs               oscillation

Clearly: by a tenth, or of training losses by a share of what a constant answer loses. A loss that once blew up has
another fault than flattening or swinging. A healthy run that came to its limit does not count where four times the
epochs bring its validation loss clearly down.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from runner.doctor.base import Case, Row, command
from runner.doctor.trend import UNFINISHED, climbed, quarter
from runner.store.folder import read_rows
from tests.doctor.planted import Words
from tests.doctor.trained import trained

TENTH = 0.1
BLOWN_UP = 100.0  # times what a constant answer loses; what swings, or stands at a level, stays within tens of it


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
    """Whether the training loss ends lower by a share of what a constant answer loses, and did not blow up before."""
    ended = at_the_end([row["train_loss"] for row in cured])
    return not blew_up(case) and ended <= at_the_end(case.train) - UNFINISHED * case.chance


def at_the_end(losses: Sequence[float]) -> float:
    """The middle one of the last quarter: the very last may be a good one or a bad one."""
    return median(losses[-quarter(losses) :])


def blew_up(case: Case) -> bool:
    """Whether the loss was once so high that the run has another fault than one of its later epochs."""
    return max(case.train) >= BLOWN_UP * case.chance


def is_better(case: Case, cured: list[Row]) -> bool:
    """Whether the validation loss comes clearly lower."""
    return clearly_below(min(row["val_loss"] for row in cured), min(case.val), case)


def was_better(case: Case, cured: list[Row]) -> bool:
    """Whether the validation loss had been clearly lower than it is at the end."""
    return clearly_below(min(row["val_loss"] for row in cured), at_the_end(case.val), case)


def clearly_below(loss: float, other: float, case: Case) -> bool:
    """By a tenth that is more than a share of what a constant answer loses: 0.001 beside 0.002 is no matter."""
    return loss <= (1 - TENTH) * other and loss <= other - UNFINISHED * case.chance


def swings_less(case: Case, cured: list[Row]) -> bool:
    """Whether the training loss climbs half as much, of a run in which it climbs much, and did not blow up."""
    ours, theirs = climbed(case.train), climbed([row["train_loss"] for row in cured])
    return not blew_up(case) and ours >= TENTH * case.chance and theirs <= ours / 2


# Name of the rule -> (the change that cures, what it has to come to)
CURES: dict[str, tuple[Callable[[Words], Words], Callable[[Case, list[Row]], bool]]] = {
    "DecayedEarly": (always("schedule=constant"), is_better),
    "TooLow": (times("lr", 100.0), is_better),
    "StoppedEarly": (times("epochs", 4.0), is_better),
    "Oscillating": (times("lr", 1 / 3), swings_less),
    "Overfitting": (always("stop=any_of"), was_better),
    "Flattening": (times("lr", 0.1), ends_lower),
    "NoiseFloor": (times("lr", 0.1), ends_lower),
    "Underfitting": (
        always("architecture=mlp", "architecture.hidden=[64,64]", "regularizer=none"),
        is_better,
    ),
}


def has_the_fault(fault: str, words: Words, case: Case, folder: Path) -> bool:
    """Whether the cure makes it better by enough, where that decides; trained in `folder`."""
    return fault not in CURES or cured(fault, words, case, folder)


def is_healthy(words: Words, case: Case, folder: Path) -> bool:
    """Whether it came to an end of its own, or four times the epochs, trained in `folder`, make it hardly better."""
    return len(case.rows) < case.run.limit or not cured("StoppedEarly", words, case, folder)


def cured(fault: str, words: Words, case: Case, folder: Path) -> bool:
    """Whether the cure of a fault makes a run better."""
    change, better = CURES[fault]
    twin = shlex.split(command(shlex.join(["optrun", *words]), change(words)))[1:]
    trained(tuple(twin), folder)
    return better(case, read_rows(folder / "metrics.csv"))
