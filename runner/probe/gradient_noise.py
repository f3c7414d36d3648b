from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch

from runner.core.check import Count, Draws
from runner.core.errors import ConfigError, Diverged
from runner.core.theta import Layout
from runner.probe.base import Observation, Probe, numbers


@final
@dataclass(frozen=True)
class GradientNoise(Probe):
    """How much the gradients of mini-batches differ, and how strong the signal in them is.

        variance_S = (1/(m-1)) sum_k ||g_k - mean g||^2,   g_1 ... g_m: gradients on mini-batches of S examples
        signal = ||g||,   g: the gradient on all the examples
        signal_to_noise = signal^2 / (S variance_S),   with the first S: that of one example; of S, it is S times that

    The mini-batches are drawn with replacement, so that in expectation variance_S = tr(Sigma) / S: a batch four times
    as large has a quarter of the variance. (Without replacement it is (n - S)/(n - 1) times that.)

    Costs `draws` gradients on mini-batches of each size, and one on all, an epoch, which are not counted.

    examples: how many the mini-batches are drawn from, the same ones in every epoch
    sizes: of the mini-batches, S
    draws: m, mini-batches of each size; the relative error of a variance falls as 1/sqrt(draws)

    >>> GradientNoise(sizes=(1, 10)).columns
    ('signal', 'signal_to_noise', 'variance_1', 'variance_10')

    Source: Grosse, CSC321 lecture 8, "var = sigma^2 / S"; McCandlish et al. 2018 (arXiv 1812.06162).
    """

    examples: Count = 500
    sizes: tuple[Count, ...] = (1, 10, 100)
    draws: Draws = 20

    def check(self, layout: Layout) -> None:
        if not self.sizes:
            do = "give probe.sizes=[1,10,100], say"
            raise ConfigError("probe.sizes", [], allowed="at least one size of a mini-batch", do=do)

    @property
    def columns(self) -> tuple[str, ...]:
        return ("signal", "signal_to_noise", *(f"variance_{size}" for size in self.sizes))

    def measure(self, seen: Observation) -> tuple[float, ...]:
        whole, drawn = seen.examine(self.examples), numbers("noise")
        n = len(whole.y)
        try:
            signal = whole.value_and_grad(seen.theta)[1].norm().item()
            variances = []
            for size in self.sizes:
                rows = torch.randint(n, (self.draws, size), generator=drawn).to(whole.y.device)
                asked = [whole.among(each) for each in rows]
                # a loss that is summed is taken per example
                found = [one.value_and_grad(seen.theta)[1] / (size if one.summed else 1) for one in asked]
                variances.append(torch.stack(found).var(dim=0).sum().item())
        except Diverged:
            return (math.nan,) * len(self.columns)
        per_example = variances[0] * self.sizes[0]
        signal /= n if whole.summed else 1
        return (signal, signal**2 / per_example if per_example else math.inf, *variances)
