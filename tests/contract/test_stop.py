"""The exam of every stop rule in runner/stop/."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle

import pytest

from runner.stop.all_of import AllOf
from runner.stop.any_of import AnyOf
from runner.stop.base import FULL_GRADIENT, Row, Stop
from runner.stop.early_stopping import EarlyStopping
from runner.stop.epochs import Epochs
from runner.stop.seconds import Seconds
from runner.stop.steps import Steps
from tests.contract.rooms import choices, variants

CLASSES = choices("stop")
# Each rule as it is by itself, and the one that joins others with something to join.
TWO: dict[str, Stop] = {"epochs": Epochs(epochs=12), "early": EarlyStopping(patience=3)}
CUT: dict[str, Stop] = {"steps": Steps(steps=333), "seconds": Seconds(seconds=15)}
RULES: dict[str, Stop] = {name: cls() for name, cls in CLASSES.items()} | {
    "any_of two": AnyOf(rules=TWO),
    "all_of two": AllOf(rules=TWO),
    "any_of cut": AnyOf(rules=CUT | TWO),
    "all_of cut": AllOf(rules=CUT),
}
each = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
KNOBS = {f"{name} {knob}": pair for name, cls in CLASSES.items() for knob, pair in variants(cls).items()}


STEPS = 20  # in an epoch, which takes a second


def rows(losses: list[float]) -> list[Row]:
    names = ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "grad_norm", "lr")
    return [
        {"epoch": epoch, "step": STEPS * epoch, "examples": 1000 * epoch, FULL_GRADIENT: loss / 2}
        | dict.fromkeys(names, loss)
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
    "moves by 75 millionths in five epochs": [1 - 1.5e-5 * e for e in range(60)],
    "falls to nothing": [10 ** (-e / 10) for e in range(1, 61)],
}
each_history = pytest.mark.parametrize("losses", HISTORIES.values(), ids=HISTORIES)


def verdicts(rule: Stop, losses: list[float]) -> list[str | None]:
    """What the rule says after each epoch."""
    seen = rows(losses)
    return [rule.verdict(seen[:epoch], elapsed_s=float(epoch)) for epoch in range(1, len(seen) + 1)]


def test_the_folder_holds_those_that_the_exam_finds() -> None:
    assert {"epochs", "early_stopping", "any_of", "all_of", "steps"} <= CLASSES.keys()


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
    first = rule.verdict(seen[:30], 30.0)
    rule.verdict(seen, 60.0)
    assert rule.verdict(seen[:30], 30.0) == rule.verdict(tuple(seen[:30]), 30.0) == first
    assert repr(seen) == repr(before)  # NaN is not equal to itself
    assert pickle.dumps(rule) == kept


@each_history
@each
def test_at_its_limit_it_surely_stops(rule: Stop, losses: list[float]) -> None:
    said = [verdict is not None for verdict in verdicts(rule, losses)]
    at_limit = said[rule.limit - 1 : rule.limit] if rule.limit is not None else []
    assert all(at_limit)


@each_history
@each
def test_rows_that_grow_and_rows_that_are_given_at_once_have_one_answer(rule: Stop, losses: list[float]) -> None:
    at_once, growing, seen = verdicts(rule, losses), [], []
    for row in rows(losses):
        seen.append(row)
        growing.append(rule.verdict(seen, elapsed_s=row["epoch"]))
    assert growing == at_once


@each_history
@each
def test_where_it_ends_an_epoch_before_its_last_step_its_verdict_is_to_stop(rule: Stop, losses: list[float]) -> None:
    # otherwise the run would go on after a short row
    for epoch, row in enumerate(rows(losses), start=1):
        before = rows(losses)[: epoch - 1]
        for step in range(STEPS * (epoch - 1) + 1, STEPS * epoch):
            if rule.due(step, epoch - 0.5):
                assert rule.verdict([*before, {**row, "step": step}], epoch - 0.5) is not None
                break


@each
def test_what_it_watches_are_arguments_of_its_own(rule: Stop) -> None:
    for key, (column, direction) in rule.watched.items():
        *path, last = key.split(".")
        owner = rule if not path else rule.rules[path[1]]  # type: ignore[attr-defined]
        assert getattr(owner, last) == column
        assert direction in (None, getattr(owner, "direction", None))


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
