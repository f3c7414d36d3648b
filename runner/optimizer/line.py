"""What the rules for one function of theta have in common: a remark on mini-batches, a line to search along.

A direction d is found somehow; then phi(alpha) = L(theta + alpha d) is searched for a length with a sufficient decrease
(Armijo), or for one with a small slope as well (strong Wolfe). The learning rate is the first length tried, or a factor
of it; 0, where a schedule begins so, moves nothing. Where no length is found theta stays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from runner.core.curvature import Need
from runner.core.errors import ConfigError, Diverged
from runner.linalg.line_search import Length, backtracking, strong_wolfe
from runner.optimizer.base import Asked, Optimizer


@dataclass(frozen=True)
class OneFunction(Optimizer):
    """A rule that compares values of the loss at several theta, and so wants it to be the same function throughout."""

    needs: ClassVar[tuple[Need, ...]] = ("one_function",)

    def remarks(self, batch: int, examples: int) -> tuple[str, ...]:
        if batch >= examples:
            return ()
        return (
            f"{self.label} takes the loss for one function of theta, and on mini-batches of {batch} of {examples} "
            "examples it is another in every step: what suits one need not suit the next; give batch_size=all",
        )


def here(objective: Asked, theta: Tensor) -> tuple[float, Tensor]:
    """L and its gradient at theta, a copy which later questions leave as it is."""
    value, g = objective.value_and_grad(theta)
    return value, g.clone()


class Line:
    """phi(alpha) = L(theta + alpha d), given L and its gradient g at theta."""

    def __init__(self, objective: Asked, theta: Tensor, d: Tensor, value: float, g: Tensor) -> None:
        self.objective, self.theta, self.d, self.value, self.g = objective, theta, d, value, g
        self.slope = float(g @ d)
        self.last = 0.0, g  # the length at which a gradient was asked for last, and that gradient

    def at(self, alpha: float) -> Tensor:
        """theta + alpha d, rounded as it is when theta goes there."""
        return torch.add(self.theta, self.d, alpha=alpha)

    def phi(self, alpha: float) -> float:
        return self.objective.value(self.at(alpha))

    def phi_and_slope(self, alpha: float) -> tuple[float, float]:
        """Both; where they are not finite the length is too long, which is no divergence."""
        try:
            value, g = here(self.objective, self.at(alpha))
        except Diverged:
            return math.inf, math.nan
        self.last = alpha, g
        return value, float(g @ self.d)

    def backtracked(self, alpha: float, c1: float, factor: float) -> float:
        """Go by the first of alpha, factor alpha, factor^2 alpha, ... that has the decrease; returns the length."""
        return self.go(backtracking(self.phi, self.value, self.slope, alpha=alpha, c1=c1, factor=factor))

    def searched(self, alpha: float, c1: float, c2: float) -> float:
        """Go by a length with decrease and curvature, `alpha` the first that is tried; returns the length."""
        if alpha == 0:
            return 0.0
        return self.go(strong_wolfe(self.phi_and_slope, self.value, self.slope, alpha=alpha, c1=c1, c2=c2))

    def go(self, found: Length) -> float:
        self.theta.add_(self.d, alpha=found.alpha)
        return found.alpha

    def pair(self, alpha: float) -> tuple[Tensor, Tensor] | None:
        """The step s that theta went and the change y of the gradient along it; None where these show no curvature.

        s.y > eps y.y keeps the quotients of a BFGS update finite (Byrd, Lu, Nocedal & Zhu 1995, (3.9)). Costs another
        gradient where the length tried last was not the one gone.
        """
        g = self.last[1] if self.last[0] == alpha else here(self.objective, self.theta)[1]
        s, y = alpha * self.d, g - self.g
        return (s, y) if float(s @ y) > torch.finfo(y.dtype).eps * float(y @ y) else None


def first_length(g: Tensor) -> float:
    """1, or what makes a step along g as long as 1 where it would be longer: nothing is known of the curvature yet."""
    return 1 / max(1.0, float(g.norm()))


def refuse_order(c1: float, c2: float) -> None:
    """`ConfigError` unless c1 < c2."""
    if not c1 < c2:
        raise ConfigError(
            "c2",
            c2,
            allowed=f"a number above c1={c1}, since else there may be no length that meets both conditions",
            do="give a larger c2, or a smaller c1: the defaults go together",
        )


def armijo_in_words(lr: float, c1: float, factor: float) -> str:
    return f"alpha the first of {lr} * {factor}^j with L(theta + alpha d) <= L + {c1} alpha g.d"


def wolfe_in_words(c1: float, c2: float) -> str:
    return f"L(theta + alpha d) <= L + {c1} alpha g.d and |g(theta + alpha d).d| <= {c2} |g.d|"
