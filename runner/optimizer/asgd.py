from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, final

from torch import Tensor

from runner.core.check import Index, NonNegative, Range
from runner.core.theta import Layout
from runner.linalg.vector import add_scaled_, larger
from runner.optimizer.base import Elementwise, State


@final
@dataclass(frozen=True)
class ASGD(Elementwise):
    """SGD that is judged by the average of its iterates.

        eta   =  lr / (1 + lambd lr (t - 1))^alpha
        theta <- (1 - lambd eta) theta - eta g
        mean  <- mean + (theta - mean) / max(1, t - 1 - t0)

    Validation and test are those of the mean, which the noise of the mini-batches leaves in peace. Up to step t0 + 2 it
    is theta itself.

    lambd: pulls theta towards 0, and makes the rate fall
    alpha: the power with which the rate falls
    t0: steps before the average begins

    >>> ASGD(t0=10).equivalent_to(lr=0.1)
    'torch.optim.ASGD(lr=0.1, lambd=0.0001, alpha=0.75, t0=10)'

    Source: Polyak & Juditsky 1992; the form of Bottou 2010 and Xu 2011 (arXiv 1107.2490), as in torch.
    Here: t0 = 0; torch's default of 1e6 averages nothing in a shorter run. torch takes the rate of a step from the
    schedule of the step before it.
    """

    memory: ClassVar[tuple[str, ...]] = ("mean",)

    lambd: NonNegative = 1e-4
    alpha: Annotated[float, Range(least=0, most=4)] = 0.75  # so that its power of 1e30 * 1e30 * t does not overflow
    t0: Index = 0

    def start(self, theta: Tensor, layout: Layout) -> State:
        return {"mean": theta.clone()}

    def update(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        eta = lr / (1 + self.lambd * lr * (t - 1)) ** self.alpha
        add_scaled_(theta.mul_(1 - self.lambd * eta), -eta, g)
        state["mean"].lerp_(theta, 1 / larger(1.0, t - 1 - self.t0))

    def eval_theta(self, theta: Tensor, state: State) -> Tensor:
        mean: Tensor = state["mean"]
        return mean

    def rule(self, lr: float) -> str:
        return (
            f"eta = {lr} / (1 + {self.lambd} * {lr} (t - 1))^{self.alpha};  "
            f"theta <- (1 - {self.lambd} eta) theta - eta g;  judged by the mean of theta after step {self.t0}"
        )

    def equivalent_to(self, lr: float) -> str:
        return f"torch.optim.ASGD(lr={lr}, lambd={self.lambd}, alpha={self.alpha}, t0={self.t0})"
