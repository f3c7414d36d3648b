"""How good the best of k trials is expected to be, for k up to all that were made.

Of n trials with the values y_(1) >= ... >= y_(n), the worst first, k are drawn without replacement. The best of them is
y_(i) if it is among them and the other k - 1 are of the i - 1 that are worse:

    E[best of k] = sum_i y_(i) C(i - 1, k - 1) / C(n, k)

the mean over all C(n, k) choices, and so without bias for the best of k trials drawn in the same way (Dodge et al.
2019, Show your work: improved reporting of experimental results, EMNLP, draw with replacement, which has a bias; this
is the estimator of Tang et al. 2020, Showing your work doesn't always work, ACL). At k = 1 it is the mean, at k = n the
best that was found.

The interval holds 95 % of what the formula gives for samples of n trials drawn from the n with replacement (the
percentile bootstrap, Efron 1979). It knows no trial better than the best one, so it is too short where k is near n.

Random and Sobol search draw in the same way each time. TPE learns, so its later trials are better than its first: for
it the curve says what k of its trials would have given, whichever they are, and not what a search of k trials gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runner.core.streams import key
from runner.stop.base import Direction

SAMPLES = 1000  # of the bootstrap: a percentile of 2.5 then rests on 25 of them
LEVEL = (2.5, 97.5)  # percent


@dataclass(frozen=True)
class Expected:
    """The best of `trials`: its mean and an interval of 95 %."""

    trials: int
    mean: float
    low: float
    high: float


def weights(n: int) -> NDArray[np.float64]:
    """[n, n]: in row k - 1 the probability that the best of k is the i-th worst, i = 1 .. n.

    >>> weights(3).round(3).tolist()
    [[0.333, 0.333, 0.333], [0.0, 0.333, 0.667], [0.0, 0.0, 1.0]]
    """
    found = np.zeros((n, n))
    for k in range(1, n + 1):
        worse = np.arange(n - 1, k - 1, -1)  # i, of C(i - 1, k - 1) = C(i, k - 1) (i - k + 1) / i; at i = n it is k / n
        found[k - 1, k - 1 :] = k / n * np.cumprod(np.append(1.0, (worse - k + 1) / worse))[::-1]
    return found


def expected(values: Sequence[float], direction: Direction, seed: int) -> list[Expected]:
    """The curve for k = 1 .. n of finite values, with its interval; `seed`: of the bootstrap."""
    sign = 1.0 if direction == "max" else -1.0
    worst_first = np.sort(sign * np.asarray(values, dtype=np.float64))
    shares = weights(len(worst_first))
    draws = np.random.default_rng(key(seed, "bootstrap")).choice(worst_first, (SAMPLES, len(worst_first)))
    curves = np.sort(draws, axis=1) @ shares.T  # [SAMPLES, n]
    bounds = np.sort(sign * np.percentile(curves, LEVEL, axis=0), axis=0)
    means = sign * (shares @ worst_first)
    return [
        Expected(k, float(mean), float(low), float(high))
        for k, (mean, low, high) in enumerate(zip(means, *bounds, strict=True), start=1)
    ]
