"""Landscapes: the loss as a function of place, around the parameters that training went through.

A network has too many parameters to see its loss; what can be seen is the loss on a line or on a plane through points
that matter:

    line        theta(alpha) = (1 - alpha) start + alpha end
    plane       theta(a, b) = origin + a u + b v

What varies is the plane, a file each: directions of the size of the network's own filters (`filter`), those along which
the runs moved most (`principal`), those in which the loss bends most (`hessian`). A run of one or two parameters is
shown whole (`few`). What is fixed: all runs of a figure have one start, data and network, so that they move in one
landscape, of which a plane shows what lies in it. A path leaves the plane; it is drawn where it comes nearest, and how
far it is from there is told beside it.

The loss is a mean over examples as `val_loss` is one, without penalty, dropout off. But batch norm takes the moments of
the examples that are looked at, as in training: those that a run kept belong to no other point.

Sources: Goodfellow, Vinyals & Saxe 2015 (arXiv 1412.6544) for the line; Li, Xu, Taylor, Studer & Goldstein 2018 (arXiv
1712.09913) for filter-normalized and principal directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from runner.core.curvature import Curved
from runner.core.errors import ConfigError
from runner.core.parts import Part
from runner.core.products import Operator
from runner.core.theta import Layout
from runner.run import Material, Run, drawn

Values = npt.NDArray[np.float64]
AT_ONCE = 1 << 18  # outputs of a network of few parameters: megabytes
FLAT = 1e-6  # of the longer direction: a shorter one, or what it has beside the other, is rounding in float32


class Surface:
    """The mean loss over at most so many examples of a part, at any theta `[P]`; the same ones every time."""

    def __init__(self, run: Run, m: Material, part: Part, examples: int) -> None:
        n = len(part)
        numbers = torch.arange(n) if n <= examples else drawn(run.seed, n, examples, 0)
        self.examples = len(numbers)
        self.layout = m.layout
        self._asked = Curved(m.module, run.loss.value, m.theta, m.layout)
        self._asked.on(*part.rows(numbers))

    def __call__(self, theta: Tensor) -> float:
        """The loss; may be infinite or NaN far out. Costs a forward pass."""
        return self._asked.value(theta)

    def of_many(self, theta: Tensor) -> Values:
        """The losses `[K]` of rows `theta [K, P]`, at once: of few parameters, some hundred times as fast."""
        size = max(1, AT_ONCE // self.examples)
        found: Values = torch.cat([self._asked.values(rows) for rows in torch.split(theta, size)]).cpu().numpy()
        return found

    def slope(self, theta: Tensor) -> tuple[float, Tensor]:
        """The loss and its gradient `[P]`; raises `Diverged` where either is not finite."""
        value, gradient = self._asked.value_and_grad(theta)
        return value, gradient.clone()

    def hessian(self, theta: Tensor) -> Operator:
        """v `[P]` -> H(theta) v."""
        return self._asked.hessian(theta)


@dataclass(frozen=True)
class Trajectory:
    """Where a run was: parameters `points [n, P]` as they were judged after `steps [n]`, the first before any step.

    name       what tells it from the other runs of the figure
    optimizer  by which it is coloured
    status     how the run ended, or that it did not
    """

    name: str
    optimizer: str
    status: str
    steps: tuple[int, ...]
    points: Tensor

    @property
    def lost(self) -> bool:
        """Whether it diverged."""
        return self.status == "diverged"

    @property
    def start(self) -> Tensor:
        """[P]"""
        return self.points[0]

    @property
    def end(self) -> Tensor:
        """[P]"""
        return self.points[-1]


@dataclass(frozen=True)
class View:
    """How a landscape is looked at, and where its pictures go.

    examples  of a part at most, that a loss is the mean of
    seed      of random directions
    points    losses along each axis
    command   that which draws it
    """

    folder: Path
    examples: int
    seed: int
    points: int
    command: str


@dataclass(frozen=True)
class Seen:
    """What a plane may be chosen by."""

    trajectories: Sequence[Trajectory]
    surface: Surface
    layout: Layout
    seed: int


@dataclass(frozen=True)
class Plane:
    """theta(a, b) = origin + a u + b v, for `origin [P]` and `directions [2, P]`, u and v; they need not be orthogonal.

    names  what stands at the axes
    told   what these mean
    reach  how far from the origin a figure looks at least, along each direction
    """

    origin: Tensor
    directions: Tensor
    names: tuple[str, str]
    told: str
    reach: tuple[float, float] = (0.0, 0.0)

    def at(self, a: float, b: float) -> Tensor:
        """theta(a, b) `[P]`."""
        u, v = self.directions
        found: Tensor = self.origin + a * u + b * v
        return found

    def nearest(self, points: Tensor) -> tuple[Values, Values]:
        """The places (a, b) `[n, 2]` of the plane that are nearest to `points [n, P]`, and how far these are `[n]`."""
        both = self.directions.double()
        away = [point.double() - self.origin.double() for point in points]
        places = torch.linalg.solve(both @ both.T, torch.stack([both @ each for each in away], 1)).T
        off = [torch.linalg.vector_norm(each - place @ both) for each, place in zip(away, places, strict=True)]
        return places.cpu().numpy(), torch.stack(off).cpu().numpy()


def told(one: Trajectory, loss: float) -> tuple[str, ...]:
    """What is said of the end of a run beside its name, given the loss there."""
    steps = f"{one.steps[-1]:,} step{'s' if one.steps[-1] > 1 else ''}"
    ended = {"diverged": f"diverged after {steps}", "completed": f"loss {loss:.3g} after {steps}"}
    return (ended.get(one.status, f"{one.status}; loss {loss:.3g} after {steps}"),)


def refuse_flat(name: str, directions: Tensor, allowed: str, do: str) -> None:
    """`ConfigError` where two directions `[2, P]` do not span a plane."""
    both = directions.double()
    lengths = torch.linalg.svdvals(both)
    if not lengths[1] > FLAT * lengths[0]:
        raise ConfigError("directions", name, allowed=allowed, do=do)
