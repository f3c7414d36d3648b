"""Architectures: the function from one input to one output, with parameters theta.

What varies is the function. What is fixed: an architecture is a recipe that is told the shape of one input and the
number of outputs when it is built, so that the same yaml fits every data set; the module it builds has plain parameters
without hooks; its random numbers, if any, come from outside (`core/noise.py`); it returns the raw scores, and the loss
turns them into probabilities (a softmax here and cross-entropy there would be applied twice).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from runner.core.check import Choice


@dataclass(frozen=True)
class Architecture(Choice, ABC):
    """A recipe for a network."""

    flat: ClassVar[bool] = True  # takes inputs as vectors [B, d]; otherwise in the shape of the data set

    @abstractmethod
    def build(self, inputs: tuple[int, ...], outputs: int) -> nn.Module:
        """A module from x `[B, *inputs]` to scores `[B, outputs]`; its initial values do not matter."""

    def project(self, theta: Tensor) -> None:
        """Move `theta [P]` in place to where it is allowed to be, after a step; by default that is everywhere."""


Activation = Literal["relu", "tanh", "sigmoid", "leaky_relu", "identity"]
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "leaky_relu": nn.functional.leaky_relu,  # slope 0.01 below 0, as on Sun p. 9
    "identity": lambda x: x,
}
