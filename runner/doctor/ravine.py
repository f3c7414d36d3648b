from __future__ import annotations

from typing import final

from runner.doctor.base import Case, Finding, Rule, number
from runner.doctor.scaling import INPUTS, rescaled

# The widest column's mean square over the middle column's variance bounds from below by how much the curvatures of a
# linear layer differ. A thousand steps along the one are one along the other.
RATIO = 1000.0
DONE = 0.1  # of what a constant answer loses: a run that came below it has not minded its inputs


@final
class Ravine(Rule):
    """Inputs in units so different, or so far from 0, that no one rate suits all weights.

    For a linear layer and squared errors the Hessian is E[(x 1)(x 1)'], whose largest eigenvalue is at least the mean
    square of the widest column.

    Source: Grosse, CSC321 lecture 8, ravines: center the inputs to zero mean and unit variance.
    """

    name = "ravine (badly scaled inputs)"
    source = 'Grosse, CSC321 lecture 8, ravines: "center your inputs to zero mean and unit variance"'

    def look(self, case: Case) -> Finding | None:
        if case.measured is None:
            return None
        spread = case.measured.spread
        if spread.widest < INPUTS and spread.ratio < RATIO:
            return None
        if case.status == "completed" and min(case.val) < DONE * case.chance:
            return None
        seen = (
            f"the widest column of the inputs has a mean square of {number(spread.widest)}, {number(spread.ratio)} "
            "times the variance of the middle one"
        )
        return self.found(seen, *rescaled())
