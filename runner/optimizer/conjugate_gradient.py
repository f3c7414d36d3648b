from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from runner.core.check import Positive, Share
from runner.core.theta import Layout
from runner.optimizer.base import Asked, State
from runner.optimizer.line import Line, OneFunction, first_length, here, refuse_order, wolfe_in_words


@final
@dataclass(frozen=True)
class ConjugateGradient(OneFunction):
    """Step along the negative gradient bent towards the direction before, to where the slope is small.

        d     <- -g + b d,   y = g - (g before)
                 fletcher_reeves     b = g.g / (g.g before)
                 polak_ribiere_plus  b = max(0, g.y / (g.g before))
                 hestenes_stiefel    b = g.y / d.y
                 dai_yuan            b = g.g / d.y
        theta <- theta + alpha d,   L(theta + alpha d) <= L + c1 alpha g.d,   |g(theta + alpha d).d| <= c2 |g.d|

    On a quadratic with exact lengths all four are the linear method, which ends in at most P steps. The first length
    tried is the one that predicts the decrease of the step before, times lr. Where d does not descend, or no length was
    found before, it starts again with b = 0.

    Costs 1 gradient and one for each length tried, 20 at most.

    beta: which b
    restart: powell, b = 0 where |g.(g before)| >= nu g.g; every_n, in every P-th step; never, but for the cases above
    nu: of powell: successive gradients of a quadratic are orthogonal
    c1: the part of the decrease alpha g.d predicted by the slope that is enough
    c2: the part of the slope that may be left, above c1; below 1/2 for fletcher_reeves, which may go up otherwise

    >>> ConjugateGradient(beta="dai_yuan").label
    'conjugate_gradient beta=dai_yuan'

    Source: Fletcher & Reeves 1964; Polak & Ribiere 1969; Hestenes & Stiefel 1952; Dai & Yuan 1999; Nocedal & Wright
    2006, algorithm 5.4, (5.44), (5.46), (5.49), (5.52) and, for the first length, (3.60).
    Here: without a step before, the first length is lr, and lr / ||g|| at most.
    """

    beta: Literal["fletcher_reeves", "polak_ribiere_plus", "hestenes_stiefel", "dai_yuan"] = "polak_ribiere_plus"
    restart: Literal["powell", "every_n", "never"] = "powell"
    nu: Positive = 0.1
    c1: Share = 1e-4
    c2: Share = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_order(self.c1, self.c2)

    def start(self, theta: Tensor, layout: Layout) -> State:
        # decrease: alpha g.d of the step before, 0 where there is none; since: steps since b was 0
        return {"d": torch.zeros_like(theta), "g": torch.zeros_like(theta), "decrease": 0.0, "since": 0}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        value, g = here(objective, theta)
        b = 0.0 if self.starts_again(g, state) else self.share(g, state["g"], state["d"])
        d = b * state["d"] - g
        if not float(g @ d) < 0:
            b, d = 0.0, -g
        line = Line(objective, theta, d, value, g)
        first = state["decrease"] / line.slope if state["decrease"] and line.slope else first_length(g)
        alpha = line.searched(lr * first, self.c1, self.c2)
        state |= {"d": d, "g": g, "decrease": alpha * line.slope, "since": state["since"] + 1 if b else 0}

    def starts_again(self, g: Tensor, state: State) -> bool:
        """Whether b is 0 by rule."""
        if not state["decrease"]:
            return True
        if self.restart == "powell":
            return abs(float(g @ state["g"])) >= self.nu * float(g @ g)
        return self.restart == "every_n" and state["since"] + 1 >= g.numel()

    def share(self, g: Tensor, before: Tensor, d: Tensor) -> float:
        """b, how much of the direction d before is kept."""
        y = g - before
        if self.beta == "fletcher_reeves":
            return quotient(g @ g, before @ before)
        if self.beta == "polak_ribiere_plus":
            return max(0.0, quotient(g @ y, before @ before))
        return quotient(g @ y if self.beta == "hestenes_stiefel" else g @ g, d @ y)

    def rule(self, lr: float) -> str:
        b = {
            "fletcher_reeves": "g.g / g'.g'",
            "polak_ribiere_plus": "max(0, g.(g - g') / g'.g')",
            "hestenes_stiefel": "g.(g - g') / d.(g - g')",
            "dai_yuan": "g.g / d.(g - g')",
        }[self.beta]
        again = {"powell": f"|g.g'| >= {self.nu} g.g", "every_n": "t = 1 mod P", "never": "d does not descend"}
        known = f" (nu={self.nu} is not used)" if self.restart != "powell" else ""
        return (
            f"d <- -g + b d, b = {b}, 0 where {again[self.restart]}{known};  theta <- theta + alpha d, alpha, searched "
            f"from {lr} times the one that lowers L as before, with {wolfe_in_words(self.c1, self.c2)}"
        )


def quotient(a: Tensor, b: Tensor) -> float:
    """a / b, 0 where b is 0: nothing changed, so nothing was learned."""
    return float(a / b) if b else 0.0
