from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from runner.core.check import Positive
from runner.optimizer.base import Asked, Clipped, State, Wrapper


@final
@dataclass(frozen=True)
class ClipValue(Wrapper):
    """Bring every element of the gradient that is too large back to a limit.

        g     <- min(max(g, -max_value), max_value)
        theta <- inner rule with this g

    It bends the direction of the gradient, which clip_norm keeps.

    max_value: the size that an element of the gradient may have

    >>> from runner.optimizer.sgd import SGD
    >>> ClipValue(inner=SGD(), max_value=0.1).rule(0.5)
    'g <- g clipped to [-0.1, 0.1];  theta <- theta - 0.5 g'

    Source: Mikolov 2012, PhD thesis; torch.nn.utils.clip_grad_value_.
    """

    changes_gradients: ClassVar[bool] = True
    max_value: Positive = 0.01

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        self.inner.step(theta, state["inner"], Clipped(objective, self.clip), lr, t)

    def clip(self, g: Tensor) -> Tensor:
        return g.clamp(-self.max_value, self.max_value)

    def rule(self, lr: float) -> str:
        return f"g <- g clipped to [-{self.max_value}, {self.max_value}];  {self.inner.rule(lr)}"
