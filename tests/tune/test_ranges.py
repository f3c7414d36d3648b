"""What of a command is a range, and which ranges are refused."""

from __future__ import annotations

import pytest

from runner.core.errors import ConfigError
from runner.ranges import Interval, Listed, parted


def refusal(*arguments: str) -> str:
    with pytest.raises(ConfigError) as refused:
        parted(arguments)
    return str(refused.value)


def test_a_command_is_divided_into_what_is_the_same_for_all_trials_and_the_ranges() -> None:
    fixed, ranges = parted(["optimizer=sgd,momentum", "lr=interval(1e-4,1)", "epochs=range(5,20,5)", "seed=3"])
    assert fixed == ["++seed=3"]
    assert ranges == [
        Listed("optimizer", "optimizer", "sgd,momentum", ("sgd", "momentum"), ordered=False),
        Interval("lr", "++lr", "interval(1e-4,1)", 1e-4, 1.0, None, whole=False),
        Listed("epochs", "++epochs", "range(5,20,5)", ("5", "10", "15"), ordered=True),
    ]


@pytest.mark.parametrize(
    ("text", "scale", "whole"),
    [
        ("interval(1,5)", None, False),
        ("int(interval(1,5))", None, True),
        ("tag(log,interval(1,5))", "log", False),
        ("tag(linear,interval(1,5))", "linear", False),
    ],
)
def test_an_interval_says_its_scale_and_whether_it_is_whole(text: str, scale: str | None, whole: bool) -> None:
    _, (found,) = parted([f"lr={text}"])
    assert found == Interval("lr", "++lr", text, 1.0, 5.0, scale, whole)  # type: ignore[arg-type]


def test_a_choice_inside_a_choice_is_named_as_it_was_typed() -> None:
    _, (found,) = parted(["schedule.then=cosine,staircase"])
    assert (found.key, found.element) == ("schedule.then", "schedule@schedule.then")


def test_a_value_that_is_given_twice_counts_once() -> None:
    _, (found,) = parted(["lr=0.1,0.2,0.1"])
    assert found.ends == ("0.1", "0.2")
    assert found.told == "one of 2"


ENDS = "  allowed: interval(LOW,HIGH) with two finite numbers, LOW below HIGH\n"


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        (
            "lr=interval(1,0.1)",
            f"lr=interval(1,0.1) is refused\n{ENDS}  do this: give lr=interval(0.1,1)",
        ),
        ("lr=interval(1,1)", f"lr=interval(1,1) is refused\n{ENDS}  do this: give lr=interval(0.001,1), say"),
        ("lr=interval(0,inf)", f"lr=interval(0,inf) is refused\n{ENDS}  do this: give lr=interval(0.001,1), say"),
        ("lr=interval(nan,1)", f"lr=interval(nan,1) is refused\n{ENDS}  do this: give lr=interval(0.001,1), say"),
        (
            "lr=tag(log,interval(0,1))",
            "lr=tag(log,interval(0,1)) is refused\n"
            "  allowed: numbers above 0, which alone have a logarithm\n"
            "  do this: give a lower end above 0, or lr=interval(0,1)",
        ),
        (
            "lr=tag(square,interval(1,2))",
            "lr=tag(square,interval(1,2)) is refused\n"
            "  allowed: the tag log or the tag linear\n"
            "  do this: leave the tag out, or give lr=tag(log,interval(1,2))",
        ),
        (
            "lr=range(3,3)",
            "lr=range(3,3) is refused\n"
            "  allowed: 1 to 1000 values\n"
            "  do this: give lr=A,B, or lr=interval(LOW,HIGH) for numbers",
        ),
        (
            "architecture.hidden=[interval(8,64)]",
            "architecture.hidden=[interval(8,64)] is refused\n"
            "  allowed: a range as the whole value of a key\n"
            "  do this: give whole values: architecture.hidden=[32],[64]",
        ),
        (
            "seed=range(3)",
            "seed=range(3) is refused\n"
            "  allowed: no range: the best seed is the luckiest one\n"
            "  do this: give one number, and repeat the best setting with -m seed=range(5)",
        ),
        (
            "hydra.sweep.dir=a,b",
            "hydra.sweep.dir=a,b is refused\n  allowed: one value\n  do this: leave it out, or give a single value",
        ),
    ],
)
def test_a_range_that_makes_no_sense_is_refused_with_a_way_out(argument: str, text: str) -> None:
    assert refusal(argument) == text


def test_two_ranges_of_one_key_are_refused() -> None:
    assert refusal("lr=1,2", "lr=interval(1,2)") == (
        "lr=interval(1,2) is refused\n  allowed: every range once\n  do this: give one range for each key"
    )


@pytest.mark.parametrize(
    ("low", "high", "scale", "drawn", "text"),
    [
        (1e-4, 1.0, "log", 0.012345678, "0.01235"),
        (1e-4, 1.0, "log", 1.00004e-4, "0.0001"),
        (0.0, 0.99, "linear", 0.123456789, "0.12346"),
        (0.0, 100.0, "linear", 12.3456789, "12.35"),
        (0.12341, 0.12349, "linear", 0.123444444, "0.123444444"),  # four digits of the width, not of the number
        (0.12346, 1.0, "log", 0.123461, "0.1235"),
        (0.12346, 0.12349, "log", 0.123461, "0.12349"),  # rounding does not lead out of the interval
    ],
)
def test_a_drawn_number_is_one_that_a_person_can_type(
    low: float, high: float, scale: str, drawn: float, text: str
) -> None:
    assert Interval("a", "a", "", low, high, scale, whole=False).spelled(drawn) == text  # type: ignore[arg-type]


def test_the_places_of_values_are_on_the_scale_of_their_range() -> None:
    assert Interval("a", "a", "", 1e-4, 1.0, "log", whole=False).place("0.01") == pytest.approx(0.5)
    assert Interval("a", "a", "", 0.0, 4.0, "linear", whole=False).place("1") == pytest.approx(0.25)
    assert Listed("a", "a", "", ("5", "10", "15"), ordered=True).place("10") == pytest.approx(0.5)
    assert Listed("a", "a", "", ("5", "10", "15"), ordered=False).place("10") is None
