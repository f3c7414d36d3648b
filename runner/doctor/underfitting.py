from __future__ import annotations

import math
from typing import final

from runner.doctor.base import Case, Finding, Rule
from runner.doctor.measure import NEIGHBOURS
from runner.doctor.trend import level

TIMES = 2.0  # as many mistakes, or as much loss, as the neighbours
DEVIATIONS = 3.0  # of the difference of two shares: by chance once in 700 runs


@final
class Underfitting(Rule):
    """A network too small, or held too short: it has come to its level, and its nearest neighbours know better.

    The answer of the nearest training examples needs no training, no rate and no capacity.

    Source: Cover & Hart 1967: with many examples it errs at most twice as often as anything can.
    """

    name = "underfitting"
    source = "Cover & Hart 1967 (nearest neighbours); Goodfellow, Bengio & Courville 2016, section 5.2"

    def look(self, case: Case) -> Finding | None:
        if case.measured is None or not case.long_enough or not level(case):
            return None
        row = case.rows[case.best - 1]
        if "accuracy" in case.measured.neighbours and "val_accuracy" in row:
            theirs, ours = 1 - case.measured.neighbours["accuracy"], 1 - row["val_accuracy"]
            error = math.sqrt((theirs * (1 - theirs) + ours * (1 - ours)) / case.validation)
            if ours <= TIMES * theirs or ours - theirs <= DEVIATIONS * error:
                return None
            told = f"{ours:.1%} mistakes on validation at best; the {NEIGHBOURS} nearest neighbours make {theirs:.1%}"
        elif "loss" in case.measured.neighbours:
            loss = case.measured.neighbours["loss"]
            if row["val_loss"] <= TIMES * loss:
                return None
            told = f"validation loss {row['val_loss']:.3g} at best, the mean of the {NEIGHBOURS} nearest {loss:.3g}"
        else:
            return None
        return self.found(f"{told}; the training loss has come to a level", *self.larger(case))

    def larger(self, case: Case) -> tuple[str, ...]:
        """Less of a penalty where there is one, else more hidden units."""
        if case.run.regularizer.term:
            return ("regularizer=none",)
        return ("architecture=mlp", "architecture.hidden=[128,128]")
