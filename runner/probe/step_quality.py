from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from runner.probe.base import Network, OfSteps, Step


@final
@dataclass(frozen=True)
class StepQuality(OfSteps):
    """How far along its own parabola a step went, and how well the slope foretold its gain.

        phi(s) = L_B(theta + s d),   d: the step,   q(s): the parabola through phi(0), phi'(0), phi(1)
        alpha = 1/s* - 1,   s*: where q is smallest
        gain  = (phi(0) - phi(1)) / -phi'(0)

    on the mini-batch of the last step of the epoch. alpha is -1 where the step stays at the start, 0 where it goes to
    the minimum, 1 where it goes to the same height on the other side and beyond that uphill. gain is 1 where the loss
    is straight, 1/2 at the minimum of a parabola, below 0 uphill. alpha is nan where q has no minimum.

    Costs a gradient and an evaluation on a mini-batch an epoch, which are not counted. Runs with it train one by one.

    >>> StepQuality().columns
    ()

    Source: Schneider, Dangel & Hennig 2021, Cockpit (arXiv 2102.06604), "alpha".
    """

    def stepped(self, network: Network) -> tuple[str, ...]:
        return ("alpha", "gain")

    def measure_step(self, step: Step) -> tuple[float, ...]:
        here, there = step.value
        slope = float(step.gradient @ step.update)
        if slope == 0:
            return (math.nan, math.nan)
        bend = there - here - slope
        return (-2 * bend / slope - 1 if bend > 0 else math.nan, (here - there) / -slope)
