from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from runner.core.check import Count, Draws, Unit
from runner.linalg.spectral_density import spectral_density
from runner.probe.base import Observation, Probe, numbers


@final
@dataclass(frozen=True)
class Spectrum(Probe):
    """Both ends of the Hessian's spectrum, their ratio, and how much of it bends down.

        eig_min, eig_max   the smallest and the largest eigenvalue of d^2 L / dtheta^2
        condition          eig_max / |eig_min|; of a convex loss it is the condition number of the ravine
        negative_share     share of the eigenvalues below -`zero` eig_max: of the directions that bend down

    By stochastic Lanczos quadrature: `draws` random vectors, `steps` products each. Of the many eigenvalues near 0 the
    inner ones are had as a distribution only. eig_min of a network is about 0 from below, and condition says little.

    Costs a gradient and draws * steps products with the Hessian on `examples` examples an epoch, not counted.

    examples: how many the loss is taken of, the same ones in every epoch
    draws: random vectors, the same ones in every epoch
    steps: of Lanczos' method for each
    zero: what counts as 0, as a share of the largest

    >>> Spectrum().columns
    ('eig_min', 'eig_max', 'condition', 'negative_share')

    Source: Sun p. 24 (conditioning), p. 34 (saddle points); Grosse, CSC321 lecture 8, ravines; Ghorbani, Krishnan &
    Xiao 2019 (arXiv 1901.10159). Here: zero is a choice of ours.
    """

    examples: Count = 500
    draws: Draws = 3
    steps: Count = 30
    zero: Unit = 0.01

    @property
    def columns(self) -> tuple[str, ...]:
        return ("eig_min", "eig_max", "condition", "negative_share")

    def measure(self, seen: Observation) -> tuple[float, ...]:
        product = seen.examine(self.examples).hessian(seen.theta)
        try:
            found = spectral_density(product, seen.theta, numbers("density"), probes=self.draws, steps=self.steps)
        except FloatingPointError:
            return (math.nan,) * 4
        low, high = found.nodes.min().item(), found.nodes.max().item()
        below = found.weights[found.nodes < -self.zero * abs(high)].sum().item()
        return (low, high, high / abs(low) if low else math.inf, below)
