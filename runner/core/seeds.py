"""Runs that differ in nothing but a seed are one experiment, repeated: its mean, and how sure the mean is.

    mean +- t s / sqrt(n),    s^2 = 1 / (n - 1) sum_i (x_i - mean)^2

with `t` the quantile of Student's distribution with n - 1 degrees of freedom between whose negative and itself lie
95 % of it. If seeds are drawn from a normal distribution, 95 of 100 such intervals hold the mean over all seeds.
Of two settings that used the same seeds, the same formula is applied to the differences x_i - y_i (the paired t
interval): two runs with one seed share their initial weights and their batches, and what a seed does to both cancels.

Student, The probable error of a mean, Biometrika 6, 1908.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

LEVEL = 0.95  # the custom of the field; it stands in the heads of the tables


def is_seed(key: str) -> bool:
    """Whether a key of the configuration is a seed: `seed` itself, or one like `dataset.split_seed`.

    >>> is_seed("seed"), is_seed("dataset.split_seed"), is_seed("lr")
    (True, True, False)
    """
    return key.rpartition(".")[2].endswith("seed")


def mean_and_half(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean of at least one finite number and half the width of its interval; of a single one nothing is known.

    >>> mean_and_half([2.0, 2.0, 2.0]), mean_and_half([3.0])
    ((2.0, 0.0), (3.0, None))
    """
    n = len(values)
    mean = math.fsum(values) / n
    if n < 2:
        return mean, None
    s = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    return mean, t_quantile(n - 1) * s / math.sqrt(n)


@cache
def t_quantile(freedom: int) -> float:
    """The t with P(-t < T < t) = 0.95 for Student's T with `freedom` degrees of freedom, by bisection.

    >>> round(t_quantile(7), 4)
    2.3646
    """
    low, high = 0.0, math.pi / 2
    while low < (angle := (low + high) / 2) < high:
        low, high = (angle, high) if _within(angle, freedom) < LEVEL else (low, angle)
    return math.sqrt(freedom) * math.tan(angle)


def _within(angle: float, freedom: int) -> float:
    """P(|T| < t) for t = sqrt(freedom) tan(angle): Abramowitz and Stegun, 1964, equations 26.7.3 and 26.7.4."""
    odd = freedom % 2
    cos2 = math.cos(angle) ** 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for k in range(2 + odd, freedom + 1, 2):
        total += term
        term *= cos2 * (k - 1) / k
    series = math.sin(angle) * total
    return 2 / math.pi * (angle + series) if odd else series
