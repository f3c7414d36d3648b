from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from runner.core.check import Index, NonNegative, Share
from runner.dataset.base import Divided, Examples, Table, numbers


@final
@dataclass(frozen=True, kw_only=True)
class Circles(Divided):
    """Tell two circles around one centre apart: points in the plane, 2 classes, made up.

        class 0: (cos t, sin t),  class 1: factor (cos t, sin t),  each + noise N(0, I)

    t runs evenly through one turn in each class. No straight line divides them, x1^2 + x2^2 does.

    examples: N, of which half are in class 0, rounded down
    factor: radius of the inner circle, of the outer one's
    noise: standard deviation of what is added to each coordinate
    data_seed: draws the noise; it is not the run's seed

    >>> Circles(examples=4, noise=0).load().x.round(1).tolist()
    [[1.0, 0.0], [-1.0, 0.0], [0.5, 0.0], [-0.5, 0.0]]

    Source: scikit-learn's make_circles, which makes the same points where there is no noise.
    """

    examples: Examples = 1000
    factor: Share = 0.5
    noise: NonNegative = 0.1
    data_seed: Index = 0

    def load(self) -> Table:
        first = self.examples // 2
        t = np.linspace(0, 2 * np.pi, first, endpoint=False)
        u = np.linspace(0, 2 * np.pi, self.examples - first, endpoint=False)
        outer, inner = (np.stack([np.cos(angle), np.sin(angle)], axis=1) for angle in (t, u))
        x = np.concatenate([outer, self.factor * inner])
        x += self.noise * numbers(self.data_seed).standard_normal(x.shape)
        return Table(x, np.repeat([0, 1], [len(t), len(u)]), classes=("outer", "inner"), columns=("x1", "x2"))
