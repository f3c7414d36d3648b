from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from runner.core.check import Count
from runner.core.errors import Diverged
from runner.probe.base import Observation, Probe, spectrum


@final
@dataclass(frozen=True)
class Optimality(Probe):
    """How far theta is from the conditions of a minimum: no slope, and no bending down anywhere.

        slope = ||dL/dtheta||,   lambda_min, lambda_max: the ends of the spectrum of d^2 L / dtheta^2

    Necessary for a minimum are slope 0 and lambda_min >= 0; with lambda_min > 0 they suffice. Where slope is 0,
    lambda_min < 0 < lambda_max is a saddle point, lambda_max < 0 a maximum. The slope is that on `examples` examples,
    with the noise of their choice; grad_norm is the mean over the mini-batches of the epoch.

    Costs a gradient more than sharpness: two, and `steps` products on `examples` examples an epoch, not counted.

    examples: how many the loss is taken of, the same ones in every epoch
    steps: of Lanczos' method; a lambda_min near many others is had less exactly than a lambda_max that stands apart

    >>> Optimality().columns
    ('slope', 'lambda_min', 'lambda_max')

    Source: Sun p. 3, optimality conditions; Nocedal & Wright 2006, theorems 2.2 to 2.4.
    """

    examples: Count = 500
    steps: Count = 30

    @property
    def columns(self) -> tuple[str, ...]:
        return ("slope", "lambda_min", "lambda_max")

    def measure(self, seen: Observation) -> tuple[float, ...]:
        try:
            _, g = seen.examine(self.examples).value_and_grad(seen.theta)
        except Diverged:
            return (math.nan, math.nan, math.nan)
        slope, values = g.norm().item(), spectrum(seen, self.examples, self.steps)
        return (slope, values[0], values[-1])
