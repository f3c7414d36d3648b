"""Typed and bounded values."""

from __future__ import annotations

import dataclasses
import math
import sys
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.check import (
    Below1,
    Choice,
    Count,
    Index,
    NonNegative,
    Number,
    Positive,
    Range,
    Share,
    Unit,
    arguments,
    checked,
    only_known,
    spelled,
)
from runner.core.errors import ConfigError


def message(key: str, value: Any, annotation: Any, *default: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        checked(key, value, annotation, *default)
    return str(caught.value)


BOUNDS = [
    (Positive, [5e-324, 1.0, 1e30], [0.0, -0.0, -1.0, 1.1e30, sys.float_info.max]),
    (NonNegative, [0.0, 5e-324, 1e30], [-5e-324, -1.0, 1.1e30, sys.float_info.max]),
    (Below1, [0.0, math.nextafter(1.0, 0.0)], [-5e-324, 1.0]),
    (Unit, [0.0, 0.5, 1.0], [-5e-324, math.nextafter(1.0, 2.0)]),
    (Share, [5e-324, math.nextafter(1.0, 0.0)], [0.0, 1.0]),
    (Count, [1, 10**15], [0, -1, 10**15 + 1]),
    (Number, [-1e30, 0.0, 1e30], [-1.1e30, 1.1e30]),
    (Index, [0, 10**30], [-1]),
]


@pytest.mark.parametrize(("annotation", "value"), [(a, v) for a, good, _ in BOUNDS for v in good])
def test_a_value_inside_or_on_an_included_bound_is_taken(annotation: Any, value: float) -> None:
    assert checked("x", value, annotation) == value


@pytest.mark.parametrize(("annotation", "value"), [(a, v) for a, _, bad in BOUNDS for v in bad])
def test_a_value_outside_or_on_an_excluded_bound_is_refused(annotation: Any, value: float) -> None:
    assert message("x", value, annotation) == (
        f"x={value} is refused\n  allowed: {spelled(annotation)}\n  do this: give x=... a value in that range"
    )


def test_a_bound_on_the_upper_side_may_be_included_or_not() -> None:
    assert 1 in Range(most=1)
    assert 1 not in Range(below=1)
    assert -(10**400) in Range(below=1)


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        (Range(), "(-inf, inf)"),
        (Range(least=0), "[0, inf)"),
        (Range(above=0), "(0, inf)"),
        (Range(least=0, most=1), "[0, 1]"),
        (Range(above=-0.5, below=1e-9), "(-0.5, 1e-09)"),
    ],
)
def test_a_range_is_written_as_an_interval(bounds: Range, text: str) -> None:
    assert str(bounds) == text


@pytest.mark.parametrize("annotation", [int, float, Count, Positive, int | float, Literal[1], list[int] | None])
def test_a_truth_value_is_no_number(annotation: Any) -> None:
    with pytest.raises(ConfigError):
        checked("x", True, annotation)


@pytest.mark.parametrize("value", [0, 1, "true", None, 1.0])
def test_only_a_truth_value_is_true_or_false(value: Any) -> None:
    assert message("x", value, bool).endswith("allowed: true or false\n  do this: give x=... true or false")


def test_an_integer_becomes_the_float_of_the_same_value() -> None:
    found = checked("betas", [0, 0.999], tuple[Below1, Below1])
    assert found == (0.0, 0.999)
    assert [type(one) for one in found] == [float, float]


@given(st.integers(-(2**53), 2**53))
def test_every_integer_that_a_float_holds_keeps_its_value(number: int) -> None:
    found = checked("x", number, float)
    assert type(found) is float
    assert found == number


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 10**23])
def test_an_integer_that_no_float_holds_is_refused(number: int) -> None:
    assert message("x", number, float) == (
        f"x={number} is refused\n  allowed: a number\n  do this: give x=... a number that 64 bits hold exactly"
    )


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_float_is_kept_bit_for_bit(number: float) -> None:
    assert checked("x", number, float).hex() == number.hex()


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 10**400, -(10**400)])
def test_what_is_not_finite_as_a_float_is_refused(number: float) -> None:
    assert message("lr", number, Positive, 0.001) == (
        f"lr={number} is refused\n"
        "  allowed: a number in (0, 1e+30]\n"
        "  do this: give lr=... a finite number; the default is 0.001"
    )


@pytest.mark.parametrize("value", [2.0, 2.5, math.nan, "2", None, [2]])
def test_only_a_whole_number_is_whole(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"do this: give epochs=\.\.\. a whole number$"):
        checked("epochs", value, Count)


@pytest.mark.parametrize("value", ["abc", "1", None, [1.0], {}, 1 + 0j])
def test_only_a_number_is_a_number(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"do this: give lr=\.\.\. a number$"):
        checked("lr", value, Positive)


def test_a_choice_of_words_is_one_of_them_and_a_slip_is_answered_with_the_nearest() -> None:
    assert checked("mode", "high", Literal["low", "high"]) == "high"
    assert message("mode", "hihg", Literal["low", "high"], "low") == (
        "mode=hihg is refused\n"
        "  allowed: low | high\n"
        "  do this: give mode=... one of these (did you mean high?); the default is low"
    )
    assert message("mode", 3, Literal["low", "high"]) == (
        "mode=3 is refused\n  allowed: low | high\n  do this: give mode=... one of these"
    )


def test_a_list_becomes_a_tuple_of_converted_items() -> None:
    assert checked("hidden", [1, 2], tuple[Count, ...]) == (1, 2)
    assert checked("hidden", [], tuple[Count, ...]) == ()
    assert checked("rates", [1, 0.5], list[float]) == (1.0, 0.5)


def test_a_list_is_refused_for_its_length_its_items_and_for_not_being_one() -> None:
    pair = tuple[Below1, Below1]
    allowed = "  allowed: [a number in [0, 1), a number in [0, 1)]\n"
    assert message("betas", [0.9], pair, (0.9, 0.999)) == (
        f"betas=[0.9] is refused\n{allowed}  do this: give betas=... a list of 2 values; the default is [0.9,0.999]"
    )
    assert message("betas", [0.9, 1.0], pair) == (
        f"betas=[0.9,1.0] is refused\n{allowed}  do this: give betas=... a value in that range"
    )
    assert message("betas", "ab", pair) == (
        f"betas=ab is refused\n{allowed}  do this: give betas=... a list in square brackets"
    )
    assert message("hidden", [0], tuple[Count, ...]) == (
        "hidden=[0] is refused\n"
        "  allowed: a list of values, each a whole number in [1, 1e+15]\n"
        "  do this: give hidden=... a value in that range"
    )


def test_a_union_takes_what_one_of_its_parts_takes() -> None:
    threads = Count | Literal["auto"]
    assert checked("threads", 4, threads) == 4
    assert checked("threads", "auto", threads) == "auto"
    assert message("threads", 0, threads) == (
        "threads=0 is refused\n"
        "  allowed: a whole number in [1, 1e+15] or auto\n"
        "  do this: give threads=... one of these"
    )


def test_an_optional_value_may_be_null_and_no_other_may() -> None:
    assert checked("path", None, str | None) is None
    assert checked("path", "a.csv", str | None) == "a.csv"
    assert message("path", 3, str | None) == (
        "path=3 is refused\n  allowed: a text or null\n  do this: give path=... one of these"
    )
    assert message("path", None, str) == "path=null is refused\n  allowed: a text\n  do this: give path=... a text"


def test_named_values_are_converted_one_by_one() -> None:
    assert checked("expect", {"val_accuracy": 1}, dict[str, float]) == {"val_accuracy": 1.0}
    assert checked("expect", {}, dict[str, float]) == {}
    allowed = "  allowed: named values, each a number\n"
    assert message("expect", {"val_accuracy": "x"}, dict[str, float]) == (
        f"expect={{val_accuracy:x}} is refused\n{allowed}  do this: give expect=... a number"
    )
    assert message("expect", [1], dict[str, float]) == (
        f"expect=[1] is refused\n{allowed}  do this: give expect=... a mapping {{name: value}}"
    )
    assert message("expect", {1: 1.0}, dict[str, float]) == (
        f"expect={{1:1.0}} is refused\n{allowed}  do this: give expect=... a text"
    )


def test_an_object_must_be_of_its_class() -> None:
    assert checked("when", dataclasses.MISSING, Any) is dataclasses.MISSING
    inner = Inner()
    assert checked("inner", inner, Inner) is inner
    assert message("inner", "x", Inner) == "inner=x is refused\n  allowed: Inner\n  do this: give inner=... Inner"


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (str, "a text"),
        (bool, "true or false"),
        (Annotated[int, Range(least=2, most=8)], "a whole number in [2, 8]"),
        (dict[str, Positive], "named values, each a number in (0, 1e+30]"),
        (list[str], "a list of values, each a text"),
        (Literal["a", None], "a | null"),
        (None, "None"),
    ],
)
def test_an_annotation_has_words(annotation: Any, words: str) -> None:
    assert spelled(annotation) == words


@dataclass(frozen=True)
class Inner(Choice):
    scale: Positive = 1.0


@dataclass(frozen=True)
class Outer(Inner):
    betas: tuple[Below1, Below1] = (0.9, 0.999)
    parts: dict[str, Inner] = field(default_factory=dict)
    name: str | None = None


def test_a_choice_converts_its_arguments_when_it_is_made() -> None:
    made = Outer(scale=2, betas=[0, 0])  # type: ignore[arg-type]
    assert made == Outer(scale=2.0, betas=(0.0, 0.0))
    assert type(made.scale) is float
    assert type(made.betas) is tuple


def test_a_choice_refuses_a_wrong_argument_of_its_base_class_and_names_the_default() -> None:
    with pytest.raises(ConfigError) as caught:
        Outer(scale=0)
    assert str(caught.value) == (
        "scale=0 is refused\n"
        "  allowed: a number in (0, 1e+30]\n"
        "  do this: give scale=... a value in that range; the default is 1.0"
    )


def test_a_choice_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Inner().scale = 2.0  # type: ignore[misc]


def test_the_arguments_of_a_choice_are_those_of_its_bases_first() -> None:
    assert arguments(Outer) == {
        "scale": (Positive, 1.0),
        "betas": (tuple[Below1, Below1], (0.9, 0.999)),
        "parts": (dict[str, Inner], {}),
        "name": (str | None, None),
    }


def test_a_label_is_the_name_and_what_is_not_at_its_default() -> None:
    assert Outer().label == "Outer"
    assert Outer(scale=2, name="x", parts={"a": Inner()}).label == "Outer scale=2.0 name=x"


def test_an_argument_that_a_class_does_not_have_is_refused() -> None:
    only_known(Outer, {"scale": 1, "lr": 1}, extra=("lr",))
    with pytest.raises(ConfigError) as caught:
        only_known(Outer, {"beta": 1})
    assert str(caught.value) == (
        "beta=1 is refused\n"
        "  allowed: the arguments of Outer: scale, betas, parts, name\n"
        "  do this: did you mean betas? remove it or use one of these"
    )


def test_a_class_without_arguments_takes_none() -> None:
    with pytest.raises(ConfigError) as caught:
        only_known(Choice, {"x": 1})
    assert str(caught.value) == (
        "x=1 is refused\n  allowed: the arguments of Choice: none\n  do this: remove it or use one of these"
    )


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)
ANNOTATIONS = [Positive, Count, bool, str, Literal["a", 1], tuple[Below1, Below1], tuple[Count, ...], dict[str, Unit]]


@given(ANYTHING, st.sampled_from(ANNOTATIONS))
def test_anything_is_either_taken_or_refused_with_a_message_of_three_lines_that_names_the_key(
    value: Any, annotation: Any
) -> None:
    try:
        found = checked("the_key", value, annotation)
    except ConfigError as error:
        refusal = error.refusal
        assert refusal.key == "the_key"
        assert refusal.allowed == spelled(annotation)
        assert refusal.do.startswith("give the_key=... ")
    else:
        assert checked("the_key", found, annotation) == found  # what was converted needs no second conversion


@dataclass(frozen=True)
class Part(Choice):
    size: Count = 1


@dataclass(frozen=True)
class Whole(Choice):
    part: Part | None = None
    table: dict[str, Part] = field(default_factory=dict)


def test_a_label_shows_a_choice_among_its_arguments_by_its_own_label() -> None:
    assert Whole().changed() == []
    assert Whole(part=Part(), table={"a": Part()}).changed() == ["part=Part"]
    assert Whole(part=Part(size=2)).changed() == ["part=(Part size=2)"]
