"""A tune on the page of `optrun report` is ranked by what it was searched for."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import pytest

from runner import cli
from runner.report.folders import LOSS
from runner.sweep.base import Job, Row
from runner.tune.ranked import ranked
from tests.cli.conftest import Call, call  # noqa: F401
from tests.report.conftest import SMALL
from tests.report.test_report import cells, told

pytest.importorskip("optuna", reason="Optuna is not installed: pip install 'optrun[tune]'")
HIGHEST = "Searched by random with halving pruning for the highest val_accuracy of the best epoch, and ranked by it"


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tune for the accuracy, whose later trials were judged by the earlier ones."""
    path = tmp_path_factory.mktemp("study")
    words = ("tune", "lr=interval(1e-4,1e6)", *SMALL, "optimizer=sgd", "goal=val_accuracy", "search=random")
    more = ("runs=20", "batch=10", "prune=halving", "workers=1", "hydra.sweep.dir=study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        patch.setenv("XDG_CACHE_HOME", str(path / "cache"))
        patch.setattr("sys.argv", ["optrun", *words, *more])
        assert cli.main([*words, *more]) == 0
    return path


@pytest.fixture
def page(study: Path, call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:  # noqa: F811
    monkeypatch.chdir(study)
    answer = call("report", "study", f"out={tmp_path / 'page.html'}")
    assert (answer.code, answer.err) == (0, "")
    return (tmp_path / "page.html").read_text()


def trials(study: Path, state: str) -> list[dict[str, str]]:
    """The trials that came to this, as the tune itself tells of them, the best first; it settles ties by the number."""
    with (study / "study" / "tune.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["state"] == state]
    return sorted(rows, key=lambda row: (-float(row["val_accuracy"] or 0), int(row["trial"])))


def test_its_trials_are_ranked_by_its_goal_pruned_ones_after_completed_ones(page: str, study: Path) -> None:
    completed, pruned, diverged = (trials(study, state) for state in ("completed", "pruned", "diverged"))
    assert min(map(len, (completed, pruned, diverged))) > 1
    shown = cells(page, HIGHEST)
    wanted = [*completed, *pruned, *diverged]
    assert [row[1] for row in shown] == [row["trial"] for row in wanted]
    assert [row[0] for row in shown] == [*(str(k) for k in range(1, len(completed) + 1)), *[""] * (20 - len(completed))]
    kinds = [row["state"] for row in wanted]
    assert [row[3] for row in shown] == kinds
    assert [float(row[4]) for row in shown[: -len(diverged)]] == [
        float(row["val_accuracy"]) for row in wanted if row["val_accuracy"]
    ]
    (counts,) = re.findall("<p>20 trials: (.*?); started", page)
    assert {*counts.split(", ")} == {f"{len(trials(study, state))} {state}" for state in set(kinds)}


def test_its_best_trial_is_the_one_told_of_and_its_chart_shows_the_goal_first(page: str, study: Path) -> None:
    best = trials(study, "completed")[0]
    (detailed,) = re.findall(r'<p class="quiet">lr=\S* in study/(\d+)</p>', page)
    assert detailed == best["trial"]
    assert told(page)["quantities"][0]["key"] == "val_accuracy"
    assert told(page)["runs"][0]["name"].startswith("lr=")
    assert len(told(page)["runs"]) == len(trials(study, "completed"))


def test_a_run_that_is_named_beside_it_is_compared_by_the_loss(
    study: Path,
    call: Call,  # noqa: F811
    tmp_path: Path,
) -> None:
    shutil.copytree(study / "study", tmp_path / "study")
    assert call("report", "study", "study/0", "out=page.html").code == 0
    assert told((tmp_path / "page.html").read_text())["quantities"][0]["key"] == LOSS


def test_a_tune_is_not_explained_by_its_axes(page: str) -> None:
    assert "Importance" not in page


def test_a_goal_that_is_to_be_low_puts_the_lowest_first_and_what_has_none_last(tmp_path: Path) -> None:
    def row(number: int, status: str, mistakes: float | None) -> Row:
        numbers = {"best_val_loss": float(-number), "best_val_mistakes": mistakes}
        return Row(Job(number, str(number), (), {}), {}, status, "", 1, 1, numbers)

    rows = [row(0, "completed", 3.0), row(1, "diverged", 0.0), row(2, "completed", None), row(3, "completed", 1.0)]
    order = ranked(tmp_path, rows, "val_mistakes", "min")
    assert [each.job.number for each in order] == [3, 0, 1, 2]
