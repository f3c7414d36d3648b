"""The exam of every schedule in runner/schedule/."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle

import pytest

from runner.schedule.base import Progress, Row, Schedule
from tests.contract.rooms import choices, variants

SCHEDULES = choices("schedule")
each = pytest.mark.parametrize("cls", SCHEDULES.values(), ids=SCHEDULES)
KNOBS = {f"{name} {knob}": pair for name, cls in SCHEDULES.items() for knob, pair in variants(cls).items()}

# Schedules whose first factor is not 1, with the reason. None so far.
OTHER_START: dict[str, str] = {}
each_from_1 = pytest.mark.parametrize("cls", [cls for name, cls in SCHEDULES.items() if name not in OTHER_START])

STEPS, EPOCHS = 7, 500


def history(epochs: int) -> list[Row]:
    """The rows of a run whose loss falls, rises, and is no number for a while."""
    losses = [1 / e if e < 9 else math.nan if e < 12 else e / 9 for e in range(1, epochs + 1)]
    return [{"epoch": e, "val_loss": loss, "train_loss": loss} for e, loss in enumerate(losses, start=1)]


def whole_run(schedule: Schedule) -> list[float]:
    rows = history(EPOCHS)
    run = (Progress(step, STEPS, EPOCHS) for step in range(0, STEPS * EPOCHS, 3))
    return [schedule.factor(at, rows[: at.epoch]) for at in run]


def test_the_folder_holds_those_that_the_exam_finds() -> None:
    assert {"constant", "staircase", "cosine"} <= SCHEDULES.keys()


@each
def test_every_factor_of_a_long_run_is_a_finite_number_and_not_negative(cls: type[Schedule]) -> None:
    for factor in whole_run(cls()):
        assert isinstance(factor, float)
        assert 0 <= factor < math.inf


@each
def test_it_is_a_pure_function_of_progress_and_rows(cls: type[Schedule]) -> None:
    schedule, rows, at = cls(), history(20), Progress(20 * STEPS, STEPS, EPOCHS)
    before, as_before = pickle.dumps(schedule), copy.deepcopy(rows)
    first = schedule.factor(at, rows)
    whole_run(schedule)  # a resumed run has not asked for all that
    assert schedule.factor(at, rows) == first == cls().factor(at, tuple(rows))
    assert pickle.dumps(schedule) == before
    assert repr(rows) == repr(as_before)  # NaN is not equal to itself


@each_from_1
def test_it_starts_at_the_base_rate(cls: type[Schedule]) -> None:
    assert cls().factor(Progress(0, STEPS, EPOCHS), []) == 1.0


@each
def test_a_run_of_one_step_has_a_rate(cls: type[Schedule]) -> None:
    assert 0 <= cls().factor(Progress(0, 1, 1), []) < math.inf


@pytest.mark.parametrize(("one", "other"), KNOBS.values(), ids=KNOBS)
def test_every_argument_changes_the_result(one: Schedule, other: Schedule) -> None:
    assert whole_run(one) != whole_run(other)


@each
def test_equal_constants_make_equal_schedules_that_nothing_can_change(cls: type[Schedule]) -> None:
    assert cls() == cls()
    assert hash(cls()) == hash(cls())
    with pytest.raises(dataclasses.FrozenInstanceError):
        cls().factor = None  # type: ignore[method-assign, assignment]
