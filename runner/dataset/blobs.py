from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

import numpy as np

from runner.core.check import Count, Index, Positive, Range
from runner.dataset.base import Divided, Examples, Table, no_more_than, numbers


@final
@dataclass(frozen=True, kw_only=True)
class Blobs(Divided):
    """Tell round clouds of points apart: a normal distribution for each class, made up.

        x_i = c_k + std e_i,   e_i ~ N(0, I),   c_k ~ U([-spread, spread]^features),   k = i mod clouds

    Clouds may overlap, the more the larger std is beside spread; then no classifier is perfect.

    examples: N, dealt to the clouds in turn
    clouds: number of clouds, each a class
    features: columns of x
    spread: half the side of the cube that the centres are drawn from
    std: standard deviation of a cloud
    data_seed: draws the centres and the points; it is not the run's seed

    >>> Blobs(examples=4, clouds=2).load().y.tolist()
    [0, 1, 0, 1]

    Source: scikit-learn's make_blobs has the same distribution; its numbers are others.
    """

    examples: Examples = 1000
    clouds: Annotated[int, Range(least=2, most=1e15)] = 3
    features: Count = 2
    spread: Positive = 10.0
    std: Positive = 1.0
    data_seed: Index = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        no_more_than(self.examples, "clouds", self.clouds)

    def load(self) -> Table:
        rng = numbers(self.data_seed)
        centres = rng.uniform(-self.spread, self.spread, (self.clouds, self.features))
        y = np.arange(self.examples) % self.clouds
        x = centres[y] + self.std * rng.standard_normal((self.examples, self.features))
        names = tuple(f"x{j + 1}" for j in range(self.features))
        return Table(x, y, classes=tuple(str(k) for k in range(self.clouds)), columns=names)
