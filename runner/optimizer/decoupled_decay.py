from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from runner.core.check import NonNegative
from runner.linalg.vector import add_scaled_
from runner.optimizer.base import Asked, State, Wrapper


@final
@dataclass(frozen=True)
class DecoupledDecay(Wrapper):
    """Add to the step of an inner rule a pull of every element towards 0.

        theta <- inner rule - lr weight_decay theta,   theta on the right as it was before the step

    The inner rule neither sees the pull nor scales it. Around adam it is adamw; around sgd it is the l2 regularizer
    weight_decay/2 ||theta||^2; around a rule with momentum it is neither.

    weight_decay: the share of theta that a step with lr = 1 would take away

    >>> from runner.optimizer.sgd import SGD
    >>> DecoupledDecay(inner=SGD(), weight_decay=0.1).rule(0.5)
    'theta <- theta - 0.5 g;  theta <- theta - 0.5 * 0.1 (theta before the step)'

    Source: Loshchilov & Hutter 2019 (arXiv 1711.05101).
    Here: the decay is multiplied by lr, as in torch; in the paper by the schedule's factor alone.
    """

    weight_decay: NonNegative = 0.01

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        before = theta.clone()
        self.inner.step(theta, state["inner"], objective, lr, t)
        add_scaled_(theta, -lr * self.weight_decay, before)

    def rule(self, lr: float) -> str:
        return f"{self.inner.rule(lr)};  theta <- theta - {lr} * {self.weight_decay} (theta before the step)"
