from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Tensor

from runner.core.check import Count, Range, Share
from runner.core.curvature import Need
from runner.core.theta import Layout
from runner.linalg.steihaug import steihaug
from runner.optimizer.base import Asked, Curvature, Optimizer, State
from runner.optimizer.curvature import SYMBOLS, curvature_at
from runner.optimizer.line import here
from runner.optimizer.model import gain

ETA = (1e-4, 0.25, 0.75)  # of LIBLINEAR's TRON and of the authors' program: accept, keep, widen above these ratios
SIGMA = (0.25, 0.5, 4.0)  # of the same: the radius shrinks by at most the first, grows by at most the last
MANY = 40.0  # e^40 examples are more than there are


@final
@dataclass(frozen=True)
class STRON(Optimizer):
    """Minimize a model on a growing sample in a trust region; step where the loss agrees.

        S     = n examples, n = first growth^(t-1), at most all of them;   g, B: gradient and curvature of L_S
        p     = Steihaug's CG for  min g.p + p.B p / 2,  ||p|| <= D,  until ||B p + g|| <= tolerance ||g||
        rho   = (L_S(theta) - L_S(theta + lr p)) / (decrease of the model along lr p)
        theta <- theta + lr p  if rho > 1e-4
        D     from 1/4 ||lr p|| to 4 D, by how far the loss bends along the step;  at first ||g||

    The same sample serves gradient, products and both losses, so that the test of a step is exact for that sample.
    Small samples make progress cheap far from the minimum; once all examples are in, this is TRON, the trust region
    Newton method of LIBLINEAR, with its superlinear end.

    Costs two gradients, one evaluation and up to `limit` products a step, each on n examples.

    first: examples in the first sample
    growth: of the sample from step to step
    tolerance: of the equation for p, relative to the gradient
    limit: most iterations of CG
    curvature: gauss_newton, positive semi-definite for every network; or hessian

    >>> [STRON().size(t) for t in (1, 2, 3)]
    [100, 120, 144]

    Source: Chauhan, Sharma & Dahiya 2018 (arXiv 1812.10426), algorithm 1; the update of D: Lin, Weng & Keerthi 2008
    and the authors' LIBS2ML.
    Here: the sample is drawn anew for each step, and the mini-batch of the step is not looked at: with batch_size=all
    an epoch is one step. The growth is geometric from step to step, with constants of ours; the authors' program adds
    a fifth of all examples after each pass. Steihaug's p follows negative curvature to the sphere, where theirs has
    convex problems alone. lr is 1 in the paper. A decrease that drowns in rounding counts as 1 in rho.
    """

    first: Count = 100
    growth: Annotated[float, Range(least=1)] = 1.2
    tolerance: Share = 0.1
    limit: Count = 25
    curvature: Curvature = "gauss_newton"

    @property
    def needs(self) -> tuple[Need, ...]:  # type: ignore[override]
        return (self.curvature, "samples")

    def remarks(self, batch: int, examples: int) -> tuple[str, ...]:
        if batch == examples:
            return ()
        return (
            f"stron draws samples of its own: an epoch is {math.ceil(examples / batch)} steps, whatever these cost; "
            "batch_size=all makes it one",
        )

    def size(self, t: int) -> int:
        """n of step t, where there are so many examples."""
        return round(self.first * math.exp(min((t - 1) * math.log(self.growth), MANY)))

    def start(self, theta: Tensor, layout: Layout) -> State:
        return {"radius": 0.0}  # not known yet

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        sampled = objective.sample(self.size(t), t)
        value, g = here(sampled, theta)
        if not lr or not g.any():
            return
        radius = state["radius"] or float(g.norm())
        product = curvature_at(theta, sampled, self.curvature)
        found = steihaug(g, product, radius, rtol=self.tolerance, limit=self.limit)
        p, slope, length = lr * found.p, lr * float(g @ found.p), lr * float(found.p.norm())
        bend = lr * lr * (-found.predicted - slope / lr)  # p.B p / 2, by the decrease of the model along the whole p
        moved = theta + p
        tried = finite(sampled.value(moved))
        rho = gain(value, tried, -slope - bend, torch.finfo(theta.dtype).eps)
        if not state["radius"]:
            radius = min(radius, length)
        state["radius"] = resized(radius, length * factor(slope, tried - value), rho, found.boundary)
        if rho > ETA[0]:
            theta.copy_(moved)

    def rule(self, lr: float) -> str:
        matrix = SYMBOLS[self.curvature]
        return (
            f"theta <- theta + {lr} p if L falls by 1e-4 of the model's decrease;  p: CG for min g.p + p.B p/2, "
            f"||p|| <= D, until ||B p + g|| <= {self.tolerance} ||g||, at most {self.limit} iterations;  "
            f"B = {matrix};  L, g, B of {self.first} * {self.growth}^(t-1) examples"
        )


def finite(value: float) -> float:
    """A loss that can be compared: what is no number is infinitely bad."""
    return math.inf if math.isnan(value) else value


def factor(slope: float, change: float) -> float:
    """How much longer the step should be for the minimum of the parabola with this slope and change of the loss.

    >>> factor(-2.0, -1.0), factor(-2.0, 6.0), factor(-2.0, -3.0)
    (1.0, 0.25, 4.0)
    """
    bend = change - slope
    return max(SIGMA[0], -slope / (2 * bend)) if bend > 0 else SIGMA[2]


def resized(radius: float, wanted: float, rho: float, boundary: bool) -> float:
    """The next radius, given the length that the loss along the step asks for."""
    least, less, most = (sigma * radius for sigma in SIGMA)
    if rho <= ETA[0]:
        return min(wanted, less)
    if rho < ETA[1]:
        return max(least, min(wanted, less))
    if rho < ETA[2]:
        return max(least, min(wanted, most))
    return most if boundary else max(radius, min(wanted, most))
