"""Probes: measurements of a running training, one or more columns of `metrics.csv` each.

What varies is the quantity. What is fixed: a probe measures and cannot change anything. It gets copies, its random
numbers come from a stream of its own, and training with probes is bit-equal to training without. What it asks of the
loss is not counted: it is no part of a method.

A probe looks after every epoch (`measure`), or at the last step of every epoch (`measure_step`), or at both.
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
class Network:
    """What the columns of a probe may depend on.

    activations  the places where an activation is applied
    moments      the layers that normalize by moments of the mini-batch
    """

    layout: Layout
    activations: int
    moments: int

    @property
    def weights(self) -> tuple[int, ...]:
        """The numbers of the tensors in the layout that are weights, with an axis for what comes in."""
        return tuple(number for number, slot in enumerate(self.layout.slots) if len(slot.shape) > 1)


@dataclass(frozen=True)
class Observation:
    """What a probe may look at after an epoch; its tensors are copies.

    theta    [P], the parameters now, as they are judged
    start    [P], the parameters before the first step
    lr       the learning rate of the latest step
    stable   the largest eigenvalue of the Hessian at which the rule is stable on a quadratic; None: not known
    examine  n -> the loss on n training examples, the same in every epoch, all if there are fewer; dropout off
    """

    theta: Tensor
    start: Tensor
    layout: Layout
    examine: Callable[[int], Curved]
    lr: float = math.nan
    stable: float | None = None


@dataclass(frozen=True)
class Step:
    """The last step of an epoch; its tensors are copies.

    before, after    [P], the parameters
    gradient         [P], of the loss on the mini-batch of the step, with the noise of the step, before it
    value            that loss before the step and after it
    lr               the learning rate
    examine          as after an epoch
    size             B, of the mini-batch
    """

    before: Tensor
    after: Tensor
    gradient: Tensor
    value: tuple[float, float]
    lr: float
    layout: Layout
    examine: Callable[[int], Curved]
    size: int

    @property
    def update(self) -> Tensor:
        """[P], what the step added."""
        return self.after - self.before


@dataclass(frozen=True)
class Probe(Choice, ABC):
    """A quantity to write down after every epoch."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns that every network has."""
        return ()

    def layered(self, network: Network) -> tuple[str, ...]:
        """The names of further columns, as in one for every layer."""
        return ()

    def stepped(self, network: Network) -> tuple[str, ...]:
        """The names of its columns of the last step."""
        return ()

    @property
    def follows(self) -> bool:
        """Whether it looks at steps: then runs train one by one."""
        return False

    def check(self, layout: Layout) -> None:
        """`ConfigError` where theta has nothing of that kind to measure; by default it has."""

    @abstractmethod
    def measure(self, seen: Observation) -> tuple[float, ...]:
        """One number for each of `columns`, then for each of `layered`."""

    def measure_step(self, step: Step) -> tuple[float, ...]:
        """One number for each of `stepped`."""
        return ()


@dataclass(frozen=True)
class OfSteps(Probe, ABC):
    """A probe that looks at the last step of every epoch, and at nothing else."""

    @property
    def follows(self) -> bool:
        return True

    def measure(self, seen: Observation) -> tuple[float, ...]:
        return ()

    @abstractmethod
    def stepped(self, network: Network) -> tuple[str, ...]:
        """The names of its columns."""

    @abstractmethod
    def measure_step(self, step: Step) -> tuple[float, ...]:
        """One number for each of them."""


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


def per_layer(name: str, count: int) -> tuple[str, ...]:
    """A column for each layer.

    >>> per_layer("dead", 2)
    ('dead_1', 'dead_2')
    """
    return tuple(f"{name}_{number}" for number in range(1, count + 1))


def cosine(a: Tensor, b: Tensor) -> float:
    """a.b / (||a|| ||b||) of vectors `[P]`; nan where one of them is 0."""
    return float(a @ b / (a.norm() * b.norm()))
