from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.core.check import Count, Share
from runner.core.theta import Layout
from runner.linalg.two_loop import two_loop
from runner.optimizer.base import Asked, State
from runner.optimizer.line import Line, OneFunction, first_length, here, refuse_order, wolfe_in_words


@final
@dataclass(frozen=True)
class LBFGS(OneFunction):
    """Step along Newton's direction, with the curvature that the last steps have shown.

        d     =  -H g,   H from I (s.y / y.y) of the newest pair by the BFGS update of each, the oldest first
        theta <- theta + alpha d,   L(theta + alpha d) <= L + c1 alpha g.d,   |g(theta + alpha d).d| <= c2 |g.d|
        pair     s = alpha d,   y = g(theta + alpha d) - g

    H is never formed: two loops over the pairs give H g. H maps the newest y to its s, as the inverse of the mean
    Hessian along s does. The first length tried is lr, and at most lr / ||g|| while there are no pairs.

    Costs 1 gradient and one for each length tried, mostly 1; 4 memory vector operations.

    memory: pairs that are kept
    c1: the part of the decrease alpha g.d predicted by the slope that is enough
    c2: the part of the slope that may be left, above c1

    >>> LBFGS(memory=5).label
    'lbfgs memory=5'

    Source: Nocedal 1980; Liu & Nocedal 1989; Nocedal & Wright 2006, algorithms 7.4 and 7.5; Sun p. 35.
    Here: a pair with s.y <= eps y.y, eps that of the precision, is left out (Byrd et al. 1995, (3.9)); where no length
    is found, the pairs are forgotten. torch.optim.LBFGS makes up to 20 such steps in one call.
    """

    memory: Count = 10
    c1: Share = 1e-4
    c2: Share = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_order(self.c1, self.c2)

    def start(self, theta: Tensor, layout: Layout) -> State:
        return {"s": theta.new_empty(0, theta.numel()), "y": theta.new_empty(0, theta.numel())}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        value, g = here(objective, theta)
        d = -two_loop(g, state["s"], state["y"])
        if not float(g @ d) < 0:
            d = -g
        line = Line(objective, theta, d, value, g)
        alpha = line.searched(lr * (1.0 if len(state["s"]) else first_length(g)), self.c1, self.c2)
        if alpha == 0:
            state["s"], state["y"] = state["s"][:0], state["y"][:0]
        elif pair := line.pair(alpha):
            for name, vector in zip(("s", "y"), pair, strict=True):
                state[name] = torch.cat([state[name], vector.unsqueeze(0)])[-self.memory :]

    def rule(self, lr: float) -> str:
        return (
            f"d = -H g, H of the last {self.memory} pairs;  theta <- theta + alpha d, alpha, searched from {lr}, with "
            f"{wolfe_in_words(self.c1, self.c2)};  pair s = alpha d, y = g(theta + alpha d) - g"
        )
