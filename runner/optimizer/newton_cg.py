from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

from torch import Tensor

from runner.core.check import Count, Share, Unit
from runner.core.curvature import Need
from runner.core.theta import Layout
from runner.linalg.cg import conjugate_gradient
from runner.optimizer.base import Asked, State
from runner.optimizer.line import Line, OneFunction, armijo_in_words, here


@final
@dataclass(frozen=True)
class NewtonCG(OneFunction):
    """Step along a rough solution of Newton's equations, found by conjugate gradient.

        d     :  ||H d + g|| <= min(eta, ||g||^power) ||g||,   no further than a direction of curvature 0 or below;
                 -g where the first is one
        theta <- theta + alpha d,   alpha the first of lr, factor lr, ... with L(theta + alpha d) <= L + c1 alpha g.d

    Far from the minimum a few products suffice; the nearer it is, the more exact is the direction, so that the digits
    grow by a factor 1 + power with every step. No matrix is formed. gauss_newton in place of H never has negative
    curvature where the loss is convex in the scores (the Hessian-free method).

    Costs 2 gradients, at most `limit` products, and as many values as lengths are tried.

    curvature: which matrix
    eta: the largest relative residual
    power: of ||g||, how fast the residual falls near the minimum; 1 for quadratic convergence
    limit: most products
    c1: the part of the decrease alpha g.d predicted by the slope that is enough
    factor: from one trial to the next

    >>> NewtonCG(curvature="gauss_newton").label
    'newton_cg curvature=gauss_newton'

    Source: Dembo, Eisenstat & Steihaug 1982; Nocedal & Wright 2006, algorithm 7.1, with eta = 1/2 and power = 1/2;
    Martens 2010 for networks.
    Here: at negative curvature the direction is the one before it, as in algorithm 7.1. limit is a choice of ours.
    """

    needs: ClassVar[tuple[Need, ...]] = ("one_function", "hessian", "gauss_newton")

    curvature: Literal["hessian", "gauss_newton"] = "hessian"
    eta: Share = 0.5
    power: Unit = 0.5
    limit: Count = 50
    c1: Share = 1e-4
    factor: Share = 0.5

    def start(self, theta: Tensor, layout: Layout) -> State:
        return {}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        value, g = here(objective, theta)
        B = objective.hessian(theta) if self.curvature == "hessian" else objective.gauss_newton(theta)
        found = conjugate_gradient(B, -g, rtol=min(self.eta, float(g.norm()) ** self.power), limit=self.limit)
        d = found.x if found.iterations else -g
        Line(objective, theta, d, value, g).backtracked(lr, self.c1, self.factor)

    def rule(self, lr: float) -> str:
        B = {"hessian": "H", "gauss_newton": "G"}[self.curvature]
        return (
            f"d by at most {self.limit} steps of CG, ||{B} d + g|| <= min({self.eta}, ||g||^{self.power}) ||g||;  "
            f"{armijo_in_words(lr, self.c1, self.factor)};  theta <- theta + alpha d"
        )
