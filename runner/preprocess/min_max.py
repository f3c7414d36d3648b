from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from runner.core.check import Number
from runner.core.errors import ConfigError
from runner.preprocess.base import CONSTANT, Array, Blocks, Preprocess, Statistics, listed, over, unit


@final
@dataclass(frozen=True)
class MinMax(Preprocess):
    """Map the training range of every input column to one interval.

        x~_j = low + (high - low) (x_j - min_j) / (max_j - min_j)

    min_j and max_j are taken over the training rows; a later row may lie outside of the interval. A column whose range
    is at most 1e-12 of its largest magnitude is constant up to rounding: it is divided by 1 instead.

    low: what the smallest training value becomes
    high: what the largest training value becomes, above low
    target: treat targets that are numbers in the same way

    >>> import numpy as np
    >>> x = np.array([[1.0, 5.0], [3.0, 5.0]])
    >>> map = MinMax()
    >>> map.transform(x, map.fit(x)).tolist()
    [[0.0, 0.0], [1.0, 0.0]]

    Source: scikit-learn's MinMaxScaler, which gives the same numbers.
    Here: one outlier decides the scale of its column; standardize is less sensitive.
    """

    low: Number = 0.0
    high: Number = 1.0
    target: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low < self.high:
            raise ConfigError(
                "high", self.high, allowed=f"a number above low, which is {self.low}", do="give high=... above it"
            )

    def learn(self, blocks: Blocks) -> Statistics:
        largest, one = unit(blocks)
        least = over(blocks, lambda x: (x / one).min(axis=0), np.minimum)
        span = over(blocks, lambda x: (x / one).max(axis=0), np.maximum) - least
        constant = span <= CONSTANT * largest / one
        # the range of -1e308 .. 1e308 is a float64 only in units of their size
        return {"unit": one, "minimum": least, "range": np.where(constant, 1 / one, span), "constant": constant}

    def transform(self, x: Array, statistics: Statistics) -> Array:
        share = (x / statistics["unit"] - statistics["minimum"]) / statistics["range"]
        mapped: Array = self.low + (self.high - self.low) * share
        return mapped

    def fit_target(self, y: Array) -> Statistics:
        return self.fit(y[:, None]) if self.target else {}

    def transform_target(self, y: Array, statistics: Statistics) -> Array:
        return self.transform(y[:, None], statistics)[:, 0] if statistics else y

    def remarks(self, statistics: Statistics) -> list[str]:
        return listed(statistics["constant"], "are constant in training", f"moved to {self.low:g}, not scaled")
