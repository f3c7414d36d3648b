from __future__ import annotations

from typing import final

from runner.doctor.base import Case, Finding, Rule, number
from runner.doctor.exploding import ORDERS, growth
from runner.doctor.scaling import scaled_init
from runner.doctor.trend import HALF


@final
class Vanishing(Rule):
    """A gradient that shrinks from layer to layer on its way back, at the start and still at the end.

    Or no longer at the end, where the run has spent its epochs on getting that far and learned little.

    Source: Sun p. 33: "derivatives for early layers tend to be order of magnitude smaller"; Glorot & Bengio 2010.
    """

    name = "vanishing gradients"
    source = "Sun p. 33; Glorot & Bengio 2010, section 4.2"

    def look(self, case: Case) -> Finding | None:
        if case.measured is None or case.last is None:
            return None
        first, last = case.measured.first.backward, case.last.inside.backward
        still = shrinks(last)
        if not shrinks(first) or not (still or case.train[-1] >= HALF * case.chance):
            return None
        backward = last if still else first
        where = f"in layer {len(backward)} to {number(backward[0])} in layer 1"
        when = (
            ", and did so at the start" if still else f" at the start; the training loss is at {number(case.train[-1])}"
        )
        seen = f"the gradient of a layer's outputs falls from {number(backward[-1])} {where}{when}"
        if not all(case.measured.first.gates):  # a slope of at most 1/4, as the sigmoid's, shrinks it in every layer
            return self.found(seen, "architecture/activation=relu", "init=kaiming_normal")
        return self.found(seen, *scaled_init(case))


def shrinks(backward: tuple[float, ...]) -> bool:
    """Whether the gradient of a layer's outputs is orders of magnitude smaller in the first layer than in the last."""
    times = growth(backward)
    return times is not None and times <= 1 / ORDERS
