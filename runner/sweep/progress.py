"""What is said of the runs of a sweep while they end: a line each where they are few, otherwise where the sweep stands.

Whatever went wrong is named; of many runs with the same error the first one is, and at the end how many they were.
"""

from __future__ import annotations

import time
from collections import Counter

from runner.screen.base import LISTED, Screen
from runner.sweep.base import Row, ranked

KNOWING_S = 2.0  # before which the time left is not told: the first runs wait for imports and files
ERRORS = 20  # different ones that are named in a large sweep


class Progress:
    """Counts of a sweep in progress; `running` is how many runs are being trained now."""

    def __init__(self, screen: Screen, total: int) -> None:
        self.screen = screen
        self.total = total
        self.running = 0
        self.statuses: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.best: Row | None = None
        self.known = 0
        self.begun = time.monotonic()

    @property
    def done(self) -> int:
        return self.statuses.total()

    def before(self, row: Row) -> None:
        """A run had ended before this process began."""
        self.known += 1
        self.counted(row)

    def ended(self, row: Row) -> None:
        """A run has ended, somehow."""
        self.counted(row)
        if self.total <= LISTED:
            self.screen.say(self.line(row))
        elif row.status not in ("completed", "diverged"):
            text = f"{row.status.upper()}: {row.verdict}"
            self.errors[text] += 1
            if self.errors[text] == 1 and len(self.errors) <= ERRORS:
                self.screen.say(self.line(row))
        self.shown()

    def counted(self, row: Row) -> None:
        self.statuses[row.status] += 1
        if row.status == "completed":
            self.best = ranked([*filter(None, [self.best]), row])[0]

    def shown(self) -> None:
        """Where the sweep stands."""
        self.screen.standing(self.text(), self.done, self.total)

    def text(self) -> str:
        """Runs that are being trained, runs that did not complete, the time left, the best one so far."""
        parts = [f"{self.running} running"] if self.running else []
        parts += [f"{count} {status}" for status, count in self.statuses.items() if status != "completed"]
        parts += self.left()
        if self.best is not None:
            parts.append(f"best val_loss {self.best.number('best_val_loss'):.5g} ({named(self.best)})")
        return ", ".join(parts)

    def left(self) -> list[str]:
        """The time left, if the runs to come take as long as those of this process did."""
        done, left, spent = self.done - self.known, self.total - self.done, time.monotonic() - self.begun
        if not done or not left or spent < KNOWING_S:
            return []
        seconds = spent / done * left
        return [f"{seconds:.0f} s left" if seconds < 100 else f"{seconds / 60:.0f} min left"]

    def line(self, row: Row) -> str:
        """A job in one line, as it ends."""
        done = f"[{self.done}/{self.total}] {named(row)}: "
        best = row.number("best_val_loss")
        if row.status == "completed" and best is not None:
            return done + f"best val_loss {best:.5g} in epoch {row.best_epoch}, {row.epochs} epochs"
        return done + f"{row.status.upper()}: {row.verdict}"

    def summed_up(self) -> None:
        """At the end: how often what was named once has happened."""
        for text, count in list(self.errors.items())[:ERRORS]:
            if count > 1:
                self.screen.say(f"{count} runs {text}")
        if len(self.errors) > ERRORS:
            self.screen.say(f"{len(self.errors) - ERRORS} more kinds of errors; sweep.csv names all of them")


def named(row: Row) -> str:
    """A job by what was varied."""
    return " ".join(f"{key}={value}" for key, value in row.values.items()) or " ".join(row.job.overrides)
