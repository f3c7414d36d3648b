"""Functions of a point: losses that look at no data, for watching how methods move.

    L(theta) = f(x),   x = theta [d]

The network is `architecture=point`, whose output for every row is theta itself; the data set is `dataset=none`, with
one row for each step of the cycle of a function that changes from step to step. `problem=rosenbrock` chooses all of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from runner.core.errors import ConfigError
from runner.loss.base import Loss


@dataclass(frozen=True)
class Function(Loss, ABC):
    """A function of d numbers."""

    dimension: ClassVar[int] = 2  # d

    @abstractmethod
    def at(self, x: Tensor, step: Tensor) -> Tensor:
        """f at points `x [B, d]`, each in its step of the cycle `step [B]`: `[B]`."""

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        return self.at(output, target).mean()

    def outputs(self, classes: int | None) -> int:
        if classes != 0:
            name = type(self).__module__.rpartition(".")[2]
            raise ConfigError(
                "loss",
                name,
                allowed="dataset=none: it is a function of the parameters alone, and looks at no examples",
                do=f"give problem={name}, or choose another loss for these data",
            )
        return self.dimension
