from __future__ import annotations

from typing import final

from runner.doctor.base import Case, Finding, Rule
from runner.doctor.scaling import scaled_init

IDLE = 0.5  # more than half of the loss lies where it cannot be seen to fall
HIGH = 0.5  # of what a constant answer loses


@final
class Plateau(Rule):
    """A loss that stays high because it is flat there: most of it comes from examples whose scores it does not move.

    For cross entropy this cannot be, whose slope grows with the loss; for squared errors behind a sigmoid or a softmax
    it can: dL/dz holds the factor p (1 - p).

    Source: Grosse, CSC321 lecture 8, plateaux: "logistic activations & least squares".
    """

    name = "plateau"
    source = 'Grosse, CSC321 lecture 8, plateaux: "0-1 loss, hard threshold activations, logistic & least squares"'

    def look(self, case: Case) -> Finding | None:
        if case.last is None or not case.train[-1] >= HIGH * case.chance:
            return None
        idle = case.last.inside.idle
        if not idle >= IDLE:
            return None
        seen = (
            f"{idle:.0%} of the loss {case.train[-1]:.3g} comes from examples at which its slope is below a hundredth "
            "of what it is at scores of 0"
        )
        better = {"softmax_squared": "cross_entropy", "sigmoid_squared": "bce"}.get(case.run.loss.name)
        return self.found(seen, *((f"loss={better}",) if better else scaled_init(case)))
