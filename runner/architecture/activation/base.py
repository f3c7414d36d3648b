"""Activations: the function between two affine maps, without which they would be one.

What varies is the function. What is fixed: it works on every element by itself, or on small groups of channels
(`width` > 1, where the affine map before it has so many times the channels); it is a plain function of tensors without
parameters. A derivative that is almost everywhere not 0, cheap to compute, is what one wants of it (Sun p. 7): where
it is 0 or nearly so, nothing before it learns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from runner.core.check import Choice


@dataclass(frozen=True)
class Activation(Choice, ABC):
    """A function from `[B, width * C, ...]` to `[B, C, ...]`."""

    @property
    def width(self) -> int:
        """How many channels go into one that comes out."""
        return 1

    @abstractmethod
    def function(self) -> Callable[[Tensor], Tensor]:
        """The function, as cheap to call as it can be."""
