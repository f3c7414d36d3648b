from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.core.check import Count, NonNegative, Share
from runner.core.curvature import Need
from runner.core.products import Operator
from runner.core.theta import Layout
from runner.linalg.cg import conjugate_gradient
from runner.optimizer.base import Asked, Curvature, Optimizer, State
from runner.optimizer.curvature import SYMBOLS, curvature_at
from runner.optimizer.line import Line, here

ARMIJO = 1e-4  # Nocedal & Wright's c1, and scipy's


@final
@dataclass(frozen=True)
class SubsampledNewton(Optimizer):
    """Newton's step with the curvature of a few examples, solved inexactly, with a line search.

        p     = CG for (B + damping I) p = -g,  until ||(B + damping I) p + g|| <= tolerance ||g||
        alpha = the first of lr, lr/2, lr/4, ... with  L(theta + alpha p) <= L(theta) + 1e-4 alpha p.g
        theta <- theta + alpha p

    g and L are of the mini-batch (all examples, as its paper has it), B of `sample` others, drawn anew each step. The
    products, most of the cost of Newton's method, become cheap; the curvature of a sample is near that of all, by about
    1/sqrt(sample), which makes the steps converge linearly at a rate that falls as the sample grows.

    Costs a gradient and an evaluation for each length tried; a gradient and up to `limit` products on `sample`
    examples.

    sample: examples for the curvature; all, if there are fewer
    damping: added to every curvature, without which p is long where the sample is flat
    tolerance: theta1 of the paper
    limit: most iterations of CG
    curvature: gauss_newton, positive semi-definite for every network; or hessian, the paper's, for convex problems

    >>> SubsampledNewton(sample=50).label
    'subsampled_newton sample=50'

    Source: Roosta-Khorasani & Mahoney 2019 (arXiv 1601.04737 and 1601.04738), inexact updates with Armijo's rule.
    Here: the second condition of the paper on p, p.g <= -(1 - theta2) p.B p, holds for every iterate of CG that starts
    at 0, with theta2 = 0. Sample, damping, limit and the Gauss-Newton matrix are choices of ours; where CG meets
    negative curvature at once, p is -g.
    """

    sample: Count = 200
    damping: NonNegative = 0.01
    tolerance: Share = 0.1
    limit: Count = 50
    curvature: Curvature = "gauss_newton"

    @property
    def needs(self) -> tuple[Need, ...]:  # type: ignore[override]
        return (self.curvature, "samples")

    def remarks(self, batch: int, examples: int) -> tuple[str, ...]:
        if batch == examples:
            return ()
        return (
            f"a line search on {batch} of {examples} examples: that the loss of these falls need not hold for the "
            "others (Sun p. 21); batch_size=all takes them all",
        )

    def start(self, theta: Tensor, layout: Layout) -> State:
        return {}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        value, g = here(objective, theta)
        if not lr or not g.any():
            return
        p = self.direction(curvature_at(theta, objective.sample(self.sample, t), self.curvature), g)
        Line(objective, theta, p, value, g).backtracked(lr, c1=ARMIJO, factor=0.5)

    def direction(self, B: Operator, g: Tensor) -> Tensor:
        """p, or -g where CG meets negative curvature at once."""
        found = conjugate_gradient(
            lambda v: torch.add(B(v), v, alpha=self.damping), -g, rtol=self.tolerance, limit=self.limit
        )
        return found.x if found.x.any() else -g

    def rule(self, lr: float) -> str:
        matrix = SYMBOLS[self.curvature]
        return (
            f"theta <- theta + alpha p;  p: CG for (B + {self.damping} I) p = -g to {self.tolerance} ||g||, at most "
            f"{self.limit} iterations;  B = {matrix} on {self.sample} examples;  alpha: the first of {lr}, {lr}/2, ... "
            f"with L(theta + alpha p) <= L(theta) + {ARMIJO} alpha p.g"
        )
