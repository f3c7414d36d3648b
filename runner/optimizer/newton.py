from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from runner.core.check import Positive, Share
from runner.core.curvature import Need
from runner.core.theta import Layout
from runner.optimizer.base import Asked, State
from runner.optimizer.line import Line, OneFunction, armijo_in_words, here
from runner.optimizer.model import definite, formed


@final
@dataclass(frozen=True)
class Newton(OneFunction):
    """Step to the minimum of the quadratic model, shifted where it has none and shortened where it errs.

        d     =  -(H + tau I)^-1 g,   tau = 0 if H is positive definite, else as large as it takes
        theta <- theta + alpha d,   alpha the first of lr, factor lr, ...:  L(theta + alpha d) <= L + c1 alpha g.d

    On a convex quadratic one step with lr = 1 is at the minimum; near a minimum the digits double with every step. H is
    formed by P products, and factored: the network must be small. newton_cg needs no matrix.

    Costs 2 gradients, P products, some factorizations of P^3/3 operations, and as many values as lengths are tried.

    shift: the least tau above 0, in the units of H
    c1: the part of the decrease alpha g.d predicted by the slope that is enough
    factor: from one trial to the next

    >>> Newton(shift=0.1).label
    'newton shift=0.1'

    Source: Nocedal & Wright 2006, section 3.4 and algorithms 3.2 and 3.3; Sun p. 14.
    Here: positive definite means that every eigenvalue is above sqrt(eps) max |h_ii|, eps that of the precision. What
    is below may be rounding of 0, and networks have such directions: raising all scores by the same changes no softmax.
    """

    needs: ClassVar[tuple[Need, ...]] = ("one_function", "hessian", "matrix")

    shift: Positive = 1e-3
    c1: Share = 1e-4
    factor: Share = 0.5

    def start(self, theta: Tensor, layout: Layout) -> State:
        return {}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        value, g = here(objective, theta)
        B = definite(formed(objective.hessian(theta), theta), self.shift)
        d = torch.cholesky_solve(-g.unsqueeze(1), torch.linalg.cholesky(B)).squeeze(1)
        Line(objective, theta, d, value, g).backtracked(lr, self.c1, self.factor)

    def rule(self, lr: float) -> str:
        words = armijo_in_words(lr, self.c1, self.factor)
        return f"d = -(H + tau I)^-1 g, tau 0 or from {self.shift};  {words};  theta <- theta + alpha d"
