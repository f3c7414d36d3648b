from __future__ import annotations

import math
from collections.abc import Mapping
from typing import final

from runner.architecture.mlp import MLP
from runner.doctor.base import Case, Finding, Rule, number
from runner.doctor.measure import NEIGHBOURS
from runner.doctor.trend import UNFINISHED, at_rest, left

TIMES = 2.0  # as many mistakes, or as much loss, as the neighbours
APART = 0.1  # of a constant answer's loss: of separable classes all losses are small, and no matter
LEAST = 128  # units of a layer, as the default has
WIDER = 2
DEVIATIONS = 3.0  # of the difference of two shares: by chance once in 700 runs


@final
class Underfitting(Rule):
    """A network too small, or held too short: it has come to its level, and its nearest neighbours know better.

    The answer of the nearest training examples needs no training, no rate and no capacity; that of support vectors,
    with numbers, follows a curve between them.

    Source: Cover & Hart 1967: with many examples it errs at most twice as often as anything can. Smola & Schoelkopf
    2004, support vector regression.
    """

    name = "underfitting"
    source = "Cover & Hart 1967 (nearest neighbours); Goodfellow, Bengio & Courville 2016, section 5.2"

    def look(self, case: Case) -> Finding | None:
        if case.measured is None or not case.long_enough or not at_rest(case):
            return None
        if left(case) >= UNFINISHED:  # the network could do better than training has
            return None
        told = in_mistakes(case, case.measured.neighbours) or in_loss(case, case.measured.neighbours)
        if told is None:
            return None
        return self.found(f"{told}; the training loss has come to a level", *larger(case))


def in_mistakes(case: Case, theirs: Mapping[str, float]) -> str | None:
    """What is seen where the run makes clearly more mistakes than its neighbours."""
    row = case.rows[case.best - 1]
    if "accuracy" not in theirs or "val_accuracy" not in row:
        return None
    their, our = 1 - theirs["accuracy"], 1 - row["val_accuracy"]
    error = math.sqrt((their * (1 - their) + our * (1 - our)) / case.validation)
    if our <= TIMES * their or our - their <= DEVIATIONS * error:
        return None
    return f"{our:.1%} mistakes on validation at best; the {NEIGHBOURS} nearest neighbours make {their:.1%}"


def in_loss(case: Case, theirs: Mapping[str, float]) -> str | None:
    """What is seen where it loses clearly more, as where a penalty holds the scores of the right answers down."""
    if "loss" not in theirs:
        return None
    row, (who, their) = case.rows[case.best - 1], knows_best(theirs)
    if min(row["train_loss"], row["val_loss"]) <= max(TIMES * their, their + APART * case.chance):
        return None
    return f"validation loss {number(row['val_loss'])} at best, {who} {number(their)}"


def knows_best(theirs: Mapping[str, float]) -> tuple[str, float]:
    """Who of those that need no training loses least, and how much."""
    if theirs.get("vectors", math.inf) < theirs["loss"]:
        return "support vectors", theirs["vectors"]
    return f"the {'shares' if 'accuracy' in theirs else 'mean'} of the {NEIGHBOURS} nearest", theirs["loss"]


def larger(case: Case) -> tuple[str, ...]:
    """Less of a penalty where there is one, else more hidden units."""
    if case.run.regularizer.term:
        return ("regularizer=none",)
    match case.run.architecture:
        case MLP(hidden=hidden) if hidden:
            widths = [max(LEAST, WIDER * width) for width in hidden]
        case _:
            widths = [LEAST, LEAST]
    return ("architecture=mlp", f"architecture.hidden=[{','.join(map(str, widths))}]")
