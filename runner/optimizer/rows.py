"""Rules that move rows `[K, P]`, of runs that train side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from runner.optimizer.base import Asked, Optimizer, State


@dataclass(frozen=True)
class Known(Asked):
    """An objective whose gradient was taken already, at theta: all that a rule which asks `here` will ask for."""

    g: Tensor

    def value(self, theta: Tensor) -> float:
        raise NotImplementedError("only the gradient at theta is known")

    def value_and_grad(self, theta: Tensor) -> tuple[float, Tensor]:
        return float("nan"), self.g


@dataclass(frozen=True)
class Stripe:
    """Neighbouring rows of theta that one rule moves: many with a rate each, or one for a rule that knows no rows."""

    rule: Optimizer
    rows: slice
    memory: State

    def of(self, vector: Tensor) -> Tensor:
        """Its part of `vector [K, P]`: `[k, P]`, or `[P]` where the rule knows no rows."""
        return vector[self.rows] if self.rule.rates_in_rows else vector[self.rows.start]

    def step(self, theta: Tensor, asked: Asked, rates: Sequence[float], column: Tensor, t: int) -> None:
        """Step t of its part of `theta [K, P]`, with the K learning rates as numbers and as `column [K, 1]`."""
        lr: Any = column[self.rows] if self.rule.rates_in_rows else rates[self.rows.start]
        self.rule.step(self.of(theta), self.memory, asked, lr, t)

    def judged(self, theta: Tensor) -> Tensor:
        """The parameters to judge by, `[k, P]`."""
        return self.rule.eval_theta(self.of(theta), self.memory).view(-1, theta.shape[-1])

    def memory_of(self, row: int) -> State:
        """What the rule remembers of row number `row` of theta, as it would of a run alone."""
        kept: State = picked(self.memory, row - self.rows.start) if self.rule.rates_in_rows else self.memory
        return kept


def stripes(rules: Sequence[Optimizer], memories: Sequence[State]) -> list[Stripe]:
    """The stripes of rows whose rules and memories are these; equal rules are neighbours.

    >>> from runner.optimizer.sgd import SGD
    >>> [each.rows for each in stripes([SGD(), SGD()], [{}, {}])]
    [slice(0, 2, None)]
    """
    found: list[Stripe] = []
    first = 0
    while first < len(rules):
        rule, last = rules[first], first + 1
        while rule.rates_in_rows and last < len(rules) and rules[last] == rule:
            last += 1
        memory = stacked(memories[first:last]) if rule.rates_in_rows else memories[first]
        found.append(Stripe(rule, slice(first, last), memory))
        first = last
    return found


def stacked(trees: Sequence[Any]) -> Any:
    """Trees of dictionaries and vectors `[P]` as one of rows `[k, P]`."""
    if isinstance(trees[0], Tensor):
        return torch.stack(list(trees))
    return {name: stacked([tree[name] for tree in trees]) for name in trees[0]}


def picked(tree: Any, row: int) -> Any:
    """One of the trees again."""
    if isinstance(tree, Tensor):
        return tree[row]
    return {name: picked(item, row) for name, item in tree.items()}
