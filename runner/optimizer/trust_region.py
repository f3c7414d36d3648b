from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal, final

import torch
from torch import Tensor

from runner.core.check import Count, Positive, Range
from runner.core.curvature import Need
from runner.core.theta import Layout
from runner.linalg import trust_region
from runner.linalg.dogleg import dogleg
from runner.linalg.steihaug import steihaug
from runner.optimizer.base import Asked, State
from runner.optimizer.line import OneFunction, here
from runner.optimizer.model import definite, formed, gain

SHORT, LONG = 0.25, 0.75  # gains at which the radius shrinks and grows: Nocedal & Wright, algorithm 4.1; Sun p. 35
SHRINK, GROW = 0.25, 2.0  # and the factors
SHIFT = 1e-3  # of dogleg, the least that is added to an indefinite Hessian: Nocedal & Wright, algorithm 3.3


@final
@dataclass(frozen=True)
class TrustRegion(OneFunction):
    """Step to a low point of the quadratic model, within a radius in which it can be trusted.

        p     :  m(p) = g.p + p.Hp/2 low,  ||p|| <= lr D
        rho   =  (L(theta) - L(theta + p)) / -m(p)
        theta <- theta + p   if rho > accept
        D     <- D/4 if rho < 1/4;   min(2 D, largest) if rho > 3/4 and ||p|| = lr D;   else D

    D is 1 at first. Unlike a line search it chooses the length first, then the direction; negative curvature is no
    trouble but a way down. A step that is refused costs as much as another and leaves theta as it is.

    Costs 2 gradients, 1 value, and 1 product (cauchy), at most `limit` products (steihaug), or P products and two
    factorizations (dogleg, which forms H and wants a small network).

    method: cauchy, the lowest point along -g; dogleg, from there towards Newton's; steihaug, conjugate gradient up to
        the radius
    accept: the gain that a step needs
    largest: the limit of D
    limit: most products of steihaug, which stops at a residual of min(1/2, sqrt(||g||)) ||g||

    >>> TrustRegion(method="dogleg").needs
    ('one_function', 'hessian', 'matrix')

    Source: Nocedal & Wright 2006, algorithms 4.1 and 7.2, (4.11), (4.16); Steihaug 1983; Powell 1970; Sun p. 35.
    accept, largest and the residual are those of scipy's trust-ncg.
    Here: rho is taken as 1 where both of its parts are below the rounding of L. dogleg adds a multiple of I to a
    Hessian that is not positive definite.
    """

    method: Literal["steihaug", "dogleg", "cauchy"] = "steihaug"
    accept: Annotated[float, Range(least=0, below=0.25)] = 0.15
    largest: Positive = 1000.0
    limit: Count = 50

    @property
    def needs(self) -> tuple[Need, ...]:  # type: ignore[override]
        """A matrix for dogleg alone."""
        return ("one_function", "hessian", *(("matrix",) if self.method == "dogleg" else ()))

    def start(self, theta: Tensor, layout: Layout) -> State:
        return {"D": min(1.0, self.largest)}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        value, g = here(objective, theta)
        if not lr * state["D"] * float(g.norm()):
            return
        found = self.low_point(g, objective, theta, lr * state["D"])
        at = theta + found.p
        tried = objective.value(at)
        rho = gain(value, tried, found.predicted, torch.finfo(theta.dtype).eps)
        if rho < SHORT:
            state["D"] *= SHRINK
        elif rho > LONG and found.boundary:
            state["D"] = min(GROW * state["D"], self.largest)
        if rho > self.accept:
            theta.copy_(at)

    def low_point(self, g: Tensor, objective: Asked, theta: Tensor, radius: float) -> trust_region.Step:
        """The step of the method within the radius."""
        H = objective.hessian(theta)
        if self.method == "cauchy":
            return trust_region.cauchy_point(g, H, radius)
        if self.method == "dogleg":
            return dogleg(g, definite(formed(H, theta), SHIFT), radius)
        return steihaug(g, H, radius, rtol=min(0.5, math.sqrt(float(g.norm()))), limit=self.limit)

    def rule(self, lr: float) -> str:
        most = f", at most {self.limit} products" if self.method == "steihaug" else f" ({self.limit} is not used)"
        return (
            f"p by {self.method}{most}, ||p|| <= {lr} D;  theta <- theta + p if rho > {self.accept};  "
            f"D <- D/4 if rho < 1/4, min(2 D, {self.largest}) if rho > 3/4 and ||p|| = {lr} D"
        )
