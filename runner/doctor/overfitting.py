from __future__ import annotations

from typing import final

from runner.doctor.base import Case, Finding, Rule, number
from runner.regularizer.l2 import L2

RISE = 1.15  # times the lowest validation loss, at the end; a validation part of 100 examples wavers by a tenth
AFTER = 20  # epochs since the lowest: twice the patience that early stopping has by default
APART = 1.5  # times the training loss is the validation loss
STRENGTH = 0.001  # of the penalty that is advised at first
STRONGER = 10.0  # where there is one


@final
class Overfitting(Rule):
    """A validation loss that has long been rising while the training loss fell.

    Source: Su, dropout, "the overfitting issue"; Sun p. 44, early stopping on the validation error.
    """

    name = "overfitting"
    source = 'Sun p. 44, early stopping; Su, dropout: "overfitting"'

    def look(self, case: Case) -> Finding | None:
        if not case.long_enough or case.val[-1] < APART * case.train[-1]:
            return None
        seen = risen(case) or by_heart(case)
        return self.found(seen, "stop=any_of", "regularizer=l2", penalty(case)) if seen else None


def risen(case: Case) -> str | None:
    """What is seen where the validation loss has long been rising."""
    least, now, train = case.val[case.best - 1], case.val[-1], case.train
    if len(case.rows) - case.best < AFTER or now < RISE * least or train[-1] > train[case.best - 1]:
        return None
    return (
        f"the validation loss was lowest in epoch {case.best} ({number(least)}) and rose to {number(now)}, while "
        f"the training loss fell from {number(train[case.best - 1])} to {number(train[-1])}"
    )


def by_heart(case: Case) -> str | None:
    """What is seen where the validation loss did not rise, since nothing was learned but the training examples."""
    if len(case.rows) < AFTER or not case.val[-1] >= case.chance >= APART * case.train[-1]:
        return None
    return (
        f"the training loss came to {number(case.train[-1])}, the validation loss to {number(case.val[-1])}, where a "
        f"constant answer has {number(case.chance)}"
    )


def penalty(case: Case) -> str:
    """The word for a penalty, or for more of the one that there is."""
    match case.run.regularizer:
        case L2(strength=strength):
            return f"regularizer.strength={STRONGER * strength:g}"
        case _:
            return f"regularizer.strength={STRENGTH:g}"
