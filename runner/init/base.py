"""Initializations: the value of theta before the first step.

What varies is the distribution of the weights. What is fixed: a weight with two or more dimensions is drawn by the
choice, from a stream that depends on (seed, tensor) alone, so that a layer starts equally whatever surrounds it;
biases start at 0 and scales of normalizations at 1, unless a choice says otherwise. A layer's fan-in d_in is the number
of inputs that one of its units sums over, its fan-out d_out the number of units that one of its inputs feeds (both
times the kernel's area for a convolution).

Why the scale matters (Sun p. 39 to 41): for inputs with second moment q and independent weights of mean 0,
E[(w.v)^2] = d_in Var(w) q, so Var(w) = 1/d_in keeps the second moment from layer to layer, and Var(w) = 2/d_in keeps
it where a ReLU then drops half of it: E[relu(u)^2] = s^2/2 for u ~ N(0, s^2).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from runner.core.check import Choice
from runner.core.streams import stream


@dataclass(frozen=True)
class Init(Choice, ABC):
    """A distribution for weight tensors."""

    zero_biases: ClassVar[bool] = True  # whether `apply` starts them at 0

    @abstractmethod
    def fill(self, weight: Tensor, d_in: int, d_out: int, stream: torch.Generator) -> None:
        """Overwrite `weight [d_out, d_in, ...]` in place."""

    def apply(self, module: nn.Module, seed: int) -> None:
        """Overwrite every parameter of the module."""
        norms = {f"{name}.weight".lstrip(".") for name, part in module.named_modules() if "Norm" in type(part).__name__}
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                if parameter.ndim >= 2:
                    self.fill(parameter, *fans(parameter), stream(seed, f"init/{name}"))
                else:
                    parameter.fill_(1.0 if name in norms else 0.0)


def fans(weight: Tensor) -> tuple[int, int]:
    """(d_in, d_out) of a weight `[d_out, d_in, *kernel]`.

    >>> fans(torch.empty(8, 3, 5, 5))
    (75, 200)
    """
    area = math.prod(weight.shape[2:])
    return weight.shape[1] * area, weight.shape[0] * area
