from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.core.check import Count, Positive, Unit
from runner.core.errors import ConfigError
from runner.core.theta import Layout
from runner.optimizer.base import Asked, Optimizer, State

MOST = 1024  # parameters: G takes 8 MB in float64, its eigenvectors 0.2 s on one core; both grow fast


@final
@dataclass(frozen=True)
class FullMatrixAdagrad(Optimizer):
    """Multiply the gradient by the inverse root of the matrix of its second moments.

        G     <- G + g g'                          beta = 1
                 beta G + (1 - beta) g g'          beta < 1
        theta <- theta - lr (G^(1/2) + eps I)^-1 g,   G^(1/2) renewed every `every` steps

    Adagrad keeps the diagonal of G alone, and depends on the axes; this one does not: turn theta, and the steps turn
    with it. In directions of noisy gradients it steps less, so that near a saddle point, where gradients are noise,
    theta moves in all directions alike.

    Costs a gradient a step, 2 P^2 operations, and 10 P^3 every `every` steps; two matrices `[P, P]`. So it is refused
    for more than 1024 parameters.

    beta: 1, or the share of G that is kept
    eps: keeps the steps finite in directions that no gradient had
    every: steps from one root to the next

    >>> FullMatrixAdagrad(beta=0.9).rule(0.1)
    'G <- 0.9 G + 0.1 gg^T;  theta <- theta - 0.1 (G^(1/2) + 0.1 I)^-1 g, the root every 5 steps'

    Source: Duchi, Hazan & Singer 2011, figure 1 (full matrices); the running mean: Staib, Reddi, Kale, Kumar & Sra
    2019 (arXiv 1901.09149), algorithm 1.
    Here: eps and the interval are choices of ours. G has no correction for its start at 0.
    """

    beta: Unit = 1.0
    eps: Positive = 0.1
    every: Count = 5

    def check(self, layout: Layout) -> None:
        if layout.size > MOST:
            raise ConfigError(
                "optimizer",
                self.label,
                allowed=f"a network of at most {MOST} parameters, since the square of their number is kept; this one "
                f"has {layout.size}",
                do="give architecture.hidden=[8], say, or choose optimizer=adagrad, which keeps the diagonal",
            )

    def start(self, theta: Tensor, layout: Layout) -> State:
        none = theta.new_zeros(theta.numel(), theta.numel())
        return {"G": none, "A": none.clone()}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        _, g = objective.value_and_grad(theta)
        G: Tensor = state["G"]
        G.addr_(g, g, beta=self.beta, alpha=1.0 if self.beta == 1 else 1 - self.beta)
        if (t - 1) % self.every == 0:
            lambdas, Q = torch.linalg.eigh(G)
            state["A"] = (Q / (lambdas.clamp(min=0).sqrt() + self.eps)) @ Q.T  # rounding leaves some below 0
        theta.sub_(state["A"] @ g, alpha=lr)

    def rule(self, lr: float) -> str:
        return (
            f"G <- {self.beta} G + {1 if self.beta == 1 else 1 - self.beta:.6g} gg^T;  "
            f"theta <- theta - {lr} (G^(1/2) + {self.eps} I)^-1 g, the root every {self.every} steps"
        )
