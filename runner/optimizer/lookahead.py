from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

from torch import Tensor

from runner.core.check import Count, Range
from runner.core.theta import Layout
from runner.optimizer.base import Asked, State, Wrapper


@final
@dataclass(frozen=True)
class Lookahead(Wrapper):
    """Let an inner rule walk ahead k steps, then go a part of the way after it.

        theta <- inner rule
        every k steps:  slow <- slow + alpha (theta - slow),   theta <- slow

    slow starts at theta. Validation and test are those of slow. What the inner rule remembers stays when theta is set
    back.

    k: steps between two looks
    alpha: the part of the way; with 1 it is the inner rule

    >>> from runner.optimizer.sgd import SGD
    >>> Lookahead(inner=SGD(), k=5, alpha=0.5).rule(0.1)
    'theta <- theta - 0.1 g;  every 5 steps: slow <- slow + 0.5 (theta - slow), theta <- slow'

    Source: Zhang et al. 2019 (arXiv 1907.08610), algorithm 1.
    """

    k: Count = 5
    alpha: Annotated[float, Range(above=0, most=1)] = 0.5

    def start(self, theta: Tensor, layout: Layout) -> State:
        return super().start(theta, layout) | {"slow": theta.clone()}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        self.inner.step(theta, state["inner"], objective, lr, t)
        if t % self.k == 0:
            theta.copy_(state["slow"].lerp_(theta, self.alpha))

    def eval_theta(self, theta: Tensor, state: State) -> Tensor:
        slow: Tensor = state["slow"]
        return slow

    def rule(self, lr: float) -> str:
        catch_up = f"slow <- slow + {self.alpha} (theta - slow), theta <- slow"
        return f"{self.inner.rule(lr)};  every {self.k} steps: {catch_up}"
