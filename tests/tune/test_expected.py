"""How good the best of k trials is expected to be."""

from __future__ import annotations

from itertools import combinations
from math import comb
from statistics import mean

import numpy as np
import pytest

from runner.tune.expected import expected, weights

VALUES = [0.3, 0.9, 0.1, 0.5, 0.7, 0.5]


@pytest.mark.parametrize(("direction", "best"), [("min", min), ("max", max)])
def test_it_is_the_mean_over_all_choices_of_k_trials(direction: str, best) -> None:  # type: ignore[no-untyped-def]
    found = expected(VALUES, direction, seed=0)  # type: ignore[arg-type]
    for k, one in enumerate(found, start=1):
        assert one.trials == k
        assert one.mean == pytest.approx(mean(best(chosen) for chosen in combinations(VALUES, k)), rel=1e-12)


@pytest.mark.parametrize("n", [1, 2, 7, 60])
def test_the_weights_are_those_of_the_formula_and_sum_to_one(n: int) -> None:
    naive = [[comb(i - 1, k - 1) / comb(n, k) for i in range(1, n + 1)] for k in range(1, n + 1)]
    np.testing.assert_allclose(weights(n), naive, rtol=1e-12, atol=0)
    np.testing.assert_allclose(weights(n).sum(axis=1), 1.0, rtol=1e-12)


def test_the_interval_is_between_percentiles_of_the_formula_on_samples_of_the_trials() -> None:
    found = expected(VALUES, "min", seed=3)
    rng = np.random.default_rng(0)
    samples = [[min(c) for c in combinations(rng.choice(VALUES, len(VALUES)), 2)] for _ in range(4000)]
    low, high = np.percentile(np.mean(samples, axis=1), [2.5, 97.5])
    # a percentile of a bootstrap with 1000 samples scatters by some hundredths of the spread of the values, 0.8
    assert found[1].low == pytest.approx(low, abs=0.05)
    assert found[1].high == pytest.approx(high, abs=0.05)
    assert all(one.low <= one.mean <= one.high for one in found)


def test_at_all_trials_it_is_the_best_that_was_found_and_no_interval_goes_beyond() -> None:
    last = expected(VALUES, "min", seed=0)[-1]
    assert (last.mean, last.low) == (0.1, 0.1)
    last = expected(VALUES, "max", seed=0)[-1]
    assert (last.mean, last.high) == (0.9, 0.9)


def test_it_is_without_bias_for_trials_that_are_drawn_alike() -> None:
    # The least of k uniform numbers is 1 / (k + 1) on average; 2000 curves of 12 trials each.
    rng = np.random.default_rng(1)
    curves = np.sort(-rng.random((2000, 12)), axis=1) @ weights(12).T
    spread = 4 / np.sqrt(2000) * 0.3  # four standard errors of a uniform number
    np.testing.assert_allclose(-curves.mean(axis=0), 1 / np.arange(2, 14), atol=spread)


def test_the_same_seed_gives_the_same_interval() -> None:
    assert expected(VALUES, "min", 1) == expected(VALUES, "min", 1) != expected(VALUES, "min", 2)
