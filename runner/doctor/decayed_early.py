from __future__ import annotations

from typing import final

from runner.doctor.base import Case, Finding, Rule, number
from runner.doctor.trend import TENTH, UNFINISHED, left

SHARE = 0.5  # of the epochs; half a cosine is below a tenth for a fifth of them, a warm-up before for a few percent


@final
class DecayedEarly(Rule):
    """A schedule that took the rate away while there was still something to learn.

    Source: Grosse, CSC321 lecture 8, SGD learning rate: reducing it "can come at the expense of long-run performance".
    """

    name = "rate decayed too early"
    source = 'Grosse, CSC321 lecture 8: reducing the rate "can come at the expense of long-run performance"'

    def look(self, case: Case) -> Finding | None:
        if not case.long_enough or left(case) < UNFINISHED:
            return None
        rates = [row["lr"] for row in case.rows]
        highest = max(rates)
        after = next((k for k in range(len(rates)) if max(rates[k:]) < TENTH * highest), len(rates))
        if len(rates) - after < SHARE * len(rates):
            return None
        seen = (
            f"the rate fell from {number(highest)} to below a tenth of it after epoch {after} of {len(rates)}, at a "
            f"training loss of {number(case.train[max(0, after - 1)])}; it came to {number(case.train[-1])}, and "
            f"{left(case):.0%} of a constant answer's loss are still in reach"
        )
        return self.found(seen, "schedule=cosine")
