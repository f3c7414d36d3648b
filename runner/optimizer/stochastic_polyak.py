from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, final

from torch import Tensor

from runner.core.check import Positive, Range
from runner.core.curvature import Need
from runner.core.theta import Layout
from runner.optimizer.base import Asked, Optimizer, State


@final
@dataclass(frozen=True)
class StochasticPolyak(Optimizer):
    """Step along the gradient to where its slope would bring the loss down to its least value.

        eta   = min((L(theta) - least) / (c ||g||^2), bound),   0 where g = 0 or L(theta) < least
        bound = min(lr, gamma^(B/n) eta before)   limit smooth
                lr                                limit max;   B of n examples are in the mini-batch
        theta <- theta - eta g

    With c = 1 the step is Newton's for a root of L - least along g. It needs no rate where every mini-batch can reach
    its least loss at one theta (interpolation), as a large network can; elsewhere the bound is what makes steps small.

    Costs a gradient a step.

    c: 1/2 is the best for strongly convex losses; larger is more careful
    least: of the loss of a mini-batch, 0 for losses that a perfect fit makes 0
    limit: smooth, by the step before; or max
    gamma: by which steps may grow in an epoch; limit smooth

    >>> StochasticPolyak(limit="max").rule(1.0)
    'theta <- theta - eta g;  eta = min((L - 0.0) / (0.5 ||g||^2), 1.0)'

    Source: Loizou, Vaswani, Laradji & Lacoste-Julien 2021 (arXiv 2002.10542), equation 3 (SPS_max); the smooth limit is
    that of its section 4 and of the authors' program, whose defaults these are.
    Here: lr bounds the smooth form too; there the first eta before is 1. The program adds 1e-8 to c ||g||^2.
    """

    needs: ClassVar[tuple[Need, ...]] = ("values",)

    c: Positive = 0.5
    least: float = 0.0
    limit: Literal["smooth", "max"] = "smooth"
    gamma: Annotated[float, Range(above=1)] = 2.0

    def start(self, theta: Tensor, layout: Layout) -> State:
        return {"eta": 0.0}  # none yet

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        value, g = objective.value_and_grad(theta)
        square = float(g @ g)
        if not square or value <= self.least:
            return
        bound = lr
        if self.limit == "smooth" and state["eta"]:
            bound = min(lr, state["eta"] * self.gamma ** objective.share())
        eta = min((value - self.least) / (self.c * square), bound)
        theta.sub_(g, alpha=eta)
        state["eta"] = eta

    def rule(self, lr: float) -> str:
        bound = f"{lr}" if self.limit == "max" else f"{lr}, {self.gamma}^(B/n) eta before"
        return f"theta <- theta - eta g;  eta = min((L - {self.least}) / ({self.c} ||g||^2), {bound})"
