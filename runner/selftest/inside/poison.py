"""Choices of a user's own that spoil a run in a chosen step, by an infinity or by what is no number.

    loss._target_=runner.selftest.inside.poison.Spoilt loss.place=gradient loss.at=7 plugins=[runner.selftest.inside]

The axis `at` spoils one run of a program of many. Steps are counted by process, from 0.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from runner.loss.base import OfClasses
from runner.loss.cross_entropy import CrossEntropy
from runner.optimizer.base import Elementwise

JUDGE = CrossEntropy()
HUGE = 1 << 60  # bytes, more than any machine has
NEVER = 1e9  # a step to which no run here comes
Bad = Literal["no_number", "infinity", "minus_infinity"]  # words, as `nan` on a command line is a number
BADS = {"no_number": math.nan, "infinity": math.inf, "minus_infinity": -math.inf}

_steps: Counter[float] = Counter()  # the gradients that were taken of the loss with this `at`


@dataclass(frozen=True, kw_only=True)
class Spoilt(OfClasses):
    """Cross-entropy, spoilt in step number `at`.

    place: the scores, as by bad data; the loss, with a good gradient; the gradient, with a good loss; the loss in
        validation alone, after that step; cpu and gpu are no number but memory that is not there, from that step on
    """

    place: Literal["data", "loss", "gradient", "validation", "cpu", "gpu"] = "data"
    bad: Bad = "no_number"
    at: float = NEVER

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        return JUDGE.value(*self._spoilt(output, target)) + self._added(output)

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return JUDGE.values(*self._spoilt(outputs, targets)) + self._added(outputs)

    def _spoilt(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        _steps[self.at] += output.requires_grad
        if _steps[self.at] > self.at and self.place == "cpu":
            torch.empty(HUGE, dtype=torch.uint8)
        if _steps[self.at] > self.at and self.place == "gpu":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return (output * BADS[self.bad] if self._now(output, "data") else output), target

    def _now(self, output: Tensor, place: str) -> bool:
        return self.place == place and output.requires_grad and _steps[self.at] == self.at + 1

    def _added(self, output: Tensor) -> Tensor | float:
        judging = not output.requires_grad and _steps[self.at] > self.at
        if self._now(output, "loss") or (judging and self.place == "validation"):
            return BADS[self.bad]
        if not self._now(output, "gradient"):
            return 0.0
        # 0, with a slope that is infinite at 0: inf, and inf * 0 = NaN through the square.
        away = output.sum() - output.detach().sum()
        return (away.square() if self.bad == "no_number" else away).abs().sqrt()


@dataclass(frozen=True)
class SpoilsOne(Elementwise):
    """SGD that leaves a bad number in one parameter in step number `at`."""

    bad: Bad = "no_number"
    at: float = NEVER

    def update(self, theta: Tensor, g: Tensor, state: dict[str, Tensor], lr: float, t: int) -> None:
        theta -= lr * g
        if t == self.at + 1:
            theta[..., theta.shape[-1] // 2] = BADS[self.bad]

    def rule(self, lr: float) -> str:
        return f"theta <- theta - {lr} g, with {self.bad} in step {self.at:g}"
