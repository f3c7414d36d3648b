from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from runner.core.check import Share
from runner.core.curvature import Need
from runner.core.theta import Layout
from runner.optimizer.base import Asked, State
from runner.optimizer.line import Line, OneFunction, armijo_in_words, here


@final
@dataclass(frozen=True)
class ExactStep(OneFunction):
    """Step along the negative gradient to the lowest point that the curvature predicts there.

        alpha =  g.g / g.Hg,   1 where g.Hg <= 0
        theta <- theta - lr alpha g

    On a quadratic, with lr = 1, no length lowers the loss more, and each step leaves at most ((k - 1) / (k + 1))^2 of
    the excess, k the condition number of H. Elsewhere the prediction may be too long: then it is halved by `factor`
    until the loss has fallen enough, which on a quadratic refuses nothing if c1 < 1/2.

    Costs 2 gradients, 1 product, and as many values as lengths are tried.

    c1: the part of the decrease predicted by the slope that is enough
    factor: from one trial to the next

    >>> ExactStep().rule(1.0).split(";  ")[0]
    'd = -(g.g / g.Hg) g, -g where g.Hg <= 0'

    Source: Cauchy 1847; Nocedal & Wright 2006, (3.26) and theorem 3.3.
    Here: what is done off quadratics, the length 1 and the halving, is a choice of ours.
    """

    needs: ClassVar[tuple[Need, ...]] = ("one_function", "hessian")

    c1: Share = 1e-4
    factor: Share = 0.5

    def start(self, theta: Tensor, layout: Layout) -> State:
        return {}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        value, g = here(objective, theta)
        bend = float(g @ objective.hessian(theta)(g))
        alpha = float(g @ g) / bend if bend > 0 else 1.0
        Line(objective, theta, -alpha * g, value, g).backtracked(lr, self.c1, self.factor)

    def rule(self, lr: float) -> str:
        words = armijo_in_words(lr, self.c1, self.factor)
        return f"d = -(g.g / g.Hg) g, -g where g.Hg <= 0;  {words};  theta <- theta + alpha d"
