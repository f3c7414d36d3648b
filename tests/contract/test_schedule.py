"""The exam of every schedule in runner/schedule/."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
from collections.abc import Sequence

import pytest

from runner.schedule.base import Progress, Row, Schedule
from tests.contract.rooms import choices, variants

SCHEDULES = choices("schedule")
each = pytest.mark.parametrize("cls", SCHEDULES.values(), ids=SCHEDULES)
KNOBS = {f"{name} {knob}": pair for name, cls in SCHEDULES.items() for knob, pair in variants(cls).items()}

# Schedules whose first factor is not 1, with the reason.
OTHER_START: dict[str, str] = {
    "cyclic": "it begins at the lower bound, and lr is the upper one",
    "one_cycle": "it begins at a share of lr, and lr is the peak",
    "warmup": "it begins at a share of lr",
    "warmup_stable_decay": "its first step has the W-th part of lr",
}
each_from_1 = pytest.mark.parametrize("cls", [cls for name, cls in SCHEDULES.items() if name not in OTHER_START])

STEPS, EPOCHS = 7, 500


def history(epochs: int) -> list[Row]:
    """The rows of a run whose losses fall, rise, and are no number for a while; training runs four epochs ahead."""
    losses = [1 / e if e < 9 else math.nan if e < 12 else e / 9 for e in range(1, epochs + 5)]
    return [
        {"epoch": e, "val_loss": val, "train_loss": train}
        for e, (val, train) in enumerate(zip(losses, losses[4:], strict=False), start=1)
    ]


def drift(epochs: int) -> list[Row]:
    """The rows of a run whose losses are about 10 and fall by 8e-6 of that in every epoch."""
    return [{"epoch": e, "val_loss": 10 - 8e-5 * e, "train_loss": 10 - 8e-5 * e} for e in range(1, epochs + 1)]


def factors(schedule: Schedule, history: Sequence[Row]) -> list[float]:
    """The factors of a run, asked for as the loop does: with one list of rows that grows."""
    rows: list[Row] = []
    found = []
    for step in range(0, STEPS * EPOCHS, 3):
        at = Progress(step, STEPS, EPOCHS)
        rows += history[len(rows) : at.epoch]
        found.append(schedule.factor(at, rows))
    return found


def whole_run(schedule: Schedule) -> list[float]:
    return [factor for rows in (history(EPOCHS), drift(EPOCHS)) for factor in factors(schedule, rows)]


def test_the_folder_holds_those_that_the_exam_finds() -> None:
    assert {"constant", "staircase", "cosine", "warmup", "plateau"} <= SCHEDULES.keys()
    assert OTHER_START.keys() <= SCHEDULES.keys()


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


@each
def test_lr_is_its_highest_rate(cls: type[Schedule]) -> None:
    # a rounding in the sum of two terms
    assert max(whole_run(cls())) <= 1 + 1e-15


@each
def test_rows_that_grow_and_rows_that_are_given_at_once_have_one_answer(cls: type[Schedule]) -> None:
    growing = factors(cls(), history(EPOCHS))
    steps = range(0, STEPS * EPOCHS, 3)
    for index in range(0, len(growing), 97):
        at = Progress(steps[index], STEPS, EPOCHS)
        assert cls().factor(at, tuple(history(at.epoch))) == growing[index]


@each
def test_it_reads_the_column_that_it_says_and_no_other(cls: type[Schedule]) -> None:
    at, column = Progress(30 * STEPS, STEPS, EPOCHS), cls().monitored
    rows: list[Row] = [{column: 1.0} if column else {}] * 30
    assert 0 <= cls().factor(at, rows) < math.inf


def blocks(schedule: Schedule, power: int, most: int) -> list[float]:
    """The sums of t_k^power over k in [2^j, 2^(j+1)), for the last two j below `most`."""
    rows: list[Row] = []
    row = {"val_loss": 1.0, "train_loss": 1.0}
    found = []
    for j in (most - 2, most - 1):
        total = 0.0
        for k in range(2**j, 2 ** (j + 1)):
            rows += [row] * (k - len(rows))
            total += schedule.factor(Progress(k, 1, 50), rows) ** power
        found.append(total)
    return found


# A series of positive, in the long run monotone or periodic, terms converges if its sums over blocks of doubling length
# fall by a factor (k^-a: 2^(1-a)), and diverges if they stay (1/k: log 2) or grow. 1e-2: a block of 1/(k+b) with
# b = 100 at k = 2^14 is b / k = 0.6 percent from that of 1/k.
@each
def test_its_sums_are_what_it_says_they_are(cls: type[Schedule]) -> None:
    said = cls().sums()
    for power, diverges in ((1, said.first), (2, None if said.second is None else not said.second)):
        if diverges is None:
            continue  # the rows decide; tests/schedule shows both ways
        early, late = blocks(cls(), power, 16)
        assert (late > 0 and late > (1 - 1e-2) * early) == diverges


@each
def test_it_says_whether_robbins_and_monro_hold_and_why(cls: type[Schedule]) -> None:
    assert cls.sums is not Schedule.sums
    said = cls().sums()
    assert len(said.reason) > 20
    assert "\n" not in said.reason


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
