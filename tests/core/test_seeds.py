"""Means over seeds and their intervals."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from runner.core.seeds import LEVEL, mean_and_half, t_quantile


@pytest.mark.parametrize("freedom", [*range(1, 60), 100, 101, 999, 1000, 9999])
def test_the_quantile_is_that_of_scipy(freedom: int) -> None:
    expected = stats.t.ppf((1 + LEVEL) / 2, freedom)
    # The series is summed in up to 5000 terms, each rounded: 5000 times 1e-16.
    assert t_quantile(freedom) == pytest.approx(float(expected), rel=5e-13)


def test_the_interval_of_three_numbers_by_hand() -> None:
    # 1, 2, 3: mean 2, s^2 = (1 + 0 + 1) / 2 = 1, and t = 4.302653 is in every table.
    mean, half = mean_and_half([1.0, 2.0, 3.0])
    assert mean == 2
    assert half == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)  # the digits of the table


def test_the_interval_is_that_of_scipy() -> None:
    values = [0.31, 0.29, 0.37, 0.30, 0.33]
    mean, half = mean_and_half(values)
    assert half is not None
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(LEVEL)
    assert (mean - half, mean + half) == pytest.approx(expected, rel=1e-12)  # five terms, rounded


def test_of_one_number_there_is_a_mean_and_no_interval() -> None:
    assert mean_and_half([0.5]) == (0.5, None)
