"""Probes: measurements of a running training, one or more columns of `metrics.csv` each.

What varies is the quantity. What is fixed: a probe measures and cannot change anything. It gets copies, its random
numbers come from a stream of its own, and training with probes is bit-equal to training without. What it asks of the
loss is not counted: it is no part of a method.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from runner.core.check import Choice
from runner.core.curvature import Curved
from runner.core.streams import stream
from runner.core.theta import Layout
from runner.linalg.lanczos import lanczos
from runner.linalg.operator import gaussian


@dataclass(frozen=True)
class Observation:
    """What a probe may look at after an epoch; its tensors are copies.

    theta    [P], the parameters now
    start    [P], the parameters before the first step
    examine  n -> the loss on n training examples, the same in every epoch, all if there are fewer; dropout off
    """

    theta: Tensor
    start: Tensor
    layout: Layout
    examine: Callable[[int], Curved]


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


def numbers(name: str) -> torch.Generator:
    """Random numbers for a probe, the same in every epoch and every run, so that what changes is what is measured."""
    return stream(0, f"probe {name}")


def spectrum(seen: Observation, examples: int, steps: int) -> list[float]:
    """Approximate eigenvalues of the Hessian on so many examples, ascending, the ends best; nan where it is not finite.

    `steps` products, by Lanczos' method.
    """
    product = seen.examine(examples).hessian(seen.theta)
    try:
        found = lanczos(product, gaussian(seen.theta, numbers("spectrum")), steps)
    except FloatingPointError:
        return [math.nan]
    values: list[float] = found.values.tolist()
    return values
