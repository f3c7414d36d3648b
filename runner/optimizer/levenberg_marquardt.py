from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from runner.core.check import Below1, Count, Positive, Share
from runner.core.curvature import Need
from runner.core.products import Operator
from runner.core.theta import Layout
from runner.linalg.cg import conjugate_gradient
from runner.optimizer.base import Asked, State
from runner.optimizer.line import OneFunction, here
from runner.optimizer.model import formed, gain

MOST = 1e15  # the largest mu: a step is then below the rounding of theta


@final
@dataclass(frozen=True)
class LevenbergMarquardt(OneFunction):
    """Step along Gauss-Newton's direction, turned towards the negative gradient where it was wrong.

        p     =  -(G + mu D)^-1 g,   m(p) = g.p + p.Gp/2
        rho   =  (L(theta) - L(theta + lr p)) / -m(lr p)
        theta <- theta + lr p                                    if rho > accept
        mu    <- mu max(1/3, 1 - (2 rho - 1)^3),   nu <- 2       if rho > accept;   else  mu nu,   nu <- 2 nu

    G = mean J' (d^2 loss / dz^2) J is the part of the Hessian that needs no second derivatives of the network, J' J up
    to its factor for a squared loss. It is never negative where the loss is convex in the scores z, and all of the
    Hessian where the residuals are 0. A step that is refused leaves theta as it is.

    Costs 2 gradients, 1 value, and at most limit + 1 products (cg, one more in the first step), or P products and a
    factorization (cholesky, which forms G and wants a small network).

    solver: cg, with D = s I, s = g.Gg / g.g in the first step; cholesky, with D = diag(G), which makes the step
        independent of the units of the parameters
    mu: at first
    accept: the gain that a step needs
    rtol: relative residual at which cg stops
    limit: most products of cg

    >>> LevenbergMarquardt(solver="cholesky").needs
    ('one_function', 'gauss_newton', 'matrix')

    Source: Levenberg 1944; Marquardt 1963, D = diag(G); Madsen, Nielsen & Tingleff 2004, algorithm 3.16, for mu and nu.
    Here: s, rtol, limit and a largest mu of 1e15 are choices of ours. rho is taken as 1 where both of its parts are
    below the rounding of L. The equations of cholesky are scaled to the diagonal 1 + mu.
    """

    solver: Literal["cg", "cholesky"] = "cg"
    mu: Positive = 1e-3
    accept: Below1 = 1e-4
    rtol: Share = 0.1
    limit: Count = 20

    @property
    def needs(self) -> tuple[Need, ...]:  # type: ignore[override]
        """A matrix for cholesky alone."""
        return ("one_function", "gauss_newton", *(("matrix",) if self.solver == "cholesky" else ()))

    def start(self, theta: Tensor, layout: Layout) -> State:
        return {"mu": self.mu, "nu": 2.0, "scale": 0.0}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        value, g = here(objective, theta)
        G = objective.gauss_newton(theta)
        if self.solver == "cholesky":
            matrix = formed(G, theta)
            G = matrix.mv
            p = scaled_solution(matrix, g, state["mu"])
        else:
            p = self.rough_solution(G, g, state)
        p *= lr
        at = theta + p
        tried = objective.value(at)
        rho = gain(value, tried, -float(g @ p + p @ G(p) / 2), torch.finfo(theta.dtype).eps)
        if rho > self.accept:
            theta.copy_(at)
            state |= {"mu": state["mu"] * max(1 / 3, 1 - (2 * rho - 1) ** 3), "nu": 2.0}
        else:
            state |= {"mu": min(state["mu"] * state["nu"], MOST), "nu": min(2 * state["nu"], MOST)}

    def rough_solution(self, G: Operator, g: Tensor, state: State) -> Tensor:
        """-(G + mu s I)^-1 g by conjugate gradient."""
        if not state["scale"]:
            state["scale"] = float(g @ G(g)) / max(float(g @ g), torch.finfo(g.dtype).tiny)
        shift = state["mu"] * (state["scale"] or 1.0)
        return conjugate_gradient(lambda v: G(v) + shift * v, -g, rtol=self.rtol, limit=self.limit).x

    def rule(self, lr: float) -> str:
        D = "s I" if self.solver == "cg" else "diag(G)"
        stop = f"relative residual {self.rtol}, at most {self.limit} products"
        how = f"CG, {stop}" if self.solver == "cg" else f"Cholesky ({stop} is of cg)"
        return (
            f"p = -(G + mu {D})^-1 g by {how}, mu = {self.mu} at first;  theta <- theta + {lr} p if rho > "
            f"{self.accept};  mu <- mu max(1/3, 1 - (2 rho - 1)^3), or mu 2, mu 4, ... while steps are refused"
        )


def scaled_solution(G: Tensor, g: Tensor, mu: float) -> Tensor:
    """-(G + mu diag(G))^-1 g; 0, which is refused, where rounding makes the matrix indefinite.

    Solved for S^-1 p with S = diag(G)^-1/2: (S G S + mu I) S^-1 p = -S g, whose condition is (P + mu) / mu at most.
    """
    diagonal = G.diagonal()
    S = torch.where(diagonal > 0, diagonal, torch.ones_like(diagonal)).rsqrt()
    scaled = S.unsqueeze(1) * G * S + mu * torch.eye(len(g), dtype=g.dtype, device=g.device)
    L, failed = torch.linalg.cholesky_ex(scaled)
    return torch.zeros_like(g) if failed else -S * torch.cholesky_solve((S * g).unsqueeze(1), L).squeeze(1)
