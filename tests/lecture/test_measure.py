"""From rows to numbers, from numbers to a verdict."""

from __future__ import annotations

import math
from typing import Any

import pytest

from runner.core.errors import ConfigError
from runner.lecture.base import Compare, Measure, claim
from runner.lecture.measure import Estimate, Outcome, estimated, measured

NODE: dict[str, Any] = {
    "place": "p. 1",
    "claim": "a is twice b",
    "measure": {"column": "x"},
    "compare": {"how": "ratio", "of": "a", "to": "b"},
    "predicted": 2.0,
    "because": "so it is",
    "bounds": [1.9, 2.1],
    "arms": {"a": ["lr=2"], "b": ["lr=1"]},
    "control": {"without": ["lr=1"]},
}


def rows(*values: float) -> list[dict[str, float]]:
    return [{"step": 10.0 * at, "x": value, "y": 2.0} for at, value in enumerate(values, start=1)]


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (Measure("x"), 2.0),
        (Measure("x", "first"), 8.0),
        (Measure("x", "first", skip=1), 1.0),
        (Measure("x", "most", rows=2), 8.0),
        (Measure("x", "least"), 1.0),
        (Measure("x", "mean"), 11 / 3),
        (Measure("x", "change"), 1.0),
        (Measure("x", "turn"), 2.0),
        (Measure("x", "epochs", value=1.5), 2.0),
        (Measure("x", "epochs", value=1.5, skip=1), 2.0),
        (Measure("x", "epochs", value=0.5), math.inf),
        (Measure("x", "all_zero"), 0.0),
        (Measure("x", "diverged"), 0.0),
        (Measure("x", per="y"), 1.0),
        (Measure("x", minus=1.0), 1.0),
        (Measure("{arm}"), 2.0),
    ],
)
def test_a_run_has_the_number_that_is_measured(measure: Measure, expected: float) -> None:
    assert measured(rows(8.0, 1.0, 2.0), "completed", measure, "x") == pytest.approx(expected, rel=1e-15)


def test_a_rate_is_the_factor_of_one_step() -> None:
    found = measured(rows(*(3.0 * 0.5 ** (10 * at) for at in range(1, 6))), "completed", Measure("x", "rate"))
    assert found == pytest.approx(0.5, rel=1e-12)


def test_a_run_that_diverged_has_no_finite_number() -> None:
    assert measured(rows(1.0, 2.0), "diverged", Measure("x")) == math.inf
    assert measured(rows(1.0, 2.0), "diverged", Measure("x", "diverged")) == 1.0


def test_a_column_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(ConfigError) as refused:
        measured(rows(1.0, 2.0), "completed", Measure("z"))
    assert str(refused.value) == (
        "lecture.measure.column=z is refused\n"
        "  allowed: columns of metrics.csv: step, x, y\n"
        "  do this: name one of them, or choose a probe that measures it"
    )


def test_a_ratio_is_taken_seed_by_seed_in_logarithms() -> None:
    found = estimated({"a": [2.0, 8.0], "b": [1.0, 1.0]}, Compare("ratio", "a", "b"))
    assert found.value == pytest.approx(4.0, rel=1e-15)  # the geometric mean
    assert found.low < 1 < 16 < found.high  # two seeds know little: t = 12.7


def test_numbers_of_the_arms_make_one_number() -> None:
    numbers = {"1": [1.0, 1.0], "10": [0.01, 0.01]}
    assert estimated(numbers, Compare("slope")).value == pytest.approx(-2.0, rel=1e-12)
    assert estimated(numbers, Compare("spread")).value == pytest.approx(0.99, rel=1e-12)
    assert estimated(numbers, Compare("ordered")).value == 0.0
    assert estimated({"10": [0.0], "1": [1.0]}, Compare("ordered")).value == 1.0
    assert math.isnan(estimated({"1": [0.0], "10": [1.0]}, Compare("slope")).value)


def test_a_number_that_is_none_is_within_no_bounds() -> None:
    nothing = estimated({"a": [math.nan, 1.0]}, Compare("value", "a"))
    assert not nothing.within((-1e30, 1e30))
    assert not estimated({"a": [math.inf]}, Compare("value", "a")).within((0, 1e30))


@pytest.mark.parametrize(
    ("cases", "control", "verdict"),
    [
        ({"here": 2.0}, 1.0, "holds"),
        ({"here": 3.0}, 1.0, "does not hold here"),
        ({"small": 2.0, "large": 3.0}, 1.0, "holds under small"),
        ({"small": 2.0, "large": 2.0}, 1.0, "holds"),
        ({"here": 2.0}, 2.0, "does not hold here: it is so without the cause too (without)"),
    ],
)
def test_the_verdict_is_that_of_the_numbers_and_the_control_decides(
    cases: dict[str, float], control: float, verdict: str
) -> None:
    made = claim(NODE | {"cases": {name: [] for name in cases}})
    found = {name: Estimate(value, value, value) for name, value in (cases | {"without": control}).items()}
    assert Outcome(made, found).verdict == verdict


def test_a_claim_as_it_is_printed_is_judged_by_its_own_number() -> None:
    found = {name: Estimate(value, value, value) for name, value in (("here", 2.0), ("without", 1.0))}
    assert Outcome(claim(NODE), found).as_printed == ""
    assert Outcome(claim(NODE | {"printed": 3.0}), found).as_printed == "does not hold here, it would be 3"
    assert Outcome(claim(NODE | {"printed": 2.05}), found).as_printed == "holds, it would be 2.05"  # bounds of +-0.1
    assert Outcome(claim(NODE | {"printed": 3.0}), found).verdict == "holds"


def test_an_interval_that_leaves_the_bounds_is_not_within() -> None:
    assert Estimate(2.0, 1.95, 2.05).within((1.9, 2.1))
    assert not Estimate(2.0, 1.8, 2.2).within((1.9, 2.1))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"measure": {"column": "x", "take": "median"}}, "take"),
        ({"measure": "x"}, "lecture.measure"),
        ({"compare": {"how": "ratio", "of": "a", "to": "c"}}, "lecture.compare"),
        ({"bounds": [1.0]}, "lecture.bounds"),
        ({"control": {}}, "lecture.control"),
        ({"verdict": "holds"}, "verdict"),
        ({"seeds": 0}, "lecture.seeds"),
    ],
)
def test_what_is_wrong_in_a_claim_is_refused_by_its_key(change: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        claim(NODE | change)
    assert str(refused.value).startswith(f"{key}=")


def test_what_is_missing_in_a_claim_is_refused_by_its_key() -> None:
    with pytest.raises(ConfigError) as refused:
        claim({key: value for key, value in NODE.items() if key != "because"})
    assert str(refused.value).startswith("lecture.because is refused")
