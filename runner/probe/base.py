"""Probes: measurements of a running training, one or more columns of `metrics.csv` each.

What varies is the quantity. What is fixed: a probe measures and cannot change anything. It gets copies, its random
numbers come from a stream of its own, and training with probes is bit-equal to training without.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from runner.core.check import Choice
from runner.core.theta import Layout


@dataclass(frozen=True)
class Observation:
    """What a probe may look at after an epoch; its tensors are copies.

    theta  [P], the parameters now
    start  [P], the parameters before the first step
    """

    theta: Tensor
    start: Tensor
    layout: Layout


@dataclass(frozen=True)
class Probe(Choice, ABC):
    """A quantity to write down after every epoch."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The names of its columns."""

    def check(self, layout: Layout) -> None:
        """`ConfigError` where theta has nothing of that kind to measure; by default it has."""

    @abstractmethod
    def measure(self, seen: Observation) -> tuple[float, ...]:
        """One number for each column."""
