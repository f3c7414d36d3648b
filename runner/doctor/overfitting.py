from __future__ import annotations

from typing import final

from runner.doctor.base import Case, Finding, Rule, number

RISE = 1.15  # times the lowest validation loss, at the end; a validation part of 100 examples wavers by a tenth
AFTER = 20  # epochs since the lowest: twice the patience that early stopping has by default
APART = 1.5  # times the training loss is the validation loss


@final
class Overfitting(Rule):
    """A validation loss that has long been rising while the training loss fell.

    Source: Su, dropout, "the overfitting issue"; Sun p. 44, early stopping on the validation error.
    """

    name = "overfitting"
    source = 'Sun p. 44, early stopping; Su, dropout: "overfitting"'

    def look(self, case: Case) -> Finding | None:
        if not case.long_enough or len(case.rows) - case.best < AFTER:
            return None
        least, now, train = case.val[case.best - 1], case.val[-1], case.train
        if now < RISE * least or now < APART * train[-1] or train[-1] > train[case.best - 1]:
            return None
        seen = (
            f"the validation loss was lowest in epoch {case.best} ({number(least)}) and rose to {number(now)}, while "
            f"the training loss fell from {number(train[case.best - 1])} to {number(train[-1])}"
        )
        return self.found(seen, "stop=any_of", "regularizer=l2", "regularizer.strength=0.001")
