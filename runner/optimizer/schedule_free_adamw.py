from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from runner.core.check import Below1, NonNegative, Positive
from runner.core.theta import Layout
from runner.linalg.vector import Scalar, add_product_, add_scaled_, sqrt
from runner.optimizer.base import Elementwise, State, count_free, free_step_


@final
@dataclass(frozen=True)
class ScheduleFreeAdamW(Elementwise):
    """AdamW with an average in the place of momentum, by which it is judged, and of a schedule.

        s     <- beta2 s + (1 - beta2) g^2
        z     <- z - lr_t (g / (sqrt(s) + eps) + weight_decay y),   lr_t = lr sqrt(1 - beta2^t)
        x     <- (1 - c) x + c z,   c = w_t / (w_1 + ... + w_t),   w_t = (the largest lr_t so far)^2
        y     <- (1 - beta1) z + beta1 x

    x and z start at theta; theta is y, where gradients are asked for. Validation and test are those of the average x,
    which takes the place of a falling schedule: keep schedule=constant.

    betas: (beta1, beta2), the share of the average in y and the share of s that is kept
    eps: keeps the quotient finite where s is 0
    weight_decay: the share of y that a step with lr = 1 would take away

    >>> ScheduleFreeAdamW().betas
    (0.9, 0.999)

    Source: Defazio et al. 2024 (arXiv 2405.15682), algorithm 1; sqrt(1 - beta2^t) in the rate and its weight, and eps
    beside the root of the uncorrected s, as in the authors' program of 2024.
    """

    memory: ClassVar[tuple[str, ...]] = ("x", "z", "s")
    numbers: ClassVar[tuple[str, ...]] = ("largest", "weights", "share")

    betas: tuple[Below1, Below1] = (0.9, 0.999)
    eps: Positive = 1e-8
    weight_decay: NonNegative = 0.0

    def start(self, theta: Tensor, layout: Layout) -> State:
        return super().start(theta, layout) | {"x": theta.clone(), "z": theta.clone()}

    def count(self, state: State, lr: float, t: int) -> None:
        count_free(state, self.rate(lr, t))

    def rate(self, lr: float, t: int) -> Scalar:
        """lr_t."""
        return lr * sqrt(1 - self.betas[1] ** t)

    def update(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        beta1, beta2 = self.betas
        s = add_product_(state["s"].mul_(beta2), 1 - beta2, g, g)
        step = add_scaled_(g / s.sqrt().add_(self.eps), self.weight_decay, theta)
        add_scaled_(state["z"], -self.rate(lr, t), step)
        free_step_(theta, state, beta1)

    def eval_theta(self, theta: Tensor, state: State) -> Tensor:
        x: Tensor = state["x"]
        return x

    def rule(self, lr: float) -> str:
        beta1, beta2 = self.betas
        return (
            f"s <- {beta2} s + {1 - beta2:.6g} g^2;  "
            f"z <- z - {lr} sqrt(1 - {beta2}^t) (g/(sqrt(s) + {self.eps}) + {self.weight_decay} theta);  "
            f"x <- (1 - c) x + c z;  theta <- {1 - beta1:.6g} z + {beta1} x;  judged by x"
        )
