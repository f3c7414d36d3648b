"""Hurdles from earlier trials, held against Optuna's pruners."""

from __future__ import annotations

import math
import random
from itertools import accumulate

import optuna
import pytest
from optuna.pruners import BasePruner, MedianPruner, SuccessiveHalvingPruner

from runner.stop.any_of import AnyOf
from runner.stop.base import Row
from runner.stop.epochs import Epochs
from runner.stop.hurdles import Hurdles
from runner.tune.pruning import History, Prune, epochs_of, hurdles, judged_by, pruned
from tests.lanes.sides import run

EPOCHS = 20


def losses(chance: random.Random) -> list[float]:
    level, start, noise = chance.uniform(0.1, 1.0), chance.uniform(0.2, 3.0), chance.uniform(0.0, 0.2)
    return [level + start / epoch + noise * chance.random() for epoch in range(1, EPOCHS + 1)]  # they cross


def rows(values: list[float]) -> list[Row]:
    return [{"epoch": epoch, "val_loss": value} for epoch, value in enumerate(values, start=1)]


def ended_by(rule: Hurdles | None, values: list[float]) -> int:
    """After which epoch a trial ends."""
    stops = (rule is not None and rule.verdict(rows(values[:epoch])) is not None for epoch in range(1, EPOCHS))
    return next((epoch for epoch, stop in enumerate(stops, start=1) if stop), EPOCHS)


PRUNERS: dict[Prune, BasePruner] = {
    "median": MedianPruner(n_startup_trials=5, n_warmup_steps=EPOCHS // 10 + 1),
    "halving": SuccessiveHalvingPruner(min_resource=1, reduction_factor=4),
}


@pytest.mark.parametrize("prune", PRUNERS)
def test_trials_one_by_one_end_where_optuna_s_pruner_ends_them(prune: Prune) -> None:
    chance = random.Random(4)
    study = optuna.create_study(pruner=PRUNERS[prune])
    earlier: list[History] = []
    ends = []
    for _ in range(40):
        values = losses(chance)
        rule = hurdles(prune, earlier, EPOCHS, "val_loss", "min")
        trial, end = study.ask(), EPOCHS
        for epoch, best in enumerate(accumulate(values, min), start=1):
            trial.report(best, epoch)
            if epoch < EPOCHS and trial.should_prune():
                end = epoch
                break
        if end < EPOCHS:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, min(values))
        ends.append((ended_by(rule, values), end))
        earlier.append(History(tuple(values[:end]), end == EPOCHS))
    assert [ours for ours, _ in ends] == [theirs for _, theirs in ends]
    assert len({ours for ours, _ in ends}) > 2  # some were ended, and not all in one epoch


def history(*values: float, whole: bool = True) -> History:
    return History(values, whole)


def test_the_median_is_over_trials_that_completed_from_five_of_them_on() -> None:
    earlier = [history(3.0, value, 0.0) for value in (1.0, 2.0, 3.0, 4.0)]
    assert hurdles("median", earlier, 3, "val_loss", "min") is None
    earlier += [history(9.0, 9.0, whole=False), history(3.0, 5.0, 0.0)]
    assert hurdles("median", earlier, 3, "val_loss", "min") == Hurdles(epochs=(1, 2), bounds=(3.0, 3.0))


def test_halving_keeps_a_quarter_of_those_that_came_to_a_rung() -> None:
    earlier = [history(float(value), whole=False) for value in (5, 1, 2, 3, 4, 6, 7)]
    assert epochs_of("halving", 20) == [1, 4, 16]
    assert hurdles("halving", earlier, 20, "val_loss", "min") == Hurdles(epochs=(1,), bounds=(2.0,))  # 8 // 4 = 2


def test_what_should_be_high_has_bounds_from_below() -> None:
    earlier = [history(value, value) for value in (0.1, 0.2, 0.3, 0.4, 0.5)]
    assert hurdles("median", earlier, 2, "val_accuracy", "max") == Hurdles(
        epochs=(1,), bounds=(0.3,), monitor="val_accuracy", direction="max"
    )


def test_without_pruning_and_without_earlier_trials_there_is_no_hurdle() -> None:
    assert hurdles("none", [history(1.0)] * 9, 5, "val_loss", "min") is None
    assert hurdles("halving", [], 5, "val_loss", "min") is None
    assert hurdles("halving", [history(math.nan)], 5, "val_loss", "min") is None


@pytest.mark.parametrize(("longest", "median", "halving"), [(1, [], []), (2, [1], [1]), (5, [1, 2, 3, 4], [1, 4])])
def test_trials_are_never_judged_in_their_last_epoch(longest: int, median: list[int], halving: list[int]) -> None:
    assert (epochs_of("median", longest), epochs_of("halving", longest)) == (median, halving)


def test_a_hurdle_changes_neither_the_limit_of_a_run_nor_its_schedule() -> None:
    one = run("schedule=cosine", "epochs=7")
    judged = judged_by(one, Hurdles(epochs=(2,), bounds=(0.5,)))
    assert judged.limit == one.limit == 7
    assert isinstance(judged.stop, AnyOf)
    assert judged.stop.rules["rule"] == one.stop
    assert judged_by(one, None) is one


def test_a_run_was_pruned_where_its_hurdle_says_so() -> None:
    config = {"stop": {"rules": {"pruning": {"_target_": "x", "epochs": [2], "bounds": [0.5]}}}}
    assert pruned(config, rows([1.0, 0.6]))
    assert not pruned(config, rows([1.0, 0.4]))
    assert not pruned(config, rows([1.0]))
    assert not pruned(config, [])
    assert not pruned({"stop": {"rules": {"epochs": {}}}}, rows([1.0, 0.6]))
    assert not pruned({}, rows([1.0, 0.6]))


def test_a_run_of_a_tune_stops_by_its_own_rule_as_well() -> None:
    judged = judged_by(run("stop=epochs", "epochs=2"), Hurdles(epochs=(1,), bounds=(0.5,)))
    assert judged.stop.verdict(rows([0.4])) is None
    assert judged.stop.verdict(rows([0.4, 0.4])) == "reached the limit of 2 epochs"
    assert Epochs(epochs=2) in vars(judged.stop)["rules"].values()
