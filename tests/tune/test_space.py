"""On which scale a range is searched, and what lies at its edge."""

from __future__ import annotations

import pytest

from runner.core.errors import ConfigError
from runner.ranges import Interval, Listed
from runner.run import Run
from runner.tune.space import at_the_edge, corners, settled
from tests.lanes.sides import run


def interval(key: str, low: float, high: float, scale: str | None = None, whole: bool = False) -> Interval:
    return Interval(key, key, f"interval({low:g},{high:g})", low, high, scale, whole)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def rich() -> Run:
    """A run that has quantities of every kind."""
    return run("optimizer=momentum", "regularizer=l2", "schedule=cosine", "architecture.dropout=0.1")


@pytest.mark.parametrize(
    ("key", "low", "high", "scale"),
    [
        ("lr", 1e-4, 1, "log"),
        ("lr", 0.1, 0.2, "log"),  # by the quantity, however short
        ("regularizer.strength", 1e-6, 0.1, "log"),
        ("regularizer.strength", 0, 0.1, "linear"),  # 0 has no logarithm
        ("batch_size", 16, 256, "log"),
        ("epochs", 5, 50, "log"),
        ("optimizer.mu", 0.001, 0.99, "linear"),  # a share, however long
        ("architecture.dropout", 0.01, 0.9, "linear"),
        ("optimizer.somebody_else_s", 0.01, 1.0, "log"),  # not known here: by its length
        ("optimizer.somebody_else_s", 0.01, 0.9, "linear"),
        ("optimizer.mu.deeper", 0.01, 0.9, "linear"),
    ],
)
def test_a_range_is_logarithmic_where_its_quantity_is(key: str, low: float, high: float, scale: str, rich: Run) -> None:
    (found,) = settled([interval(key, low, high)], rich)
    assert isinstance(found, Interval)
    assert found.scale == scale


@pytest.mark.parametrize("scale", ["log", "linear"])
@pytest.mark.parametrize("key", ["lr", "optimizer.mu"])
def test_what_the_user_says_goes_before(key: str, scale: str, rich: Run) -> None:
    (found,) = settled([interval(key, 0.1, 0.9, scale)], rich)
    assert isinstance(found, Interval)
    assert found.scale == scale


def test_what_is_a_whole_number_is_drawn_as_one(rich: Run) -> None:
    found = settled([interval("batch_size", 16, 256), interval("lr", 1, 2), interval("lr", 1, 2, whole=True)], rich)
    assert [each.whole for each in found if isinstance(each, Interval)] == [True, False, True]
    with pytest.raises(ConfigError) as refused:
        settled([interval("epochs", 1.5, 3)], rich)
    assert str(refused.value) == (
        "epochs=interval(1.5,3) is refused\n  allowed: whole numbers as its ends\n  do this: give epochs=interval(1,3)"
    )


def test_the_reason_for_a_scale_is_told(rich: Run) -> None:
    space = [
        interval("lr", 0.1, 1),
        interval("optimizer.mu", 0, 0.5),
        interval("x.y", 1, 10),
        interval("lr", 1, 2, "log"),
    ]
    assert [each.told for each in settled(space, rich)] == [
        "log, for a quantity in (0, 1e+30]",
        "linear, which has a place for 0",
        "linear, since it covers a factor of 10",
        "log, as it was asked for",
    ]


def test_the_corners_try_every_end_and_every_listed_value() -> None:
    space = [Listed("a", "a", "", ("x", "y", "z"), False), interval("b", 1, 2), interval("c", 3, 4)]
    found = corners(space)
    assert {setting["a"] for setting in found} == {"x", "y", "z"}
    assert {(setting["b"], setting["c"]) for setting in found} == {("1", "3"), ("2", "4")}


@pytest.mark.parametrize(
    ("value", "end"),
    [("0.0001", "lower"), ("0.000158", "lower"), ("0.00016", ""), ("0.63", ""), ("0.64", "upper"), ("1", "upper")],
)
def test_the_edge_is_a_twentieth_of_the_range_on_its_own_scale(value: str, end: str) -> None:
    found = at_the_edge([interval("lr", 1e-4, 1, "log")], {"lr": value})  # 4 decades: 10^(4/20) = 1.585
    assert found == ([f"lr={value} lies at the {end} edge of interval(0.0001,1): look beyond it"] if end else [])


def test_a_list_without_an_order_has_no_edge() -> None:
    assert at_the_edge([Listed("a", "a", "a,b", ("a", "b"), False)], {"a": "a"}) == []
    assert at_the_edge([Listed("n", "n", "range(3)", ("0", "1", "2"), True)], {"n": "2"}) == [
        "n=2 lies at the upper edge of range(3): look beyond it"
    ]
