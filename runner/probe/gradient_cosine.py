from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch

from runner.core.check import Count
from runner.core.errors import Diverged
from runner.probe.base import Network, OfSteps, Step, cosine, numbers


@final
@dataclass(frozen=True)
class GradientCosine(OfSteps):
    """The angle of a mini-batch's gradient to the full gradient, and to the gradient that comes next.

        cos_full = cos(g_B(theta), g(theta)),   g: on `examples` examples
        cos_next = cos(g_B(theta), g_B'(theta')),   theta': after the step, B': as many other examples

    of the last step of the epoch. cos_full near 1: mini-batches agree, a smaller one would do. cos_next near -1: the
    step has crossed a ravine, the rate is too high or momentum is needed; near 1: the rate could be higher; near 0,
    where cos_full is near 0 as well: what one sees is noise.

    Costs three gradients on mini-batches and one on `examples` examples an epoch, which are not counted. Runs with it
    train one by one.

    examples: how many the full gradient is taken of, the same ones in every epoch

    >>> GradientCosine().columns
    ()

    Source: Grosse, CSC321 lecture 8 (oscillation across a ravine); Farrahi p. 6.
    """

    examples: Count = 500

    def stepped(self, network: Network) -> tuple[str, ...]:
        return ("cos_full", "cos_next")

    def measure_step(self, step: Step) -> tuple[float, ...]:
        whole = step.examine(self.examples)
        n = len(whole.y)
        others = whole.among(torch.randperm(n, generator=numbers("next"))[: step.size])
        try:
            full = whole.value_and_grad(step.before)[1].clone()
            following = others.value_and_grad(step.after)[1]
        except Diverged:
            return (math.nan, math.nan)
        return (cosine(step.gradient, full), cosine(step.gradient, following))
