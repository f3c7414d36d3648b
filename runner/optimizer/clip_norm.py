from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from runner.core.check import Positive
from runner.linalg.vector import norm
from runner.optimizer.base import Asked, Clipped, State, Wrapper


@final
@dataclass(frozen=True)
class ClipNorm(Wrapper):
    """Shorten a gradient that is too long, and keep its direction.

        g     <- g min(1, max_norm / ||g||)
        theta <- inner rule with this g

    The length is that of all parameters together.

    max_norm: the length that a gradient may have

    >>> from runner.optimizer.sgd import SGD
    >>> ClipNorm(inner=SGD(), max_norm=2.0).rule(0.5)
    'g <- g min(1, 2.0/||g||);  theta <- theta - 0.5 g'

    Source: Pascanu, Mikolov & Bengio 2013 (arXiv 1211.5063), algorithm 1.
    Here: torch.nn.utils.clip_grad_norm_ divides by ||g|| + 1e-6. The gradient norms in the metrics are those before
    clipping.
    """

    changes_gradients: ClassVar[bool] = True
    max_norm: Positive = 1.0

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        self.inner.step(theta, state["inner"], Clipped(objective, self.clip), lr, t)

    def clip(self, g: Tensor) -> Tensor:
        return g * (self.max_norm / norm(g)).clamp(max=1.0)

    def rule(self, lr: float) -> str:
        return f"g <- g min(1, {self.max_norm}/||g||);  {self.inner.rule(lr)}"
