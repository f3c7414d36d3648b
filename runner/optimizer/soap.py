from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from runner.core.check import Below1, Count, Positive
from runner.core.theta import Layout
from runner.optimizer.base import Asked, Optimizer, State


@final
@dataclass(frozen=True)
class SOAP(Optimizer):
    """Adam in the eigenvectors of Shampoo's matrices, which turn slowly.

        m <- beta1 m + (1 - beta1) G,   s <- beta2 s + (1 - beta2) G~^2,   G~ = Q_L' G Q_R
        W <- W - lr sqrt(1 - beta2^k) / (1 - beta1^k) * Q_L [ Q_L' m Q_R / (sqrt(s) + eps) ] Q_R',   k = t - 1
        then  L <- beta2 L + (1 - beta2) G G',   R <- beta2 R + (1 - beta2) G' G
        and every so often  Q_L <- Q of the QR factors of L Q_L,   Q_R likewise

    Q_L and Q_R are at first the eigenvectors of G G' and G' G of the first gradient, which moves nothing else. A
    convolution is the matrix `[d_out, C h w]`; an axis longer than `largest` has no Q. Vectors (biases) move as in
    adam with eps_placement=outside.
    Costs one gradient and eight products of matrices a step, and every so often 3 n^3 for each Q.

    betas: (beta1, beta2), the shares of m, and of s, L and R, that are kept
    eps: keeps the quotient finite where s is 0
    every: steps between two turns of the eigenvectors
    largest: the longest axis that has eigenvectors

    >>> SOAP(every=5).label
    'soap every=5'

    Source: Vyas et al. 2024 (arXiv 2409.11321), algorithms 3 and 4, and their program of that year, whose eps is added
    before s is corrected. A decay, 0.01 there, is a wrapper here: optimizer=decoupled_decay optimizer.inner=soap.
    Here: eigenvalues are put in order, and s with them, whenever the vectors turn, as in the program. Where a gradient
    has a null space any vectors of it serve, so that rounding tells: such runs train alone, never side by side.
    """

    betas: tuple[Below1, Below1] = (0.95, 0.95)
    eps: Positive = 1e-8
    every: Count = 10
    largest: Count = 10_000

    def start(self, theta: Tensor, layout: Layout) -> State:
        sides = [[theta.new_zeros(n, n) for n in self.axes(slot.shape)] for slot in layout.slots]
        turns = [[side.clone() for side in each] for each in sides]
        zero = torch.zeros_like(theta)
        return {"m": zero, "s": zero.clone(), "layout": layout, "sides": sides, "turns": turns}

    def axes(self, shape: tuple[int, ...]) -> list[int]:
        """The lengths of the axes of a matrix, 0 for one that has no eigenvectors; none of a vector."""
        if len(shape) < 2:
            return []
        columns = torch.Size(shape[1:]).numel()
        return [n if n <= self.largest else 0 for n in (shape[0], columns)]

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        _, g = objective.value_and_grad(theta)
        layout: Layout = state["layout"]
        if t > 1:
            self.move(theta, g, state, lr, t - 1)
        for sides, turns, G, s in zip(
            state["sides"], state["turns"], layout.views(g), layout.views(state["s"]), strict=True
        ):
            if sides:
                gather(sides, matrix(G), self.betas[1])
                if t == 1:
                    turns[:] = [eigenvectors(side) for side in sides]
                elif (t - 1) % self.every == 0:
                    turn(sides, turns, matrix(s))

    def move(self, theta: Tensor, g: Tensor, state: State, lr: float, k: int) -> None:
        beta1, beta2 = self.betas
        layout, turns = state["layout"], state["turns"]
        m = state["m"].lerp_(g, 1 - beta1)
        turned = rotated(g, layout, turns)
        s = state["s"].mul_(beta2).addcmul_(turned, turned, value=1 - beta2)
        quotient = rotated(m, layout, turns).div_(s.sqrt().add_(self.eps))
        back = [[Q.mT for Q in each] for each in turns]
        theta.add_(rotated(quotient, layout, back), alpha=-lr * math.sqrt(1 - beta2**k) / (1 - beta1**k))

    def saved(self, state: State) -> State:
        return {name: value for name, value in state.items() if name != "layout"}

    def restored(self, state: State, saved: Mapping[str, Any]) -> State:
        copied = {name: [list(each) for each in saved[name]] for name in ("sides", "turns")}
        return super().restored(state, saved) | copied | {"layout": state["layout"]}

    def rule(self, lr: float) -> str:
        beta1, beta2 = self.betas
        return (
            f"matrices: m <- {beta1} m + {1 - beta1:.6g} G;  s <- {beta2} s + {1 - beta2:.6g} (Q_L' G Q_R)^2;  "
            f"W <- W - {lr} sqrt(1 - {beta2}^(t-1))/(1 - {beta1}^(t-1)) Q_L [Q_L' m Q_R/(sqrt(s) + {self.eps})] Q_R';  "
            f"L, R <- running means of G G', G' G;  every {self.every} steps Q_L, Q_R <- qr(L Q_L), qr(R Q_R), of axes "
            f"up to {self.largest};  vectors: the same with Q = I;  nothing moves at t = 1"
        )


def matrix(tensor: Tensor) -> Tensor:
    """A tensor `[m, ...]` as a matrix `[m, n]`; a view."""
    return tensor.view(tensor.shape[0], -1)


def gather(sides: list[Tensor], G: Tensor, beta2: float) -> None:
    """Take the squares of a gradient into L and R."""
    for side, rows in zip(sides, (G, G.mT), strict=True):
        if len(side):
            side.addmm_(rows, rows.mT, beta=beta2, alpha=1 - beta2)


def eigenvectors(side: Tensor) -> Tensor:
    """Those of a symmetric matrix, of the largest eigenvalue first."""
    Q: Tensor = torch.linalg.eigh(side)[1].flip(1)
    return Q.contiguous()  # as it comes back from a checkpoint: products round by how a matrix lies


def turn(sides: list[Tensor], turns: list[Tensor], s: Tensor) -> None:
    """One step of the power iteration for all eigenvectors at once, with s `[m, n]` put into their order."""
    for axis, (side, Q) in enumerate(zip(sides, turns, strict=True)):
        if len(side):
            product = side @ Q
            order = (Q * product).sum(0).argsort(descending=True)
            s.copy_(s.index_select(axis, order))
            turns[axis] = torch.linalg.qr(product[:, order])[0].contiguous()


def rotated(vector: Tensor, layout: Layout, turns: list[list[Tensor]]) -> Tensor:
    """Q_L' V Q_R of every matrix V in `vector [P]`; vectors as they are."""
    found = vector.clone()
    for each, V in zip(turns, layout.views(found), strict=True):
        if each:
            left, right = each
            product = left.mT @ matrix(V) if len(left) else matrix(V)
            V.copy_((product @ right if len(right) else product).view(V.shape))
    return found
