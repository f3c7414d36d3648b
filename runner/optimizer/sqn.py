from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.core.check import Count, NonNegative
from runner.core.curvature import Need
from runner.core.theta import Layout
from runner.linalg.two_loop import two_loop
from runner.optimizer.base import Asked, Curvature, Optimizer, State
from runner.optimizer.curvature import SYMBOLS, curvature_at

FLAT = 1e-8  # below it, s.y / |s||y| is what rounding in float32 leaves of 0, and 1 / s.y a blow to H


@final
@dataclass(frozen=True)
class SQN(Optimizer):
    """Step along -H g, where L-BFGS makes H of a few curvatures between averages of the iterates.

        theta  <- theta - lr H g,   H = I in the first 2 L steps
        every L steps:   w = mean of the last L iterates,   s = w - w before,   y = (B(w) + damping I) s
                         if s.y > 1e-8 |s||y|:  the pair (s, y) joins the newest `memory` of them

    H is the inverse BFGS matrix of the pairs, from (s.y / y.y) I of the newest, and H g is had from the pairs alone.
    Differences of noisy gradients would make a noisy H. So y is a product with a curvature matrix B on a larger sample,
    and s lies between averages; both are rare enough to cost little.

    Costs a gradient a step; every L-th step, a gradient and a product on `sample` examples besides; 2 memory + 3
    vectors.

    memory: how many pairs are kept, 5 to 10 in the paper
    every: L, the steps from one pair to the next, 10 or 20 in the paper
    sample: examples for a product, 300 to 1000 in the paper; all, if there are fewer
    damping: added to every curvature, which so is not 0 where a network fits its examples and the loss is flat
    curvature: gauss_newton, positive semi-definite for every network; or hessian, the paper's, for convex problems

    >>> SQN(memory=5).rule(0.5)
    't <= 20: theta <- theta - 0.5 g;  then theta <- theta - 0.5 H g;  H: L-BFGS of 5 pairs, w = mean of 10 iterates, \
s = w - w before, y = (G + 0.01 I) s on 300 examples'

    Source: Byrd, Hansen, Nocedal & Singer 2016 (arXiv 1401.7020), algorithm 1.
    Here: the step length a_k = beta / k of the paper is lr=beta schedule=inverse_time. The paper is about convex
    problems and the Hessian; the Gauss-Newton matrix, the damping and the condition on s.y are a choice of ours, for
    networks: on digits, with damping=0, training diverges in epoch 25, once it fits all examples.
    """

    memory: Count = 10
    every: Count = 10
    sample: Count = 300
    damping: NonNegative = 0.01
    curvature: Curvature = "gauss_newton"

    @property
    def needs(self) -> tuple[Need, ...]:  # type: ignore[override]
        return (self.curvature, "samples")

    def start(self, theta: Tensor, layout: Layout) -> State:
        none = theta.new_zeros(0, theta.numel())
        return {"sum": torch.zeros_like(theta), "mean": torch.zeros_like(theta), "s": none, "y": none.clone()}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        _, g = objective.value_and_grad(theta)
        state["sum"] += theta
        theta.sub_(two_loop(g, state["s"], state["y"]), alpha=lr)
        if t % self.every == 0:
            self.close(state, objective, t)

    def close(self, state: State, objective: Asked, t: int) -> None:
        """Take the mean of the iterates, and the curvature between it and the one before."""
        before, mean = state["mean"], state["sum"] / self.every
        state["mean"], state["sum"] = mean, torch.zeros_like(mean)
        s = mean - before
        if t == self.every or not s.any():
            return
        sampled = objective.sample(self.sample, t)
        y = curvature_at(mean, sampled, self.curvature)(s) + self.damping * s
        if s @ y > FLAT * s.norm() * y.norm():
            for name, newest in (("s", s), ("y", y)):
                state[name] = torch.cat([state[name], newest[None]])[-self.memory :]

    def rule(self, lr: float) -> str:
        matrix = SYMBOLS[self.curvature]
        return (
            f"t <= {2 * self.every}: theta <- theta - {lr} g;  then theta <- theta - {lr} H g;  H: L-BFGS of "
            f"{self.memory} pairs, w = mean of {self.every} iterates, s = w - w before, "
            f"y = ({matrix} + {self.damping} I) s on {self.sample} examples"
        )
