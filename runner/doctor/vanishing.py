from __future__ import annotations

from typing import final

from runner.doctor.base import Case, Finding, Rule, number
from runner.doctor.exploding import ORDERS, growth
from runner.doctor.scaling import scaled_init


@final
class Vanishing(Rule):
    """A gradient that shrinks from layer to layer on its way back, at the start and still at the end.

    Source: Sun p. 33: "derivatives for early layers tend to be order of magnitude smaller"; Glorot & Bengio 2010.
    """

    name = "vanishing gradients"
    source = "Sun p. 33; Glorot & Bengio 2010, section 4.2"

    def look(self, case: Case) -> Finding | None:
        if case.measured is None or case.last is None:
            return None
        backward = case.last.inside.backward
        times = [growth(each) for each in (case.measured.first.backward, backward)]
        if any(each is None or each > 1 / ORDERS for each in times):
            return None
        seen = (
            f"the gradient of a layer's outputs falls from {number(backward[-1])} in layer {len(backward)} to "
            f"{number(backward[0])} in layer 1, and did so at the start"
        )
        if not all(case.measured.first.gates):  # a slope of at most 1/4, as the sigmoid's, shrinks it in every layer
            return self.found(seen, "architecture/activation=relu", "init=kaiming_normal")
        return self.found(seen, *scaled_init(case))
