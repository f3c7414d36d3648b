"""The exam of every stop rule in runner/stop/."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle

import pytest

from runner.stop.any_of import AnyOf
from runner.stop.base import Row, Stop
from runner.stop.early_stopping import EarlyStopping
from runner.stop.epochs import Epochs
from tests.contract.rooms import choices, variants

CLASSES = choices("stop")
# Each rule as it is by itself, and the one that joins others with something to join.
RULES: dict[str, Stop] = {name: cls() for name, cls in CLASSES.items()} | {
    "any_of two": AnyOf(rules={"epochs": Epochs(epochs=12), "early": EarlyStopping(patience=3)})
}
each = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
KNOBS = {f"{name} {knob}": pair for name, cls in CLASSES.items() for knob, pair in variants(cls).items()}


def rows(losses: list[float]) -> list[Row]:
    names = ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "grad_norm", "lr")
    return [
        {"epoch": epoch, "step": 10 * epoch, "examples": 1000 * epoch} | dict.fromkeys(names, loss)
        for epoch, loss in enumerate(losses, start=1)
    ]


HISTORIES = {
    "falls": [1 / e for e in range(1, 61)],
    "rises": [float(e) for e in range(1, 61)],
    "stays": [1.0] * 60,
    "no number": [math.nan] * 60,
    "no bound": [math.inf] * 60,
    "some of each": [1.0, math.nan, 0.5, math.inf, -math.inf, 0.25] * 10,
    "hardly falls": [1 - 1e-3 * e for e in range(60)],
}
each_history = pytest.mark.parametrize("losses", HISTORIES.values(), ids=HISTORIES)


def verdicts(rule: Stop, losses: list[float]) -> list[str | None]:
    """What the rule says after each epoch."""
    seen = rows(losses)
    return [rule.verdict(seen[:epoch]) for epoch in range(1, len(seen) + 1)]


def test_the_folder_holds_those_that_the_exam_finds() -> None:
    assert {"epochs", "early_stopping", "any_of"} <= CLASSES.keys()


@each_history
@each
def test_it_answers_with_a_sentence_or_with_nothing_whatever_the_rows(rule: Stop, losses: list[float]) -> None:
    for verdict in verdicts(rule, losses):
        assert verdict is None or (isinstance(verdict, str) and len(verdict) > 10 and "\n" not in verdict)


@each_history
@each
def test_it_is_a_pure_function_of_the_rows(rule: Stop, losses: list[float]) -> None:
    seen, kept = rows(losses), pickle.dumps(rule)
    before = copy.deepcopy(seen)
    first = rule.verdict(seen[:30])
    rule.verdict(seen)
    assert rule.verdict(seen[:30]) == rule.verdict(tuple(seen[:30])) == first
    assert repr(seen) == repr(before)  # NaN is not equal to itself
    assert pickle.dumps(rule) == kept


@each_history
@each
def test_at_its_limit_it_surely_stops(rule: Stop, losses: list[float]) -> None:
    said = [verdict is not None for verdict in verdicts(rule, losses)]
    at_limit = said[rule.limit - 1 : rule.limit] if rule.limit is not None else []
    assert all(at_limit)


@pytest.mark.parametrize(("one", "other"), KNOBS.values(), ids=KNOBS)
def test_every_argument_changes_the_result(one: Stop, other: Stop) -> None:
    assert [verdicts(one, losses) for losses in HISTORIES.values()] != [
        verdicts(other, losses) for losses in HISTORIES.values()
    ]


@each
def test_equal_constants_make_equal_rules_that_nothing_can_change(rule: Stop) -> None:
    assert copy.deepcopy(rule) == rule
    with pytest.raises(dataclasses.FrozenInstanceError):
        rule.verdict = None  # type: ignore[method-assign, assignment]
