"""What can end a run."""

from __future__ import annotations

import math
import re
import signal
from pathlib import Path

import pytest

from runner.core import errors
from runner.core.errors import (
    ConfigError,
    CorruptError,
    DataError,
    DiskError,
    Diverged,
    ExpectationMissed,
    Interrupted,
    LockedError,
    OptrunError,
    OutOfMemory,
    Refusal,
    did_you_mean,
    shown,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OptrunError("x"), 1),
        (ConfigError("lr", -1, allowed="a", do="b"), 2),
        (DataError("lr", -1, allowed="a", do="b"), 2),
        (Diverged(math.nan, math.inf), 3),
        (DiskError("x"), 4),
        (LockedError("x"), 5),
        (CorruptError("x"), 6),
        (OutOfMemory("x"), 7),
        (ExpectationMissed("x"), 8),
        (Interrupted("x", signal.SIGINT), 130),
        (Interrupted("x", signal.SIGTERM), 143),
    ],
)
def test_every_end_has_its_exit_code(error: OptrunError, code: int) -> None:
    assert error.exit_code == code


def test_every_kind_of_end_has_a_line_in_the_table_of_exit_codes() -> None:
    kinds = [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, OptrunError)]
    codes = {kind.exit_code for kind in kinds}
    table = {int(code) for code in re.findall(r"\b(\d+) [a-z]", str(errors.__doc__))}
    assert codes <= table
    assert table - codes == {0, 130, 143}  # no error at all, and a signal's


def test_a_refusal_says_what_was_given_what_is_allowed_and_what_to_do() -> None:
    assert str(Refusal("lr", "-1", "a number above 0", "try 0.1")) == (
        "lr=-1 is refused\n  allowed: a number above 0\n  do this: try 0.1"
    )
    assert str(Refusal("lr", "", "a value", "give one")).startswith("lr is refused\n")
    assert str(Refusal("", "lr lr", "one", "give one")).startswith("lr lr is refused\n")


def test_a_refusal_can_be_seen_from_one_level_up() -> None:
    inner = ConfigError("betas", [0.9, 1.0], allowed="numbers below 1", do="give betas=... a value")
    outer = inner.under("optimizer")
    assert str(outer) == (
        "optimizer.betas=[0.9,1.0] is refused\n  allowed: numbers below 1\n  do this: give optimizer.betas=... a value"
    )
    assert str(inner).startswith("betas=")
    assert str(outer.under("run")).splitlines()[2] == "  do this: give run.optimizer.betas=... a value"


def test_divergence_keeps_its_numbers_and_says_them() -> None:
    error = Diverged(math.nan, math.inf)
    assert str(error) == "the training loss is nan and the norm of its gradient inf"
    assert math.isnan(error.loss)
    assert error.norm == math.inf


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (1e-8, "1e-08"),
        ("adam", "adam"),
        ([1, [True, None]], "[1,[true,null]]"),
        ((0.9, 0.999), "[0.9,0.999]"),
        ({"a": 1, "b": [2]}, "{a:1,b:[2]}"),
        ([], "[]"),
        (Path("a/b"), "a/b"),
    ],
)
def test_a_value_is_shown_as_one_types_it(value: object, text: str) -> None:
    assert shown(value) == text


def test_the_nearest_name_is_offered_where_there_is_one() -> None:
    assert did_you_mean("momentm", ["sgd", "momentum", "adam"]) == "did you mean momentum? "
    assert did_you_mean("zzz", ["sgd", "momentum", "adam"]) == ""
    assert did_you_mean("sgd", []) == ""
