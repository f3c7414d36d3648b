from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, final

import torch
from torch import Tensor

from runner.core.check import Below1, NonNegative, Positive, Range
from runner.core.theta import Layout
from runner.linalg.newton_schulz import orthogonalized
from runner.linalg.vector import add_scaled_
from runner.optimizer.base import Asked, Asks, Optimizer, State, adam_step_, moments


@final
@dataclass(frozen=True)
class Muon(Optimizer):
    """Step along the orthogonal factor of the momentum of each matrix; the other parameters by AdamW.

        B <- mu B + (1 - mu) G,   D = mu B + (1 - mu) G with nesterov, else B
        W <- (1 - lr weight_decay) W - lr scale U V^T,   D = U S V^T

    W is a matrix m x n, a convolution [d_out, d_in, ...] with its last axes as one; U V^T is found by Newton-Schulz
    steps, which leave its singular values between about 0.7 and 1.2. Vectors (biases) move as in adamw, with the same
    lr and weight_decay: in units of W every element then moves by about 0.2 lr, as it typically does there.

    mu: the share of the momentum that is kept
    nesterov: mix the gradient into the momentum once more
    ns_steps: Newton-Schulz steps
    adjust: match_rms_adamw, scale = 0.2 sqrt(max(m, n)); or original, scale = sqrt(max(1, m/n))
    weight_decay: the share of theta that a step with lr = 1 would take away
    betas: of AdamW, for the rest
    eps: of AdamW, for the rest

    >>> Muon().scale(200, 100) == 0.2 * 200**0.5
    True

    Source: Jordan 2024, "Muon: an optimizer for hidden layers"; scale and decay of Liu et al. 2025 (arXiv 2502.16982).
    Here: Jordan leaves the first and the last matrix to AdamW as well; here every matrix is orthogonalized. torch's
    class takes matrices alone, works out U V^T in bfloat16 and has scale "original" unless told otherwise.
    """

    gradients: ClassVar[Asks] = "here"

    mu: Below1 = 0.95
    nesterov: bool = True
    ns_steps: Annotated[int, Range(least=1, most=100)] = 5  # in every step; after 20 nothing changes any more
    adjust: Literal["match_rms_adamw", "original"] = "match_rms_adamw"
    weight_decay: NonNegative = 0.1
    betas: tuple[Below1, Below1] = (0.9, 0.999)
    eps: Positive = 1e-8

    def start(self, theta: Tensor, layout: Layout) -> State:
        # m is B where theta lies in a matrix
        return {"m": torch.zeros_like(theta), "s": torch.zeros_like(theta), "layout": layout}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        _, g = objective.value_and_grad(theta)
        layout: Layout = state["layout"]
        views = (layout.views(vector) for vector in (theta, g, state["m"], state["s"]))
        for slot, w, gradient, m, s in zip(layout.slots, *views, strict=True):
            w.mul_(1 - lr * self.weight_decay)
            if len(slot.shape) < 2:
                moments({"m": m, "s": s}, gradient, self.betas)
                adam_step_(w, lr, m, s, self.betas, self.eps, t)
            else:
                m.lerp_(gradient, 1 - self.mu)
                direction = gradient.lerp(m, self.mu) if self.nesterov else m
                rows, columns = slot.shape[0], slot.size // slot.shape[0]
                matrix = direction.reshape(*theta.shape[:-1], rows, columns)
                step = orthogonalized(matrix, self.ns_steps).reshape(w.shape)
                add_scaled_(w, -lr * self.scale(rows, columns), step)

    def scale(self, m: int, n: int) -> float:
        """The length of an update of an m x n matrix, in units of lr U V^T."""
        return 0.2 * math.sqrt(max(m, n)) if self.adjust == "match_rms_adamw" else math.sqrt(max(1.0, m / n))

    def saved(self, state: State) -> State:
        return {"m": state["m"], "s": state["s"]}

    def restored(self, state: State, saved: Mapping[str, Any]) -> State:
        return super().restored(state, saved) | {"layout": state["layout"]}

    def rule(self, lr: float) -> str:
        (beta1, beta2), mu = self.betas, self.mu
        scale = "0.2 sqrt(max(m, n))" if self.adjust == "match_rms_adamw" else "sqrt(max(1, m/n))"
        momentum = f"{mu} B + {1 - mu:.6g} G" if self.nesterov else "B"
        return (
            f"matrices m x n: B <- {mu} B + {1 - mu:.6g} G;  "
            f"W <- (1 - {lr} * {self.weight_decay}) W - {lr} * {scale} NS{self.ns_steps}({momentum});  "
            f"the rest: AdamW with beta1 = {beta1}, beta2 = {beta2}, eps = {self.eps} and the same decay"
        )
