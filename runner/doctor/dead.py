from __future__ import annotations

from typing import final

from runner.doctor.base import Case, Finding, Rule
from runner.doctor.scaling import scaled_init

DEAD = (
    0.9  # of a layer; Kaiming's start leaves at most a third dead on inputs of one column, and training as much again
)
FLAT = 0.8  # of the inputs of an activation; a tanh net that has learned digits has 0.2


@final
class Dead(Rule):
    """A layer whose units are dead or saturated from the start on: through them no gradient comes back.

    Source: Grosse, CSC321 lecture 8, plateaux: saturated and dead units; Sun p. 8, 9.
    """

    name = "dead or saturated units"
    source = "Grosse, CSC321 lecture 8, plateaux (saturated units, dead units); Sun p. 8 and 9"

    def look(self, case: Case) -> Finding | None:
        if case.measured is None:
            return None
        first = case.measured.first
        last = case.last.inside if case.last else first
        for layer, (before, after) in enumerate(zip(first.dead, last.dead, strict=True), 1):
            if min(before, after) >= DEAD:
                seen = f"{after:.0%} of the units after layer {layer} are dead ({before:.0%} at the start)"
                return self.found(seen, *scaled_init(case))
        for layer, (before, after, gate) in enumerate(
            zip(first.saturated, last.saturated, first.gates, strict=True), 1
        ):
            if min(before, after) >= FLAT and not gate:
                seen = f"activation {layer} is saturated at {after:.0%} of its inputs ({before:.0%} at the start)"
                return self.found(seen, *scaled_init(case))
        return None
