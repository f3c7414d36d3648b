from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

import numpy as np

from runner.core.check import Count, Index, NonNegative, Range
from runner.dataset.base import Divided, Examples, Table, no_more_than, numbers


@final
@dataclass(frozen=True, kw_only=True)
class LeastSquares(Divided):
    """Fit a linear model to numbers that follow one: conditioning and noise are as stated, made up.

        y = X w + noise e,   X = sqrt(N) U diag(lambda)^(1/2) V^T,   w, e ~ N(0, I)

    U `[N, d]` and V `[d, d]` are random with orthonormal columns, so that X^T X / N has the eigenvalues lambda, which
    fall geometrically from 1 to 1/condition; for loss=mse the Hessian is twice that, and gradient descent on all rows
    diverges from lr = 1 on. This is exact over all N rows; those of the training part alone spread a little more.

    examples: N
    features: d, at most N
    condition: the largest eigenvalue of X^T X / N over the smallest
    noise: standard deviation of what is added to the target; its square is the least mse that can be hoped for
    data_seed: draws X, w and the noise; it is not the run's seed

    >>> x = LeastSquares(examples=20, features=2, condition=100).load().x
    >>> bool(np.allclose(np.linalg.eigvalsh(x.T @ x / 20), [0.01, 1], rtol=1e-12, atol=0))
    True

    Source: Sun p. 20, which compares gradient descent with SGD on 10000 rows of 500 columns.
    Here: the deck states neither conditioning nor noise, on which its comparison depends. Take architecture=linear,
    loss=mse and preprocess=none: standardizing columns and targets changes the problem.
    """

    examples: Examples = 10000
    features: Count = 500
    condition: Annotated[float, Range(least=1, most=1e30)] = 2.5
    noise: NonNegative = 0.0
    data_seed: Index = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        no_more_than(self.examples, "features", self.features)

    def load(self) -> Table:
        rng = numbers(self.data_seed)
        n, d = self.examples, self.features
        u, _ = np.linalg.qr(rng.standard_normal((n, d)))
        v, _ = np.linalg.qr(rng.standard_normal((d, d)))
        x = (u * np.sqrt(n * np.geomspace(1, 1 / self.condition, d))) @ v.T
        y = x @ rng.standard_normal(d) + self.noise * rng.standard_normal(n)
        return Table(x, y, classes=None, columns=tuple(f"x{j + 1}" for j in range(d)))
