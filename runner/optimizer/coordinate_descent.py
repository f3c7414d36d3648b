from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from runner.core.check import Count, NonNegative, Share
from runner.core.curvature import Need
from runner.core.products import Operator
from runner.core.streams import seed_of, stream
from runner.core.theta import Layout
from runner.linalg.cg import conjugate_gradient
from runner.linalg.line_search import backtracking
from runner.optimizer.base import Asked, State
from runner.optimizer.line import Line, OneFunction, here


@final
@dataclass(frozen=True)
class CoordinateDescent(OneFunction):
    """Step to the minimum in one coordinate or one layer after the other, the others held.

        for each block b:
            d_b     =  -H_bb^-1 g_b,   with l1 > 0:  S(theta_b - g_b / h, l1 / h) - theta_b
            theta_b <- theta_b + alpha d_b

    A step is one pass over all blocks, with gradient and curvature taken anew at each. What falls is F = L + R, R being
    l1 times the absolute values of the weights: S(x, a) = sign(x) max(|x| - a, 0) then makes exact zeros. alpha is the
    first of lr, factor lr, ... with F(theta + alpha d) <= F + c1 alpha (g.d + R(theta + d) - R(theta)). On a quadratic
    with lr = 1 each coordinate goes to its minimum, which is the method of Gauss and Seidel.

    Costs 2 gradients, a value and a product for each block, up to `limit` products for a layer.

    blocks: layers, the tensors of one module together, whose equations are solved by conjugate gradient; coordinates,
        for small models: P gradients a step
    order: cyclic, as they lie in theta; random, another permutation in each step
    l1: strength of the penalty on the weights (not biases); not that of a regularizer, whose slope is part of g
    limit: most products for a layer
    c1: the part of the predicted decrease that is enough
    factor: from one trial to the next

    >>> CoordinateDescent(order="random").label
    'coordinate_descent order=random'

    Source: Nocedal & Wright 2006, section 9.3; Wright 2015, "Coordinate descent algorithms"; Tseng & Yun 2009 for l1
    and its test of decrease; Friedman, Hastie & Tibshirani 2010 for the lasso; Sun p. 35.
    Here: h is the curvature along the slope of F in the block, which in a coordinate is h_jj, and 1 where that is not
    positive; H_bb is left for the identity where it shows negative curvature at once.
    """

    needs: ClassVar[tuple[Need, ...]] = ("one_function", "hessian")

    blocks: Literal["layers", "coordinates"] = "layers"
    order: Literal["cyclic", "random"] = "cyclic"
    l1: NonNegative = 0.0
    limit: Count = 5
    c1: Share = 1e-4
    factor: Share = 0.5

    def start(self, theta: Tensor, layout: Layout) -> State:
        # bounds: where blocks begin, and P; lambdas: what |theta_i| costs
        weights = torch.zeros_like(theta)
        for slot, view in zip(layout.slots, layout.views(weights), strict=True):
            view.fill_(float(len(slot.shape) >= 2))
        starts = layer_starts(layout) if self.blocks == "layers" else range(layout.size)
        return {"bounds": [*starts, layout.size], "lambdas": self.l1 * weights, "seed": seed_of(theta)}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        for start, stop in self.visited(state, t):
            self.move(theta, slice(start, stop), state["lambdas"], objective, lr)

    def visited(self, state: State, t: int) -> Iterator[tuple[int, int]]:
        """The ends of the blocks in the order of step t."""
        pairs = list(pairwise(state["bounds"]))
        if self.order == "cyclic":
            yield from pairs
        else:
            yield from (
                pairs[i] for i in torch.randperm(len(pairs), generator=stream(state["seed"], "blocks", t)).tolist()
            )

    def move(self, theta: Tensor, block: slice, lambdas: Tensor, objective: Asked, lr: float) -> None:
        """One block to its minimum, as its quadratic model predicts it."""
        value, g = here(objective, theta)
        H = objective.hessian(theta)
        d = torch.zeros_like(theta)

        def product(v: Tensor) -> Tensor:
            d[block] = v
            return H(d)[block]

        find = self.shrunk if self.l1 else self.solved
        d[block] = find(product, theta[block], g[block], lambdas[block])
        line = Line(objective, theta, d, value, g)
        penalty = float(lambdas @ theta.abs())
        slope = line.slope + float(lambdas @ (theta + d).abs()) - penalty
        line.go(
            backtracking(
                lambda alpha: line.phi(alpha) + float(lambdas @ line.at(alpha).abs()),
                value + penalty, slope, alpha=lr, c1=self.c1, factor=self.factor,
            )
        )  # fmt: skip

    def solved(self, H: Operator, theta: Tensor, g: Tensor, lambdas: Tensor) -> Tensor:
        """-H_bb^-1 g_b, exact where the block is one coordinate."""
        found = conjugate_gradient(H, -g, rtol=CG_RTOL, limit=self.limit)
        return found.x if found.iterations else -g

    def shrunk(self, H: Operator, theta: Tensor, g: Tensor, lambdas: Tensor) -> Tensor:
        """The step of soft thresholds, with one curvature for the block."""
        along = g + lambdas * theta.sign()
        bend = float(along @ H(along)) / max(float(along @ along), torch.finfo(g.dtype).tiny)
        h = bend if bend > 0 else 1.0
        x = theta - g / h
        return x.sign() * (x.abs() - lambdas / h).clamp(min=0) - theta

    def rule(self, lr: float) -> str:
        d = "d = -H_bb^-1 g_b" + (f" by at most {self.limit} products" if self.blocks == "layers" else "")
        if self.l1:
            d = f"d = S(theta_b - g_b/h, {self.l1}/h) - theta_b"
        unused = "" if self.blocks == "layers" and not self.l1 else f" (limit {self.limit} is not used)"
        return (
            f"for {self.blocks} b, {self.order}: {d}{unused};  theta_b <- theta_b + alpha d, alpha the first of {lr} * "
            f"{self.factor}^j that lowers F = L + {self.l1} ||weights||_1 by {self.c1} of what its slope predicts"
        )


CG_RTOL = 1e-2  # in a layer; the others move next, so more digits are lost again


def layer_starts(layout: Layout) -> list[int]:
    """Where the tensors of each module begin in theta."""
    modules = groupby(layout.slots, key=lambda slot: slot.name.rpartition(".")[0])
    return [next(slots).offset for _, slots in modules]
