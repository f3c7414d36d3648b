"""What the axes of a sweep explain."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from runner.sweep.base import Job, Row
from runner.sweep.importance import Importance, importance
from runner.sweep.seeds import settings

Level = Callable[..., float | None]


def found(level: Level, *sizes: int, seeds: int = 1, missing: int = 0) -> Importance:
    """The importance of axes a, b, ... with values 0, 1, ...; a run whose level is None diverged."""
    names = "abcdef"[: len(sizes)]
    jobs, rows = [], []
    for numbers in list(itertools.product(*map(range, (*sizes, seeds))))[missing * seeds :]:
        values = {**{name: str(k) for name, k in zip(names, numbers, strict=False)}, "seed": str(numbers[-1])}
        job = Job(len(jobs), str(len(jobs)), tuple(f"{key}={value}" for key, value in values.items()), {})
        loss = level(*numbers)
        status = "diverged" if loss is None else "completed"
        jobs.append(job)
        rows.append(Row(job, values, status, "x", 1, 1, {"best_val_loss": loss}))
    return importance(settings(jobs, rows, [*names, "seed"]), seeds > 1)


def shares(one: Importance) -> dict[str, float | None]:
    return {each.source: each.share for each in one.shares}


def test_of_a_sum_of_axes_each_has_the_share_of_its_own_variance() -> None:
    # -a - 3 b with a in 0, 1 and b in 0, 1, 2: variances 1/4 and 9 * 2/3 = 6, of 25/4 in all; 0 has no logarithm.
    one = found(lambda a, b, seed: -a - 3.0 * b, 2, 3)
    # The sums are over six numbers.
    assert shares(one) == pytest.approx({"b": 24 / 25, "a": 1 / 25, "interactions": 0.0}, abs=1e-14)
    assert list(shares(one)) == ["b", "a", "interactions"]
    assert one.words == "share of the variance of best_val_loss, 6 runs in 6 settings"


def test_losses_that_are_positive_are_taken_by_their_logarithms() -> None:
    one = found(lambda a, b, seed: math.exp(a + 3.0 * b), 2, 3)
    assert shares(one) == pytest.approx({"b": 24 / 25, "a": 1 / 25, "interactions": 0.0}, abs=1e-14)
    assert one.words == "share of the variance of log best_val_loss, 6 runs in 6 settings"


def test_what_two_axes_do_only_together_is_an_interaction() -> None:
    assert shares(found(lambda a, b, seed: float(a ^ b), 2, 2)) == {"a": 0.0, "b": 0.0, "interactions": 1.0}


def test_what_the_seeds_do_is_the_noise() -> None:
    # Variance 1/4 of a, 4/4 of the seed.
    one = found(lambda a, b, seed: -float(a) - 2 * seed, 2, 2, seeds=2)
    assert shares(one) == pytest.approx({"a": 0.2, "b": 0.0, "interactions": 0.0, "seeds": 0.8}, abs=1e-14)


def test_the_shares_are_those_of_the_naive_formula() -> None:
    noise = np.random.default_rng(0).normal(size=(3, 4, 2, 5))
    one = found(lambda *at: float(noise[at]), 3, 4, 2, seeds=5)
    total = noise.var()
    cells = noise.mean(axis=3)
    naive = {
        "a": noise.mean(axis=(1, 2, 3)).var() / total,
        "b": noise.mean(axis=(0, 2, 3)).var() / total,
        "c": noise.mean(axis=(0, 1, 3)).var() / total,
        "seeds": noise.var(axis=3).mean() / total,
    }
    naive["interactions"] = cells.var() / total - naive["a"] - naive["b"] - naive["c"]
    assert shares(one) == pytest.approx(naive, abs=1e-13)  # sums of 120 numbers near 1
    chance = {each.source: each.by_chance for each in one.shares}
    assert chance == pytest.approx(
        {"a": 2 / 119, "b": 3 / 119, "c": 1 / 119, "interactions": 17 / 119, "seeds": 96 / 119}
    )


def test_the_value_of_an_axis_at_which_runs_diverged_is_left_out_and_told() -> None:
    one = found(lambda a, b, seed: None if b == 2 and a == 1 else -a - 3.0 * b, 2, 4)
    # Of b = 2 one of two is missing, of a = 1 one of four. Left: b in 0, 1, 3 with 9 * 14/9, and a with 1/4.
    assert shares(one) == pytest.approx({"b": 14 / 14.25, "a": 0.25 / 14.25, "interactions": 0.0}, abs=1e-14)
    assert one.words == (
        "share of the variance of best_val_loss, 6 runs in 6 settings; left out, because runs did not complete: b=2"
    )
    assert [each.left_out for each in one.shares] == [("2",), (), ()]


def test_the_value_with_the_largest_share_of_holes_goes_first() -> None:
    # Of a = 1 six of eight are missing, of six values of b one of two: without a = 1, all of b is left.
    one = found(lambda a, b, seed: None if a == 1 and b > 1 else -1.0 * b, 2, 8)
    assert one.words.endswith("8 runs in 8 settings; left out, because runs did not complete: a=1")


def test_an_axis_with_one_value_left_has_no_share() -> None:
    one = found(lambda a, b, seed: None if a else -1.0 * b, 2, 3)
    assert shares(one) == {"b": 1.0, "a": None, "interactions": 0.0}


def test_a_setting_of_which_one_seed_diverged_is_no_hole() -> None:
    one = found(lambda a, b, seed: None if (a, b, seed) == (0, 0, 1) else -float(a), 2, 2, seeds=2)
    assert shares(one) == pytest.approx({"a": 1.0, "b": 0.0, "interactions": 0.0, "seeds": 0.0}, abs=1e-14)


def test_of_runs_that_are_no_grid_nothing_is_said() -> None:
    one = found(lambda a, b, seed: float(a), 2, 4, missing=1)
    assert one == Importance((), "no shares of the axes: the settings are no full grid: 7 of 8 combinations")


@pytest.mark.parametrize(("level", "runs"), [(lambda a, b, seed: 0.3, 6), (lambda a, b, seed: None, 0)])
def test_where_nothing_varies_nothing_is_explained(level: Level, runs: int) -> None:
    words = found(level, 2, 3).words
    assert words.startswith(f"no shares of the axes: nothing varies among {runs} runs")
