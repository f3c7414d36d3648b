from __future__ import annotations

from typing import final

from runner.doctor.base import Case, Finding, Rule, number
from runner.doctor.trend import UNFINISHED, held_up, left, quarter, rises

STEEP = 0.1  # of the validation loss, in the last quarter
BOTTOM = UNFINISHED / 2  # of a constant answer's loss; the steps downhill that are tried do not find all
TIMES = 4  # as many epochs


@final
class StoppedEarly(Rule):
    """A run that came to its limit while its losses were falling.

    Source: Sun p. 32: "premature sloping is a sign of early stopping - increase the number of epochs".
    """

    name = "stopped too early"
    source = 'Sun p. 32: "premature sloping is a sign of early stopping - increase the number of epochs!"'

    def look(self, case: Case) -> Finding | None:
        count = len(case.rows)
        if not case.long_enough or count < case.run.limit or rises(case.train) > 0:
            return None
        if case.best <= count - max(2, quarter(case.val)):
            return None
        before, now = case.val[-1 - quarter(case.val)], case.val[-1]
        steep = 1 - now / before if before > 0 else 0.0
        if not case.train[-1] < case.train[-1 - quarter(case.train)]:
            return None
        if nothing_left(case):
            return None
        if steep < STEEP and max(left(case), held_up(case)) < UNFINISHED:
            return None
        seen = (
            f"the validation loss was still falling when the limit of {count} epochs came: by {steep:.0%} in the last "
            f"{quarter(case.val)}, to {number(now)}"
        )
        return self.found(seen, f"epochs={TIMES * case.run.epochs}")


def nothing_left(case: Case) -> bool:
    """Whether more epochs have little to win: the loss is as good as 0, as of separable classes, or lies no higher than
    what is downhill."""
    lowest = case.last is not None and case.last.slid.before - case.last.slid.least < BOTTOM * case.chance
    return case.val[-1] < UNFINISHED * case.chance or lowest
