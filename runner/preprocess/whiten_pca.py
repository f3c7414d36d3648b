from __future__ import annotations

from dataclasses import dataclass
from typing import final

from runner.preprocess.base import Array, Statistics, Whitening, along_axes


@final
@dataclass(frozen=True)
class WhitenPca(Whitening):
    """Turn the inputs to their principal axes and give each of these variance 1.

        x~ = diag(lambda + eps)^(-1/2) U^T (x - mu),   Cov(x) = U diag(lambda) U^T

    mu, U and lambda are those of the training rows, with divisor N. The columns of the result are principal
    coordinates, the largest variance first, and on the training rows their covariance is the identity (for eps = 0).
    Directions without variance in training
    (more columns than rows, a constant column, a column that is a sum of others) become 0 in all parts: nothing is
    divided by rounding noise, and they are counted.

    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0], [3.0, -2.0], [-1.0, 4.0], [2.0, 2.0]])
    >>> map = WhitenPca()
    >>> mapped = map.transform(x, map.fit(x))
    >>> np.allclose(mapped.T @ mapped / 4, np.eye(2), rtol=0, atol=1e-14)
    True

    Source: Su, "data preprocessing" step 3; scikit-learn's PCA(whiten=True), whose variances have divisor N - 1.
    Here: a pixel of the result is no longer a place in the image; networks that use places want whiten_zca. Columns in
    very different units mix by their size: standardize first, as in preprocess=chain.
    """

    def transform(self, x: Array, statistics: Statistics) -> Array:
        return along_axes(x, statistics).reshape(x.shape)
