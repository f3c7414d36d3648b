from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.core.check import Below1, Count, Positive
from runner.core.curvature import Need
from runner.core.streams import seed_of
from runner.core.theta import Layout
from runner.optimizer.base import Asked, Curvature, Optimizer, State
from runner.optimizer.curvature import SYMBOLS, estimated_diagonal

EPS = 1e-12  # the paper's least divisor, for an h that is not positive


@final
@dataclass(frozen=True)
class Sophia(Optimizer):
    """Step along the mean gradient over an estimate of the curvature, each element by at most lr.

        m     <- beta1 m + (1 - beta1) g
        h     <- beta2 h + (1 - beta2) z * (B z),   z random signs, in steps 1, 1 + every, 1 + 2 every, ...
        theta <- theta - lr clip(m / max(gamma h, 1e-12), 1)

    The mean of z * (B z) is the diagonal of B. Where the curvature is small, negative or badly estimated, the quotient
    is clipped and the step is that of a sign method, of length lr; where it is large, Newton's, if B were diagonal.

    Costs a gradient a step, and a gradient and a product every `every` steps.

    betas: (beta1, beta2), the shares of m and of h that are kept
    gamma: the smaller, the more elements are clipped
    every: steps from one estimate to the next
    curvature: gauss_newton, as in Sophia-G; or hessian, Sophia-H

    >>> Sophia(every=1).label
    'sophia every=1'

    Source: Liu, Li, Hall, Liang & Ma 2024 (arXiv 2305.14342), algorithm 3 with algorithm 1; its betas, interval, and
    the gamma of Sophia-G; it gives 0.01 for Sophia-H. The authors' program (Liuhong99/Sophia,
    config/train_gpt2_small_sophiag.py) has gamma 0.05 as rho, the interval 10 and beta1 = 0.965.
    Here: Sophia-G of the paper estimates the diagonal of the Gauss-Newton matrix from gradients for labels that the
    model draws (Gauss-Newton-Bartlett), for cross entropy; ours has the same mean for every loss, by Hutchinson's
    signs. The paper's weight decay is optimizer=decoupled_decay around this one. Its Hutchinson draws normal numbers;
    signs have less variance. lr is for small networks.
    """

    betas: tuple[Below1, Below1] = (0.96, 0.99)
    gamma: Positive = 0.05
    every: Count = 10
    curvature: Curvature = "gauss_newton"

    @property
    def needs(self) -> tuple[Need, ...]:  # type: ignore[override]
        return (self.curvature,)

    def start(self, theta: Tensor, layout: Layout) -> State:
        return {"m": torch.zeros_like(theta), "h": torch.zeros_like(theta), "seed": seed_of(theta)}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        value, g = objective.value_and_grad(theta)
        beta1, beta2 = self.betas
        m, h = state["m"].lerp_(g, 1 - beta1), state["h"]
        if (t - 1) % self.every == 0:
            found = estimated_diagonal(theta, objective, self.curvature, state["seed"], t, value)
            h.lerp_(found, 1 - beta2)
        theta.sub_((m / (self.gamma * h).clamp_(min=EPS)).clamp_(-1, 1), alpha=lr)

    def rule(self, lr: float) -> str:
        (beta1, beta2), matrix = self.betas, SYMBOLS[self.curvature]
        return (
            f"m <- {beta1} m + {1 - beta1:.6g} g;  h <- {beta2} h + {1 - beta2:.6g} z * ({matrix} z), z random signs, "
            f"every {self.every} steps;  theta <- theta - {lr} clip(m / max({self.gamma} h, {EPS}), 1)"
        )
