from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from runner.core.check import Below1
from runner.core.theta import Layout
from runner.optimizer.base import Asked, State, Wrapper


@final
@dataclass(frozen=True)
class EMA(Wrapper):
    """Judge by the exponentially weighted average of the parameters that an inner rule walks through.

        theta <- inner rule
        mean  <- decay mean + (1 - decay) theta,   mean = theta after the first step

    Training goes on at theta as if there were no average; validation and test are those of the mean, over about the
    last 1/(1 - decay) steps. A run of few such spans is judged by a mean that still remembers its start.

    decay: the share of the mean that is kept

    >>> from runner.optimizer.sgd import SGD
    >>> EMA(inner=SGD(), decay=0.5).rule(0.1)
    'theta <- theta - 0.1 g;  judged by mean <- 0.5 mean + 0.5 theta'

    Source: Polyak & Juditsky 1992 for averages; the weights of Farrahi p. 12 and Su ("moving average"), which average
    temperatures and gradients. The start is that of torch.optim.swa_utils.
    """

    decay: Below1 = 0.99

    def start(self, theta: Tensor, layout: Layout) -> State:
        return super().start(theta, layout) | {"mean": theta.clone()}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        self.inner.step(theta, state["inner"], objective, lr, t)
        state["mean"].lerp_(theta, 1 - self.decay if t > 1 else 1.0)

    def eval_theta(self, theta: Tensor, state: State) -> Tensor:
        mean: Tensor = state["mean"]
        return mean

    def rule(self, lr: float) -> str:
        return f"{self.inner.rule(lr)};  judged by mean <- {self.decay} mean + {1 - self.decay:.6g} theta"
