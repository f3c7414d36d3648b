from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from runner.core.check import Count
from runner.probe.base import Observation, Probe, spectrum


@final
@dataclass(frozen=True)
class Sharpness(Probe):
    """The largest eigenvalue of the Hessian, beyond which gradient descent is unstable.

        sharpness = lambda_max(d^2 L / dtheta^2)

        stable_below = 2 / lr for sgd, 2 (1 + mu) / lr for momentum;   nan for other rules

    On a quadratic, gradient descent with rate lr converges where the sharpness is below 2 / lr. On networks it often
    rises until it gets there and stays about there: the edge of stability.

    Costs a gradient and `steps` products with the Hessian on `examples` examples an epoch, which are not counted.

    examples: how many the loss is taken of, the same ones in every epoch
    steps: of Lanczos' method; the largest eigenvalue, if it stands apart, is had to some digits after ten or twenty

    >>> Sharpness().columns
    ('sharpness', 'stable_below')

    Source: Cohen, Kaur, Li, Kolter & Talwalkar 2021 (arXiv 2103.00065). Lanczos: runner/linalg/lanczos.py.
    """

    examples: Count = 500
    steps: Count = 20

    @property
    def columns(self) -> tuple[str, ...]:
        return ("sharpness", "stable_below")

    def measure(self, seen: Observation) -> tuple[float, ...]:
        stable = math.nan if seen.stable is None else seen.stable
        return (spectrum(seen, self.examples, self.steps)[-1], stable)
