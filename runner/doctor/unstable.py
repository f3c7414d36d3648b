from __future__ import annotations

import math
from typing import final

from runner.doctor.base import Case, Finding, Rule, number, times_rate
from runner.doctor.trend import HALF, quarter

# The start's loss, or a constant answer's. Tenfold a network may come back from, as at the edge of stability; a loss of
# scores a hundred times too large takes weights that a good rate does not reach again.
TIMES = 100.0
LOWER = 0.1


@final
class Unstable(Rule):
    """A rate much too high: the loss grows, to where it is not finite or far above its start, and does not come back.

    On a quadratic, gradient descent with rate lr multiplies the error along an eigenvector by 1 - lr lambda: for
    lr lambda > 2 it grows in every step.

    Source: Grosse, CSC321 lecture 8, learning rate: "much too large: instability".
    """

    name = "rate much too high (instability)"
    source = 'Grosse, CSC321 lecture 8: "much too large: instability"'

    def look(self, case: Case) -> Finding | None:
        if not case.steps_by_rate:
            return None
        known = [value for value in (*case.train, *case.val) if math.isfinite(value)]
        if case.status == "diverged":
            highest = f", after {number(max(known))}" if known else ""
            where = f"in epoch {case.rows[-1]['epoch']}, step {case.rows[-1]['step']}"
            return self.found(f"the run diverged {where}{highest}; lr {number(case.run.lr)}", times_rate(case, LOWER))
        start = case.measured.first.loss if case.measured else known[0]
        bound = max(start, case.chance) if math.isfinite(case.chance) else start
        if max(known) < TIMES * bound or min(case.train[-quarter(case.train) :]) < HALF * case.chance:
            return None
        seen = f"the loss rose to {number(max(known))}, from {number(start)} at the start; lr {number(case.run.lr)}"
        return self.found(seen, times_rate(case, LOWER))
