from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.core.check import Number
from runner.init.base import Init


@final
@dataclass(frozen=True)
class Constant(Init):
    """All weights equal, so that the units of a hidden layer are copies of each other for ever.

        w = value

    Equal units receive equal gradients, so training cannot tell them apart: a layer of any width is worth one unit.

    value: every weight

    >>> weight = torch.empty(2, 3)
    >>> Constant(value=0.5).fill(weight, 3, 2, torch.Generator())
    >>> weight.tolist()
    [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]

    Source: Grosse, CSC321 lecture 8, "symmetries": identical units stay identical.
    Here: biases start at 0, not at `value`. `duplicate_units` keeps the symmetry with random numbers.
    """

    value: Number = 0.1

    def fill(self, weight: Tensor, d_in: int, d_out: int, stream: torch.Generator) -> None:
        weight.fill_(self.value)
