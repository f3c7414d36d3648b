from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

import torch
from torch import Tensor

from runner.core.check import Below1, Count, Positive, Unit
from runner.core.theta import Layout
from runner.linalg.roots import inverse_root
from runner.optimizer.base import Asked, Optimizer, State, due

Place = tuple[slice, slice]


@final
@dataclass(frozen=True)
class Shampoo(Optimizer):
    """Divide the gradient of a matrix by matrix roots of the squares of its rows and of its columns.

        L <- beta2 L + c G G',   R <- beta2 R + c G' G,    c = 1 - beta2, or 1 where beta2 = 1
        D = (L + eps I)^(-1/4) G (R + eps I)^(-1/4)        vectors: D = (L + eps I)^(-1/2) g,  L of g g'
        D <- D ||D_graft|| / ||D||,   m <- mu m + (1 - mu) D,   theta <- theta - lr m

    The lengths are those of a whole tensor. G `[m, n]` is the gradient by a matrix, or by a convolution as the matrix
    `[d_out, C h w]`; one with more rows or columns than `block` is cut into blocks with L and R of their own.
    Costs one gradient and two products of matrices a step, and every so often 9 n^3 for each root.

    mu: the share of the direction that is kept
    beta2: the share of L and R that is kept; 1 adds them up
    eps: added to the diagonal under the roots
    every: steps between two computations of the roots
    block: the most rows or columns that have one L or R
    graft: the rule whose steps are as long as those taken: rmsprop, s <- 0.999 s + 0.001 g^2 with a corrected start and
        D_graft = g / (sqrt(s) + 1e-8); adagrad, g / (sqrt(sum of g^2) + 1e-10); sgd, g; none, as long as D is

    >>> Shampoo(graft="none", beta2=1.0).label
    'shampoo beta2=1.0 graft=none'

    Source: Gupta, Koren & Singer 2018 (arXiv 1802.09568), algorithm 1; grafting, blocks and stale roots of Anil et al.
    2020 (arXiv 2002.09018), who compute roots by Newton steps in double precision: here by eigenvectors in it.
    Here: Anil et al. merge small axes as well; the paper has a matrix for every axis of a tensor, with exponent -1/2k
    for k axes. Their momentum adds up where this takes a mean, and their steps before the fifth are those of the graft.
    beta2 = 0.99, eps = 1e-6, every = 10 and block = 128 are choices of ours for small networks; roots are first taken
    after 1, 2, 4, 8, ... steps too, and of no eigenvalue below the rounding of the largest.
    """

    mu: Below1 = 0.9
    beta2: Unit = 0.99
    eps: Positive = 1e-6
    every: Count = 10
    block: Count = 128
    graft: Literal["rmsprop", "adagrad", "sgd", "none"] = "rmsprop"

    def start(self, theta: Tensor, layout: Layout) -> State:
        sides = []
        for slot in layout.slots:
            for rows, columns in places(slot.shape, self.block):
                lengths = [rows.stop - rows.start, *([columns.stop - columns.start] if len(slot.shape) > 1 else [])]
                sides.append([square(theta, length) for length in lengths])
        memory = {"m": torch.zeros_like(theta)}
        if self.graft in ("rmsprop", "adagrad"):
            memory["s"] = torch.zeros_like(theta)
        return memory | {"layout": layout, "sides": sides, "roots": [[side.clone() for side in each] for each in sides]}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        _, g = objective.value_and_grad(theta)
        layout: Layout = state["layout"]
        D = torch.empty_like(g)
        blocks = iter(zip(state["sides"], state["roots"], strict=True))
        for slot, gradient, direction in zip(layout.slots, layout.views(g), layout.views(D), strict=True):
            G, found = matrix(gradient), matrix(direction)
            for place in places(slot.shape, self.block):
                sides, roots = next(blocks)
                self.gather(sides, G[place])
                if due(t, self.every):
                    roots[:] = self.roots_of(sides)
                found[place] = preconditioned(G[place], roots)
        if self.graft != "none":
            self.regraft(layout, D, self.grafted(g, state, t))
        m = state["m"].lerp_(D, 1 - self.mu)
        theta.add_(m, alpha=-lr)

    def gather(self, sides: list[Tensor], G: Tensor) -> None:
        """Take the squares of a gradient into L and R."""
        new = 1 - self.beta2 if self.beta2 < 1 else 1.0
        for side, rows in zip(sides, (G, G.mT), strict=False):
            side.addmm_(rows, rows.mT, beta=self.beta2, alpha=new)

    def roots_of(self, sides: list[Tensor]) -> list[Tensor]:
        """(L + eps I)^(-1/4) and (R + eps I)^(-1/4), or (L + eps I)^(-1/2) alone."""
        found = []
        for side in sides:
            raised = side.clone()
            raised.diagonal().add_(self.eps)
            # An eigenvalue may lie below 0 by the rounding of the largest, where eps is less: it counts as that.
            root = inverse_root(raised, 2 * len(sides), ridge=torch.finfo(side.dtype).eps)
            found.append(root.contiguous())  # as it comes back from a checkpoint
        return found

    def grafted(self, g: Tensor, state: State, t: int) -> Tensor:
        """The step of the other rule."""
        if self.graft == "sgd":
            return g
        s: Tensor = state["s"]
        if self.graft == "adagrad":
            return g.div(s.addcmul_(g, g).sqrt().add_(1e-10))
        s.mul_(0.999).addcmul_(g, g, value=0.001)
        return g.div(s.sqrt().div_(math.sqrt(1 - 0.999**t)).add_(1e-8))

    def regraft(self, layout: Layout, D: Tensor, other: Tensor) -> None:
        """Give each tensor of D the length of that of the other direction; none where D is 0."""
        for direction, wanted in zip(layout.views(D), layout.views(other), strict=True):
            length = torch.linalg.vector_norm(direction)
            direction.mul_(torch.linalg.vector_norm(wanted) / length.masked_fill(length == 0, 1.0))

    def saved(self, state: State) -> State:
        return {name: value for name, value in state.items() if name != "layout"}

    def restored(self, state: State, saved: Mapping[str, Any]) -> State:
        copied = {name: [list(each) for each in saved[name]] for name in ("sides", "roots")}
        return super().restored(state, saved) | copied | {"layout": state["layout"]}

    def rule(self, lr: float) -> str:
        new = f"{1 - self.beta2:.6g} " if self.beta2 < 1 else ""
        lengths = {
            "rmsprop": "g/(sqrt(s/(1 - 0.999^t)) + 1e-08), s <- 0.999 s + 0.001 g^2",
            "adagrad": "g/(sqrt(sum of g^2) + 1e-10)",
            "sgd": "g",
            "none": "",
        }
        graft = f"D <- D as long as {lengths[self.graft]};  " if self.graft != "none" else ""
        return (
            f"in blocks of {self.block}: L <- {self.beta2} L + {new}G G', R <- {self.beta2} R + {new}G' G;  "
            f"D = (L + {self.eps} I)^(-1/4) G (R + {self.eps} I)^(-1/4), vectors (L + {self.eps} I)^(-1/2) g, "
            f"roots every {self.every} steps;  {graft}"
            f"m <- {self.mu} m + {1 - self.mu:.6g} D;  theta <- theta - {lr} m"
        )


def square(like: Tensor, n: int) -> Tensor:
    return like.new_zeros(n, n)


def matrix(tensor: Tensor) -> Tensor:
    """A tensor `[m, ...]` as a matrix `[m, n]`, a vector as one column; a view."""
    return tensor.view(tensor.shape[0], -1) if tensor.ndim > 1 else tensor.view(-1, 1)


def places(shape: tuple[int, ...], block: int) -> list[Place]:
    """Where the blocks of the matrix of a tensor lie.

    >>> places((5, 2), 4)
    [(slice(0, 4, None), slice(0, 2, None)), (slice(4, 5, None), slice(0, 2, None))]
    """
    rows, columns = math.prod(shape[:1]), math.prod(shape[1:])
    return list(itertools.product(pieces(rows, block), pieces(columns, block)))


def pieces(length: int, block: int) -> list[slice]:
    return [slice(first, min(first + block, length)) for first in range(0, length, block)]


def preconditioned(G: Tensor, roots: list[Tensor]) -> Tensor:
    left, *right = roots
    found = left @ G
    return found @ right[0] if right else found
