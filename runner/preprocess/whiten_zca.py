from __future__ import annotations

from dataclasses import dataclass
from typing import final

from runner.preprocess.base import Array, Statistics, Whitening, along_axes


@final
@dataclass(frozen=True)
class WhitenZca(Whitening):
    """Make the inputs uncorrelated with variance 1, moving them as little as possible.

        x~ = U diag(lambda + eps)^(-1/2) U^T (x - mu),   Cov(x) = U diag(lambda) U^T

    mu, U and lambda are those of the training rows, with divisor N. It is whiten_pca turned back to the original
    axes: of all whitened inputs those nearest to the centred ones, so that images stay images.
    Directions without variance in training
    (more columns than rows, a constant column, a column that is a sum of others) become 0 in all parts: nothing is
    divided by rounding noise, and they are counted.

    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0], [3.0, -2.0], [-1.0, 4.0], [2.0, 2.0]])
    >>> map = WhitenZca()
    >>> mapped = map.transform(x, map.fit(x))
    >>> np.allclose(mapped.T @ mapped / 4, np.eye(2), rtol=0, atol=1e-14)
    True

    Source: Su, "data preprocessing" step 3; Krizhevsky 2009, "Learning multiple layers of features from tiny images",
    appendix A.
    Here: columns in very different units mix by their size: standardize first, as in preprocess=chain.
    """

    def transform(self, x: Array, statistics: Statistics) -> Array:
        return (along_axes(x, statistics) @ statistics["axes"]).reshape(x.shape)
