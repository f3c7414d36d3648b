"""What part of a plane a figure shows, and the losses there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from runner.landscape.base import Plane, Surface, Values

MARGIN = 0.12  # of the figure, on every side
SHAPE = 1.35  # width over height of the panel in runner/plot/landscape.py
UNEVEN = 3.0  # how many times as long as the other an axis may be, with one scale on both; beyond, each has its own
HIGHER = 1.0  # of the height of the start above the lowest point: a path that climbs further is let go
FAR = 4.0  # times the median distance from the start, where all runs have diverged


@dataclass(frozen=True)
class Window:
    """The part between (left, low) and (right, high); even: with one scale on both axes."""

    left: float
    right: float
    low: float
    high: float
    even: bool

    @property
    def width(self) -> float:
        """The longer side."""
        return max(self.right - self.left, self.high - self.low)

    def holds(self, x: float, y: float, around: float = 0.0) -> bool:
        """Whether a place lies within, or within so many times its sides around it."""
        wide, tall = around * (self.right - self.left), around * (self.high - self.low)
        return self.left - wide <= x <= self.right + wide and self.low - tall <= y <= self.high + tall


def window(places: Values, even: bool = True) -> Window:
    """One that holds all `places [n, 2]`, with a margin; even, unless that would leave most of it empty."""
    low, high = places.min(0), places.max(0)
    spans = high - low
    spans = np.where(spans > 0, spans, spans.max() / UNEVEN or 1.0)
    middle, sides = (low + high) / 2, spans / (1 - 2 * MARGIN)
    even = even and bool(max(sides[0] / SHAPE / sides[1], sides[1] * SHAPE / sides[0]) <= UNEVEN)
    if even:
        tall = max(sides[0] / SHAPE, sides[1])
        sides = np.array([SHAPE * tall, tall])
    (left, bottom), (right, top) = middle - sides / 2, middle + sides / 2
    return Window(float(left), float(right), float(bottom), float(top), even)


def telling(places: Sequence[Values], losses: Sequence[Values], ended: Sequence[bool]) -> Values:
    """The places of some paths `[n_i, 2]` that a figure should hold, with their losses `[n_i]`.

    ended  whether a run ended without diverging

    Not those of a run that diverged, where another one did not, nor where a path has climbed far above its start: they
    would make a dot of everything else.
    """
    every = np.concatenate(losses)
    finite = every[np.isfinite(every)]
    start = losses[0][0]
    roof = start + HIGHER * (start - finite.min()) if finite.size else np.inf
    low = [path[loss <= max(roof, start)] for path, loss in zip(places, losses, strict=True)]
    if any(ended):
        return np.concatenate([path for path, well in zip(low, ended, strict=True) if well])
    together = np.concatenate(low)
    away = np.linalg.norm(together - together[0], axis=1)
    near: Values = together[away <= FAR * np.median(away)]
    return near


@dataclass(frozen=True)
class Grid:
    """The losses `[m, n]` of a plane at x `[n]` and y `[m]`; not all need be finite."""

    x: Values
    y: Values
    losses: Values


def grid(plane: Plane, surface: Surface, seen: Window, points: int) -> Grid:
    """The losses at so many points along each axis of a window."""
    x, y = np.linspace(seen.left, seen.right, points), np.linspace(seen.low, seen.high, points)
    losses = [[surface(plane.at(a, b).to(plane.origin)) for a in x.tolist()] for b in y.tolist()]
    return Grid(x, y, np.array(losses))
