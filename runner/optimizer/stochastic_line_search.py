from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, final

from torch import Tensor

from runner.core.check import Count, Range, Share
from runner.core.curvature import Need
from runner.core.theta import Layout
from runner.linalg.line_search import backtracking
from runner.optimizer.base import Asked, Optimizer, State

SHORT = 1e-8  # a gradient along which theta moves by less than its rounding; the authors' program has it


@final
@dataclass(frozen=True)
class StochasticLineSearch(Optimizer):
    """Step along the gradient as far as the loss of the same mini-batch falls by enough (Armijo).

        eta   = the first of eta0, beta eta0, beta^2 eta0, ... with  L(theta - eta g) <= L(theta) - c eta ||g||^2
        theta <- theta - eta g
        eta0  = min(lr, gamma^(B/n) eta before)   reset grow
                lr                                reset max
                min(lr, eta before)               reset keep;   B of n examples are in the mini-batch

    L and g are of one mini-batch with one draw of its noise, so the condition is exact for it. It says nothing of the
    other examples: Sun p. 21 warns that the errors in L and g may ruin it. It works where one theta fits every
    mini-batch (interpolation), as for networks that are large for their data; elsewhere the steps do not shrink
    towards the minimum.

    Costs a gradient a step, and an evaluation for each length that is tried, mostly one.

    c: part of the decrease promised by the slope that is enough
    beta: by which a length that is too long is shortened
    gamma: by which lengths grow in an epoch; reset grow
    reset: where the search begins
    most: trials; then the step is 0

    >>> StochasticLineSearch(reset="max").rule(1.0)
    'theta <- theta - eta g;  eta: the first of eta0, 0.9 eta0, ... (100 at most) with L(theta - eta g) <= L(theta) - \
0.1 eta ||g||^2;  eta0 = 1.0'

    Source: Vaswani, Mishkin, Laradji, Schmidt, Gidel & Lacoste-Julien 2019 (arXiv 1905.09997), algorithms 1 and 2; the
    defaults are those of the authors' program, where keep, grow and max are the options 0, 1 and 2, and where no step
    is made either if ||g|| < 1e-8.
    Here: lr, the longest length, bounds every reset; in the program it is where the first search begins, and grow has
    no bound. After 100 trials the program steps by 1e-6.
    """

    needs: ClassVar[tuple[Need, ...]] = ("values",)

    c: Share = 0.1
    beta: Share = 0.9
    gamma: Annotated[float, Range(above=1)] = 2.0
    reset: Literal["grow", "max", "keep"] = "grow"
    most: Count = 100

    def remarks(self, batch: int, examples: int) -> tuple[str, ...]:
        if batch == examples:
            return ()
        return (
            f"a line search on {batch} of {examples} examples: that the loss of these falls need not hold for the "
            "others; errors in loss and gradient may ruin the condition (Sun p. 21), unless the network fits them all",
        )

    def start(self, theta: Tensor, layout: Layout) -> State:
        return {"eta": 0.0}  # none yet

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        value, g = objective.value_and_grad(theta)
        g = g.clone()
        slope = -float(g @ g)
        if -slope <= SHORT**2 or not lr:
            return
        found = backtracking(
            lambda eta: objective.value(theta.sub(g, alpha=eta)),
            value,
            slope,
            alpha=self.first(state["eta"], lr, objective),
            c1=self.c,
            factor=self.beta,
            most=self.most,
        )
        if found.holds:
            state["eta"] = found.alpha
            theta.sub_(g, alpha=found.alpha)

    def first(self, before: float, lr: float, objective: Asked) -> float:
        """The length that is tried first."""
        if self.reset == "max" or not before:
            return lr
        return min(lr, before * self.gamma ** objective.share() if self.reset == "grow" else before)

    def rule(self, lr: float) -> str:
        first = {
            "grow": f"min({lr}, {self.gamma}^(B/n) eta before)",
            "max": f"{lr}",
            "keep": f"min({lr}, eta before)",
        }[self.reset]
        return (
            f"theta <- theta - eta g;  eta: the first of eta0, {self.beta} eta0, ... ({self.most} at most) with "
            f"L(theta - eta g) <= L(theta) - {self.c} eta ||g||^2;  eta0 = {first}"
        )
