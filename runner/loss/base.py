"""Losses: how wrong the scores of a network are, as a mean over the examples of a batch.

What varies is the comparison of one output with one target. What is fixed: the value is the mean over the examples,
so that it does not depend on the batch size; a loss says which targets it can be used with and how many outputs it
needs, and refuses the rest before training; its metrics are means over examples too, named and with a direction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from runner.core.check import Choice
from runner.core.errors import ConfigError

Direction = Literal["max", "min"]


@dataclass(frozen=True)
class Loss(Choice, ABC):
    """A comparison of outputs `[B, d_out]` with targets `[B]`."""

    metrics: ClassVar[dict[str, Direction]] = {}  # name -> which way is better

    @abstractmethod
    def value(self, output: Tensor, target: Tensor) -> Tensor:
        """The mean over the batch, `[]`."""

    @abstractmethod
    def outputs(self, classes: int | None) -> int:
        """d_out for so many classes (None: numbers; 0: no targets); raises `ConfigError` where they do not fit."""

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Every metric as a mean over the batch, `[]`."""
        return {}


def needs_targets(loss: str, classes: int | None) -> None:
    """`ConfigError` where a data set has no targets."""
    if classes == 0:
        raise ConfigError(
            "loss",
            loss,
            allowed="a data set with targets; this one has none",
            do="choose a data set, or a function of the parameters as in problem=rosenbrock",
        )


def needs_classes(loss: str, classes: int | None) -> int:
    """The number of classes; `ConfigError` where the targets are numbers."""
    needs_targets(loss, classes)
    if classes is None:
        raise ConfigError(
            "loss",
            loss,
            allowed="targets in classes; the targets of this data set are numbers",
            do="choose loss=mse, or a data set with classes",
        )
    return classes


def needs_numbers(loss: str, classes: int | None) -> int:
    """One output; `ConfigError` where the targets are classes, whose numbering has no meaning."""
    needs_targets(loss, classes)
    if classes is not None:
        raise ConfigError(
            "loss",
            loss,
            allowed=f"targets that are numbers; the targets of this data set are {classes} classes",
            do="choose loss=cross_entropy, or a data set with numbers",
        )
    return 1
