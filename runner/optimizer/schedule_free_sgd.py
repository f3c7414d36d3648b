from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from runner.core.check import Below1
from runner.core.theta import Layout
from runner.linalg.vector import add_scaled_
from runner.optimizer.base import Elementwise, State, count_free, free_step_


@final
@dataclass(frozen=True)
class ScheduleFreeSGD(Elementwise):
    """SGD whose gradient is taken between its iterate and the average, by which it is judged.

        z     <- z - lr g(y)
        x     <- (1 - c) x + c z,   c = w_t / (w_1 + ... + w_t),   w_t = (the largest lr so far)^2
        y     <- (1 - beta) z + beta x

    x and z start at theta; theta is y, where gradients are asked for. Validation and test are those of the average x,
    which takes the place of a falling schedule: keep schedule=constant. Under a constant lr, c = 1/t.

    beta: the share of the average in y, in the place of momentum; with 0 it is SGD and its running average

    >>> ScheduleFreeSGD(beta=0.5).rule(1.0)
    'z <- z - 1.0 g;  x <- (1 - c) x + c z, c = 1/t under a constant lr;  theta <- 0.5 z + 0.5 x;  judged by x'

    Source: Defazio et al. 2024 (arXiv 2405.15682), equations 5 to 7, weights as in section 3.
    Here: the authors' program keeps y and z and computes x from them; here x is kept, so that beta may be 0.
    """

    memory: ClassVar[tuple[str, ...]] = ("x", "z")
    numbers: ClassVar[tuple[str, ...]] = ("largest", "weights", "share")

    beta: Below1 = 0.9

    def start(self, theta: Tensor, layout: Layout) -> State:
        return super().start(theta, layout) | {"x": theta.clone(), "z": theta.clone()}

    def count(self, state: State, lr: float, t: int) -> None:
        count_free(state, lr)

    def update(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        add_scaled_(state["z"], -lr, g)
        free_step_(theta, state, self.beta)

    def eval_theta(self, theta: Tensor, state: State) -> Tensor:
        x: Tensor = state["x"]
        return x

    def rule(self, lr: float) -> str:
        return (
            f"z <- z - {lr} g;  x <- (1 - c) x + c z, c = 1/t under a constant lr;  "
            f"theta <- {1 - self.beta:.6g} z + {self.beta} x;  judged by x"
        )
