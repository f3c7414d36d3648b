from __future__ import annotations

import math
from typing import final

from runner.doctor.base import Case, Finding, Rule, number, times_rate
from runner.doctor.trend import OFTEN, TENTH, alternates, climbed, rises

LOWER = 1 / 3  # Grosse's grid: 0.1, 0.03, 0.01
# Of the curvature at which the rule stops to converge: above it, gradient descent jumps to the other side of the valley
# in every step, and the heavy ball turns by a quarter and more. Far below, what swings is momentum, and dies away.
EDGE = 0.5
TURNS = 0.5  # of the changes: a swing of momentum below that curvature takes five steps and more in each direction


@final
class Oscillating(Rule):
    """In batch mode, a loss that goes up again and again: the steps are longer than the valley is wide.

    On a quadratic, gradient descent with 1 < lr lambda < 2 jumps to the other side in every step, and for more it
    climbs; networks then often stay there, at the edge of stability.

    Source: Grosse, CSC321 lecture 8: "too large: oscillations"; Cohen et al. 2021 (arXiv 2103.00065).
    """

    name = "rate too high (oscillation)"
    source = 'Grosse, CSC321 lecture 8: "too large: oscillations"; Cohen et al. 2021 (arXiv 2103.00065)'

    def look(self, case: Case) -> Finding | None:
        if not (swings(case) and (alternates(case.train) >= TURNS or at_the_edge(case) or thrown_up(case))):
            return None
        seen = f"each step sees all the examples, and the loss rose in {rises(case.train, 0):.0%} of the epochs"
        if case.last is not None and math.isfinite(case.last.sharpness):
            stable = case.run.optimizer.stable_below(case.rows[-1]["lr"])
            edge = f", where the rule is stable below {number(stable)}" if stable else ""
            seen += f"; the largest curvature is {number(case.last.sharpness)}{edge}"
        return self.found(seen, times_rate(case, LOWER))


def swings(case: Case) -> bool:
    """Whether the loss of all the examples goes up again and again."""
    if case.in_batches or not case.long_enough or not case.steps_by_rate:
        return False
    return rises(case.train, 0) >= OFTEN or climbed(case.train) >= TENTH * case.chance


def at_the_edge(case: Case) -> bool:
    """Whether the curvature is measured, and too large for the rate."""
    stable = case.run.optimizer.stable_below(case.rows[-1]["lr"])
    return case.last is not None and stable is not None and case.last.sharpness >= EDGE * stable


def thrown_up(case: Case) -> bool:
    """Whether the loss climbed above where it began: what swings by momentum alone does not, as a pendulum does not."""
    return max(case.train[1:]) > max(case.train[0], case.chance)
