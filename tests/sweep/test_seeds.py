"""Settings: the runs of a sweep that differ in nothing but a seed."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
from scipy import stats

from runner.sweep.base import Job, Row
from runner.sweep.seeds import Setting, scale_of, settings, write_settings

Losses = dict[str, list[float | str]]  # lr -> for each seed the loss of a completed run, or the status of another one


def sweep(losses: Losses, started: int = 1000) -> list[Setting]:
    jobs, rows = [], []
    for lr, found in losses.items():
        for seed, loss in enumerate(found):
            jobs.append(Job(len(jobs), str(len(jobs)), (f"lr={lr}", f"seed={seed}"), {}))
            values = {"lr": lr, "seed": str(seed)}
            if isinstance(loss, str):
                rows.append(Row(jobs[-1], values, loss, "x"))
            else:
                numbers = {"best_val_loss": loss, "best_val_accuracy": 1 - loss / 10, "final_val_loss": loss + 1}
                rows.append(Row(jobs[-1], values, "completed", "x", 1, 1, numbers))
    return settings(jobs, rows[:started], ["lr", "seed"])


def order(losses: Losses) -> list[str]:
    return [setting.values["lr"] for setting in sweep(losses)]


def beside(losses: Losses) -> list[str]:
    found = sweep(losses)
    return [setting.beside(found[0], scale_of(found)) for setting in found]


def test_settings_are_ranked_by_the_mean_over_their_seeds() -> None:
    assert order({"1": [0.1, 0.9], "2": [0.3, 0.4], "3": [0.2, 0.2]}) == ["3", "2", "1"]


@pytest.mark.parametrize("status", ["diverged", "failed", "refused", "interrupted"])
def test_a_setting_with_a_run_that_did_not_complete_ranks_after_all_that_are_whole(status: str) -> None:
    assert order({"1": [0.1, status], "2": [0.3, 0.4], "3": [status, status], "4": [0.2, status]}) == [
        "2",
        "1",
        "4",
        "3",
    ]


def test_what_did_not_complete_is_counted_and_told() -> None:
    (setting,) = sweep({"1": [0.1, "diverged", 0.3, "failed", "diverged"]})
    assert (len(setting.completed), setting.planned) == (2, 5)
    assert setting.status == "2 of 5 diverged, 1 failed"
    assert setting.estimate("best_val_loss") == pytest.approx((0.2, 12.7062 * 0.1), rel=1e-5)  # t of one degree


def test_a_run_that_was_not_started_is_missing_from_its_setting() -> None:
    found = sweep({"1": [0.3, 0.3], "2": [0.1, 0.1]}, started=3)
    assert [(setting.values["lr"], setting.status) for setting in found] == [
        ("1", "completed"),
        ("2", "1 of 2 not started"),
    ]


def test_a_run_that_completed_without_a_finite_loss_is_not_in_the_mean() -> None:
    (setting,) = sweep({"1": [0.1, math.nan]})
    assert setting.status == "1 of 2 not finite"
    assert setting.estimate("best_val_loss") == (0.1, None)


def test_settings_are_compared_seed_by_seed_on_the_logarithms() -> None:
    best, other = sweep({"1": [0.1, 0.2, 0.4], "2": [0.11, 0.23, 0.46]})
    mean, half = other.minus(best, math.log) or (0.0, None)
    assert half is not None
    logs = [[math.log(loss) for loss in setting.by_seed.values()] for setting in (other, best)]
    expected = stats.ttest_rel(*logs).confidence_interval(0.95)
    assert (mean - half, mean + half) == pytest.approx(expected, rel=1e-10)  # differences of numbers ten times as large


def test_a_difference_that_every_seed_shows_is_seen_where_the_seeds_scatter_more_than_the_settings() -> None:
    assert beside({"1": [0.1, 0.2, 0.4], "2": [0.11, 0.22, 0.45]}) == ["best", "worse"]
    assert beside({"1": [0.1, 0.2, 0.4], "2": [0.2, 0.11, 0.45]}) == ["best", "not distinguishable"]


def test_equal_settings_are_not_distinguishable() -> None:
    assert beside({"1": [0.1, 0.2], "2": [0.1, 0.2]}) == ["best", "not distinguishable"]


def test_fewer_than_two_shared_seeds_say_nothing() -> None:
    assert beside({"1": [0.1, 0.2, 0.1], "2": ["diverged", 0.3, "diverged"], "3": ["failed"] * 3}) == ["best", "", ""]


def test_a_setting_that_is_better_where_it_completed_says_so_and_is_not_first() -> None:
    losses: Losses = {"1": [0.1, 0.11, "diverged"], "2": [0.3, 0.31, 0.3]}
    assert order(losses) == ["2", "1"]
    assert beside(losses) == ["best", "better on the shared seeds"]


def test_losses_that_are_not_positive_are_compared_as_they_are() -> None:
    found = sweep({"1": [-1.0, -2.0], "2": [0.0, -1.0]})
    assert found[1].minus(found[0], scale_of(found)) == (1.0, 0.0)


def test_the_file_has_a_row_for_each_setting_with_mean_interval_and_count(tmp_path: Path) -> None:
    write_settings(
        tmp_path, sweep({"1": [0.1, "diverged"], "2": [0.25, 0.75], "3": ["failed", "failed"]}), ["accuracy"]
    )
    with open(tmp_path / "sweep_seeds.csv", newline="") as file:
        first, second, third = csv.DictReader(file)
    half = 12.7062 * 0.25
    assert {key: first[key] for key in ("rank", "lr", "runs", "completed", "compared", "status", "jobs")} == {
        "rank": "1", "lr": "2", "runs": "2", "completed": "2", "compared": "best", "status": "completed", "jobs": "2 3",
    }  # fmt: skip
    assert (float(first["best_val_loss_mean"]), float(first["final_val_loss_mean"])) == (0.5, 1.5)
    assert float(first["best_val_loss_half"]) == pytest.approx(half, rel=1e-5)
    assert float(first["best_val_accuracy_mean"]) == pytest.approx(0.95, rel=1e-12)
    assert (second["rank"], second["status"]) == ("2", "1 of 2 diverged")
    assert float(second["log_ratio_to_best_mean"]) == pytest.approx(math.log(0.1 / 0.25), rel=1e-12)
    assert second["log_ratio_to_best_half"] == ""
    assert (third["rank"], third["best_val_loss_mean"], third["status"]) == ("", "", "2 of 2 failed")
