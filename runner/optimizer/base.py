"""Optimizers: how theta moves, given an objective to ask.

What varies is the rule. What is fixed: theta is one vector `[..., P]`; the rule is handed the objective, asks it for
what it needs (a gradient, or twenty), and changes theta and its own state in place; the learning rate of the step comes
from the schedule, t = 1, 2, ... counts the steps. An optimizer is a frozen record of its constants; what it remembers
lies in a separate dictionary of tensors, which is the checkpoint's business to keep.

Most rules work on each element of theta by itself. These are `Elementwise`: their formula is written once for
`[..., P]`, with constants that are floats for one run or `[..., 1]` for a row of runs. A long theta is walked in
blocks, since ten passes over a block that stays in the cache cost less than ten passes over memory; a rule for which
torch has a kernel of one pass may use that instead (`update_long`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from runner.core.check import Choice
from runner.core.theta import Layout

State = dict[str, Any]
BLOCK = 1 << 17  # elements; with half of it Adam takes 10 percent longer: a call costs 1 us, whatever the cache saves


class Asked(Protocol):
    """What an optimizer may ask: the loss on the current mini-batch as a function of theta."""

    def value(self, theta: Tensor) -> float:
        """L(theta)."""

    def value_and_grad(self, theta: Tensor) -> tuple[float, Tensor]:
        """L(theta) and its gradient, shaped like theta."""


@dataclass(frozen=True)
class Optimizer(Choice, ABC):
    """A rule that changes theta."""

    @abstractmethod
    def start(self, theta: Tensor, layout: Layout) -> State:
        """What the rule remembers before the first step."""

    @abstractmethod
    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        """Step t = 1, 2, ... with learning rate `lr`: change `theta [P]` and `state` in place."""

    @abstractmethod
    def rule(self, lr: float) -> str:
        """The rule in symbols and numbers, as written to the manifest."""

    def equivalent_to(self, lr: float) -> str | None:
        """The call of a torch class that gives the same iterates, where there is one."""
        return None

    def eval_theta(self, theta: Tensor, state: State) -> Tensor:
        """The parameters to judge by, `[P]`: an averaging rule answers its average."""
        return theta

    def saved(self, state: State) -> dict[str, Any]:
        """The state as tensors, numbers, texts, lists and dictionaries."""
        return state

    def restored(self, state: State, saved: Mapping[str, Any]) -> State:
        """The state that was saved, given a fresh one from `start`."""
        return {name: value.clone() if isinstance(value, Tensor) else value for name, value in saved.items()}


@dataclass(frozen=True)
class Elementwise(Optimizer):
    """A rule for each element of theta by itself, from its gradient and some vectors of its own."""

    memory: ClassVar[tuple[str, ...]] = ()  # the names of the vectors it keeps, each 0 at first

    @abstractmethod
    def update(self, theta: Tensor, g: Tensor, state: dict[str, Tensor], lr: float, t: int) -> None:
        """Change `theta [..., P]` and the vectors in `state` in place, given the gradient `g [..., P]`."""

    def start(self, theta: Tensor, layout: Layout) -> State:
        return {name: torch.zeros_like(theta) for name in self.memory}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        _, g = objective.value_and_grad(theta)
        if theta.shape[-1] <= BLOCK:
            self.update(theta, g, state, lr, t)
        else:
            self.update_long(theta, g, state, lr, t)

    def update_long(self, theta: Tensor, g: Tensor, state: dict[str, Tensor], lr: float, t: int) -> None:
        """`update` for more elements than a block has."""
        blocks = zip(*(torch.split(v, BLOCK, dim=-1) for v in (theta, g, *state.values())), strict=True)
        for theta_block, g_block, *memory in blocks:
            self.update(theta_block, g_block, dict(zip(state, memory, strict=True)), lr, t)
