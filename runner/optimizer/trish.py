from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from torch import Tensor

from runner.core.check import Count, Positive, Share
from runner.core.curvature import Need
from runner.core.errors import ConfigError
from runner.core.theta import Layout
from runner.linalg.steihaug import steihaug
from runner.optimizer.base import Asked, Curvature, Optimizer, State
from runner.optimizer.curvature import SYMBOLS, curvature_at


@final
@dataclass(frozen=True)
class TRish(Optimizer):
    """Step in a trust region as long as a normalized gradient step, without asking for the loss.

        D     = gamma1 lr ||g||   if ||g|| < 1/gamma1
                lr                if 1/gamma1 <= ||g|| <= 1/gamma2
                gamma2 lr ||g||   if ||g|| > 1/gamma2
        theta <- theta + s,   s: Steihaug's CG for  min g.s + s.B s / 2,  ||s|| <= D      order second
                              s = -D g / ||g||                                            order first

    In the middle case a step of first order has length lr whatever the noise in g; at the ends, where normalizing would
    distort the mean of a noisy direction most, it is a step of plain SGD, with rates gamma1 lr and gamma2 lr. No loss
    is asked for: nothing is accepted or rejected.

    Costs a gradient a step; in second order two, and up to `limit` products.

    order: second, with curvature of the mini-batch; or first
    gamma1, gamma2: gamma1 > gamma2; 1/gamma1 and 1/gamma2 enclose the usual norms of g
    tolerance: of the equation B s + g = 0 inside the region, relative to the gradient; second order
    limit: most iterations of CG; second order
    curvature: gauss_newton, positive semi-definite for every network; or hessian; second order

    >>> TRish(gamma1=4.0, gamma2=0.5).radius(1.0, lr=0.1), TRish().radius(0.01, lr=0.1)
    (0.1, 0.01)

    Source: Curtis, Scheinberg & Shi 2019 (arXiv 1712.10277), algorithm 1; second order: Curtis & Shi 2020
    (arXiv 1911.06920).
    Here: the papers set gamma1 and gamma2 by the norms of gradients met in a run of SGD; the defaults are ours, for
    standardized data and a mean loss. Tolerance and limit of CG, and the Gauss-Newton matrix, are choices of ours.
    """

    order: Literal["second", "first"] = "second"
    gamma1: Positive = 10.0
    gamma2: Positive = 1.0
    tolerance: Share = 0.1
    limit: Count = 10
    curvature: Curvature = "gauss_newton"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.gamma1 > self.gamma2:
            raise ConfigError(
                "gamma1",
                self.gamma1,
                allowed=f"a number above gamma2={self.gamma2}: steps along short gradients are lengthened more",
                do="give gamma1=... a larger or gamma2=... a smaller number",
            )

    @property
    def needs(self) -> tuple[Need, ...]:  # type: ignore[override]
        return (self.curvature,) if self.order == "second" else ()

    def start(self, theta: Tensor, layout: Layout) -> State:
        return {}

    def radius(self, norm: float, lr: float) -> float:
        """D for a gradient of this norm."""
        if norm < 1 / self.gamma1:
            return self.gamma1 * lr * norm
        return lr if norm <= 1 / self.gamma2 else self.gamma2 * lr * norm

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        _, g = objective.value_and_grad(theta)
        norm = float(g.norm())
        if not norm or not lr:
            return
        radius = self.radius(norm, lr)
        if self.order == "first":
            theta.sub_(g, alpha=radius / norm)
            return
        g = g.clone()
        product = curvature_at(theta, objective, self.curvature)
        theta.add_(steihaug(g, product, radius, rtol=self.tolerance, limit=self.limit).p)

    def rule(self, lr: float) -> str:
        region = (
            f"D = {self.gamma1} * {lr} ||g|| if ||g|| < 1/{self.gamma1}, {self.gamma2} * {lr} ||g|| if ||g|| > "
            f"1/{self.gamma2}, else {lr}"
        )
        if self.order == "first":
            return f"theta <- theta - D g/||g||;  {region}"
        matrix = SYMBOLS[self.curvature]
        return (
            f"theta <- theta + s;  s: CG for min g.s + s.B s/2, ||s|| <= D, until ||B s + g|| <= {self.tolerance} "
            f"||g||, at most {self.limit} iterations;  B = {matrix};  {region}"
        )
