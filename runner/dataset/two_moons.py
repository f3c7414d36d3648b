from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from runner.core.check import Index, NonNegative
from runner.dataset.base import Divided, Examples, Table, numbers


@final
@dataclass(frozen=True, kw_only=True)
class TwoMoons(Divided):
    """Tell two interleaved half circles apart: points in the plane, 2 classes, made up.

        class 0: (cos t, sin t),  class 1: (1 - cos t, 1/2 - sin t),  each + noise N(0, I)

    t runs evenly from 0 to pi in each class. No straight line divides them.

    examples: N, of which half are in class 0, rounded down
    noise: standard deviation of what is added to each coordinate
    data_seed: draws the noise; it is not the run's seed

    >>> TwoMoons(examples=4, noise=0).load().x.round(1).tolist()
    [[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5], [2.0, 0.5]]

    Source: scikit-learn's make_moons, which makes the same points where there is no noise.
    """

    examples: Examples = 1000
    noise: NonNegative = 0.1
    data_seed: Index = 0

    def load(self) -> Table:
        first = self.examples // 2
        t, u = np.linspace(0, np.pi, first), np.linspace(0, np.pi, self.examples - first)
        x = np.concatenate([np.stack([np.cos(t), np.sin(t)], 1), np.stack([1 - np.cos(u), 0.5 - np.sin(u)], 1)])
        x += self.noise * numbers(self.data_seed).standard_normal(x.shape)
        y = np.repeat([0, 1], [len(t), len(u)])
        return Table(x, y, classes=("upper", "lower"), columns=("x1", "x2"))
