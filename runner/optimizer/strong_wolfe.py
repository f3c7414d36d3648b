from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from runner.core.check import Share
from runner.core.theta import Layout
from runner.optimizer.base import Asked, State
from runner.optimizer.line import Line, OneFunction, here, refuse_order, wolfe_in_words


@final
@dataclass(frozen=True)
class StrongWolfe(OneFunction):
    """Step along the negative gradient, to where the loss has fallen and the slope is small.

        d     =  -g
        alpha :  L(theta + alpha d) <= L(theta) + c1 alpha g.d   and   |g(theta + alpha d).d| <= c2 |g.d|
        theta <- theta + alpha d

    lr is the first length tried; it is doubled while too short, and an interval that holds a good one is cut by cubic
    interpolation. So, unlike backtracking, it does not depend on a lr that is long enough.

    Costs 1 gradient and one for each length tried, 20 at most.

    c1: the part of the decrease alpha g.d predicted by the slope that is enough
    c2: the part of the slope that may be left, above c1; near 0 the search is nearly exact, and such steps zigzag

    >>> StrongWolfe(c2=0.1).c2
    0.1

    Source: Wolfe 1969; Nocedal & Wright 2006, (3.7) and algorithms 3.5 and 3.6.
    """

    c1: Share = 1e-4
    c2: Share = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_order(self.c1, self.c2)

    def start(self, theta: Tensor, layout: Layout) -> State:
        return {}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        value, g = here(objective, theta)
        Line(objective, theta, -g, value, g).searched(lr, self.c1, self.c2)

    def rule(self, lr: float) -> str:
        words = wolfe_in_words(self.c1, self.c2)
        return f"d = -g;  alpha, searched from {lr}, with {words};  theta <- theta + alpha d"
