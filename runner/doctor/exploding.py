from __future__ import annotations

from typing import final

from runner.doctor.base import Case, Finding, Rule, number
from runner.doctor.scaling import scaled_init

ORDERS = 1000.0  # three orders of magnitude between the first layer and the last; a well-scaled start stays below 10


def growth(backward: tuple[float, ...]) -> float | None:
    """By how much the gradient of a layer's outputs is larger in the first layer than in the last; None: not known."""
    if len(backward) < 2 or not backward[0] or not backward[-1]:
        return None
    return backward[0] / backward[-1]


@final
class Exploding(Rule):
    """A gradient that grows from layer to layer on its way back, before the first step.

    Source: Sun p. 33; Glorot & Bengio 2010, section 4.2: what a layer multiplies the variance of the gradient by.
    """

    name = "exploding gradients"
    source = "Sun p. 33; Glorot & Bengio 2010, section 4.2"

    def look(self, case: Case) -> Finding | None:
        if case.measured is None:
            return None
        backward = case.measured.first.backward
        times = growth(backward)
        if times is None or times < ORDERS:
            return None
        seen = (
            f"at the start the gradient of a layer's outputs grows {number(times)} times from layer {len(backward)} "
            f"({number(backward[-1])}) back to layer 1 ({number(backward[0])})"
        )
        return self.found(seen, *scaled_init(case))
