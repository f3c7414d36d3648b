from __future__ import annotations

from dataclasses import dataclass
from typing import final

from runner.preprocess.base import Array, Blocks, Preprocess, Statistics, listed, moments, standardized


@final
@dataclass(frozen=True)
class Standardize(Preprocess):
    """Give every input column mean 0 and standard deviation 1 on the training part.

        x~_j = (x_j - mu_j) / sigma_j

    mu_j and sigma_j are the mean and the standard deviation (divisor N) of column j over the training rows. A column
    whose deviation is at most 1e-12 of its largest magnitude is constant up to rounding: sigma_j is 1 there.

    target: treat targets that are numbers in the same way; losses are then in units of their training deviation

    >>> import numpy as np
    >>> x = np.array([[1.0, 5.0], [3.0, 5.0]])
    >>> map = Standardize()
    >>> map.transform(x, map.fit(x)).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]

    Source: Grosse, CSC321 lecture 8, "centering and scaling"; Su, "data preprocessing" steps 1 and 2.
    Here: scikit-learn's StandardScaler gives the same numbers; it also divides constant columns by 1.
    """

    target: bool = True

    def learn(self, blocks: Blocks) -> Statistics:
        return moments(blocks)

    def transform(self, x: Array, statistics: Statistics) -> Array:
        return standardized(x, statistics)

    def fit_target(self, y: Array) -> Statistics:
        return moments((y[:, None],)) if self.target else {}

    def transform_target(self, y: Array, statistics: Statistics) -> Array:
        return standardized(y[:, None], statistics)[:, 0] if statistics else y

    def remarks(self, statistics: Statistics) -> list[str]:
        return listed(statistics["constant"], "are constant in training", "centred, not scaled")
