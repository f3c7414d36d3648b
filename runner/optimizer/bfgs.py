from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from runner.core.check import Share
from runner.core.curvature import Need
from runner.core.theta import Layout
from runner.optimizer.base import Asked, State
from runner.optimizer.line import Line, OneFunction, first_length, here, refuse_order, wolfe_in_words


@final
@dataclass(frozen=True)
class BFGS(OneFunction):
    """Step along Newton's direction, with an inverse Hessian learned from all steps so far.

        d     =  -H g
        theta <- theta + alpha d,   L(theta + alpha d) <= L + c1 alpha g.d,   |g(theta + alpha d).d| <= c2 |g.d|
        H     <- (I - rho s y') H (I - rho y s') + rho s s',   rho = 1 / s.y
                 s = alpha d,   y = g(theta + alpha d) - g

    H is a matrix of P x P, which is why the network must be small; lbfgs keeps the last steps instead. It is I before
    the first step, and (s.y / y.y) I for the first update, which gives it the scale of the problem. On a quadratic with
    exact lengths it is the inverse Hessian after P steps.

    Costs 1 gradient and one for each length tried, mostly 1; 6 P^2 operations.

    c1: the part of the decrease alpha g.d predicted by the slope that is enough
    c2: the part of the slope that may be left, above c1, which keeps H positive definite

    >>> BFGS().equivalent_to(lr=1.0) is None
    True

    Source: Broyden, Fletcher, Goldfarb, Shanno 1970; Nocedal & Wright 2006, algorithm 6.1, (6.17) and (6.20).
    Here: a pair with s.y <= eps y.y, eps that of the precision, is left out (Byrd et al. 1995, (3.9)); where no length
    is found, H is I again. The first length tried is lr, and at most lr / ||g|| while H is I.
    """

    needs: ClassVar[tuple[Need, ...]] = ("one_function", "matrix")

    c1: Share = 1e-4
    c2: Share = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_order(self.c1, self.c2)

    def start(self, theta: Tensor, layout: Layout) -> State:
        return {"H": torch.eye(theta.numel(), dtype=theta.dtype, device=theta.device), "pairs": 0}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        value, g = here(objective, theta)
        d = -state["H"].mv(g)
        if not float(g @ d) < 0:
            d = -g
        line = Line(objective, theta, d, value, g)
        alpha = line.searched(lr * (1.0 if state["pairs"] else first_length(g)), self.c1, self.c2)
        if alpha == 0:
            state |= {"H": torch.eye(len(g), dtype=g.dtype, device=g.device), "pairs": 0}
        elif pair := line.pair(alpha):
            s, y = pair
            if not state["pairs"]:
                state["H"] *= float(s @ y) / float(y @ y)
            update_(state["H"], s, y)
            state["pairs"] += 1

    def rule(self, lr: float) -> str:
        return (
            f"d = -H g;  theta <- theta + alpha d, alpha, searched from {lr}, with "
            f"{wolfe_in_words(self.c1, self.c2)};  "
            "H <- (I - s y'/s.y) H (I - y s'/s.y) + s s'/s.y,  s = alpha d, y = g(theta + alpha d) - g"
        )


def update_(H: Tensor, s: Tensor, y: Tensor) -> None:
    """H <- (I - rho s y') H (I - rho y s') + rho s s', multiplied out: no product of two matrices is needed."""
    sy = float(s @ y)
    Hy = H.mv(y)
    H.addr_(s, s, alpha=(1 + float(y @ Hy) / sy) / sy)
    H.addr_(s, Hy, alpha=-1 / sy)
    H.addr_(Hy, s, alpha=-1 / sy)
