from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from runner.core.check import Below1, Count, Positive, Unit
from runner.core.curvature import Need
from runner.core.streams import seed_of
from runner.core.theta import Layout
from runner.optimizer.base import Asked, Curvature, Optimizer, State
from runner.optimizer.curvature import SYMBOLS, estimated_diagonal

KERNEL = 4  # dimensions of the weight of a convolution: channels out and in, height, width


@final
@dataclass(frozen=True)
class AdaHessian(Optimizer):
    """Adam with an estimate of the diagonal of the Hessian in place of the squared gradient.

        D     = z * (H z),   z random signs, every `every` steps; of a convolution the mean over the kernel
        m     <- beta1 m + (1 - beta1) g
        s     <- beta2 s + (1 - beta2) D^2
        theta <- theta - lr m^ / (s^^(power/2) + eps)
        m^    = m / (1 - beta1^t),   s^ = s / (1 - beta2^k),   k estimates so far

    The mean of D is the diagonal of H, with an error from the entries beside it (Hutchinson); the mean of its square
    is taken over many mini-batches and draws of z. Where the loss bends little, steps are long: those of Newton's
    method, if H were diagonal.

    Costs a gradient a step, and a gradient and a product every `every` steps.

    betas: (beta1, beta2), the shares of m and of s that are kept
    eps: keeps the quotient finite where the loss does not bend
    power: 1 divides by the curvature, 0 not at all
    every: steps from one estimate to the next
    curvature: hessian, as in the paper; or gauss_newton, whose diagonal is never negative

    >>> AdaHessian(betas=(0.9, 0.99), power=0.5).label
    'adahessian betas=[0.9,0.99] power=0.5'

    Source: Yao, Gholami, Shen, Mustafa, Keutzer & Mahoney 2021 (arXiv 2006.00719), algorithm 1 and equations 9 to 12;
    betas, eps and power are those of the authors' program, whose lr is 0.15.
    Here: lr is a choice of ours. In the authors' program s^ has t in place of k; every=1 is the paper's.
    """

    betas: tuple[Below1, Below1] = (0.9, 0.999)
    eps: Positive = 1e-4
    power: Unit = 1.0
    every: Count = 1
    curvature: Curvature = "hessian"

    @property
    def needs(self) -> tuple[Need, ...]:  # type: ignore[override]
        return (self.curvature,)

    def start(self, theta: Tensor, layout: Layout) -> State:
        return {"m": torch.zeros_like(theta), "s": torch.zeros_like(theta), "seed": seed_of(theta), "layout": layout}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        value, g = objective.value_and_grad(theta)
        beta1, beta2 = self.betas
        m, s = state["m"].lerp_(g, 1 - beta1), state["s"]
        if (t - 1) % self.every == 0:
            D = self.diagonal(theta, objective, state, t, value)
            s.mul_(beta2).addcmul_(D, D, value=1 - beta2)
        estimates = (t - 1) // self.every + 1
        curvature = (s / (1 - beta2**estimates)).pow_(self.power / 2)
        theta.addcdiv_(m, curvature.add_(self.eps), value=-lr / (1 - beta1**t))

    def diagonal(self, theta: Tensor, objective: Asked, state: State, t: int, value: float) -> Tensor:
        """D `[P]`."""
        D = estimated_diagonal(theta, objective, self.curvature, state["seed"], t, value)
        layout: Layout = state["layout"]
        for view in layout.views(D):
            if view.dim() == KERNEL:
                view.copy_(view.mean((-2, -1), keepdim=True).expand_as(view))
        return D

    def saved(self, state: State) -> State:
        return {name: state[name] for name in ("m", "s", "seed")}

    def restored(self, state: State, saved: Mapping[str, Any]) -> State:
        return super().restored(state, saved) | {"layout": state["layout"]}

    def rule(self, lr: float) -> str:
        (beta1, beta2), matrix = self.betas, SYMBOLS[self.curvature]
        return (
            f"D = z * ({matrix} z), z random signs, every {self.every} steps;  m <- {beta1} m + {1 - beta1:.6g} g;  "
            f"s <- {beta2} s + {1 - beta2:.6g} D^2;  "
            f"theta <- theta - {lr} m/(1 - {beta1}^t) / ((s/(1 - {beta2}^k))^({self.power}/2) + {self.eps})"
        )
