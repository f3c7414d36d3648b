"""sweep.json and sweep.csv of sweeps of any size: compact, and read again as they were written."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from runner.core.errors import CorruptError
from runner.store.folder import read_manifest, sealed
from runner.sweep import base
from runner.sweep.base import Job, read_jobs, rows_of, write_jobs, write_table
from tests.sweep.made import sweep

AXES = {"lr": ["10", "0.1", "0.01"], "optimizer": ["sgd", "adam"], "seed": ["0", "1", "2"]}
VARIED = ["lr", "optimizer", "seed"]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The run folders whose summary is read."""
    found: list[str] = []
    real = base.read_status
    monkeypatch.setattr(base, "read_status", lambda path: found.append(path.name) or real(path))
    return found


def test_jobs_are_read_as_they_were_written(tmp_path: Path) -> None:
    configs = [
        {"optimizer": {"_target_": "a.SGD"}, "lr": 0.1, "epochs": 1, "expect": {}},
        {},  # refused
        {"optimizer": {"_target_": "a.Adam", "beta1": 0.9}, "lr": 0.1, "epochs": 1.0, "expect": {"val.x": 1}},
        {"optimizer": {"_target_": "a.SGD"}, "lr": None, "epochs": True, "expect": {}},
    ]
    jobs = [Job(k, f"run_{k}", (f"lr={k}", "ü=x"), config) for k, config in enumerate(configs)]
    write_jobs(tmp_path, jobs, {"title": "a title", "metrics": {"accuracy": "max"}})
    found, about = read_jobs(tmp_path)
    assert found == jobs
    assert [[type(value) for value in job.config.values()] for job in found] == [
        [type(value) for value in config.values()] for config in configs
    ]
    assert (about["title"], about["metrics"]) == ("a title", {"accuracy": "max"})
    assert about["axes"] == {"lr": ["0", "1", "2", "3"]}


def test_what_jobs_share_is_written_once(tmp_path: Path) -> None:
    jobs = sweep(tmp_path, {"lr": ["0.1"], "seed": [str(k) for k in range(50)]})
    whole = len(json.dumps(jobs[0].config))
    assert whole > 1500  # as long as a real one
    assert (tmp_path / "sweep.json").stat().st_size < 3 * whole + 50 * 120


def test_every_job_is_a_line(tmp_path: Path) -> None:
    sweep(tmp_path, AXES)
    lines = (tmp_path / "sweep.json").read_text().splitlines()
    assert [json.loads(line.rstrip(","))["job"] for line in lines if line.startswith('    {"job"')] == list(range(18))


def test_rows_are_read_from_the_table_as_they_were_written_without_opening_a_run(
    tmp_path: Path, opened: list[str]
) -> None:
    jobs = sweep(tmp_path, AXES)
    rows = rows_of(tmp_path, jobs, ["accuracy"])
    assert {row.status for row in rows} == {"completed", "diverged"}
    assert len(opened) == 18
    write_table(tmp_path, rows, VARIED, ["accuracy"])
    assert rows_of(tmp_path, jobs, ["accuracy"]) == rows
    assert len(opened) == 18


def test_a_row_of_a_run_that_may_still_change_is_made_anew(tmp_path: Path, opened: list[str]) -> None:
    jobs = sweep(tmp_path, AXES)
    file = tmp_path / "4" / "summary.json"
    ended = file.read_text()
    summary = {"status": "interrupted", "verdict": "by SIGTERM", "epochs": 3}
    file.write_text(json.dumps(sealed(summary, of=read_manifest(tmp_path / "4")["sha256"])))
    write_table(tmp_path, rows_of(tmp_path, jobs, ["accuracy"]), VARIED, ["accuracy"])
    opened.clear()
    file.write_text(ended)
    assert rows_of(tmp_path, jobs, ["accuracy"])[4].status == json.loads(ended)["status"]
    assert opened == ["4"]


def test_a_table_without_a_row_is_completed_from_the_folders(tmp_path: Path, opened: list[str]) -> None:
    jobs = sweep(tmp_path, AXES)
    rows = rows_of(tmp_path, jobs, ["accuracy"])
    write_table(tmp_path, rows[:7], VARIED, ["accuracy"])
    opened.clear()
    assert rows_of(tmp_path, jobs, ["accuracy"]) == rows
    assert opened == [str(k) for k in range(7, 18)]


@pytest.mark.parametrize("name", ["sweep.csv", ".sweep.csv.json", "sweep.json"])
@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_a_table_that_was_not_written_here_for_these_jobs_is_not_read(
    name: str, harm: str, tmp_path: Path, opened: list[str]
) -> None:
    jobs = sweep(tmp_path, AXES)
    rows = rows_of(tmp_path, jobs, ["accuracy"])
    write_table(tmp_path, rows, VARIED, ["accuracy"])
    opened.clear()
    file = tmp_path / name
    file.write_text(file.read_text().replace("0", "1", 1)) if harm == "changed" else file.unlink()
    assert rows_of(tmp_path, jobs, ["accuracy"]) == rows
    assert len(opened) == 18


def test_an_axis_may_be_called_like_a_column_of_results(tmp_path: Path) -> None:
    jobs = sweep(tmp_path, {"lr": ["0.1", "0.3"], "status": ["a", "b"]})
    rows = rows_of(tmp_path, jobs, ["accuracy"])
    write_table(tmp_path, rows, ["lr", "status"], ["accuracy"])
    assert rows_of(tmp_path, jobs, ["accuracy"]) == rows
    with open(tmp_path / "sweep.csv", newline="") as file:
        assert next(csv.reader(file))[:5] == ["job", "dir", "lr", "status", "status"]


@pytest.mark.parametrize("name", ["../other", "..", "/tmp/other", "0/../../other", "", "."])
def test_a_list_of_jobs_whose_folders_lead_out_is_refused(name: str, tmp_path: Path) -> None:
    write_jobs(tmp_path, [Job(0, name, ("lr=1",), {})], {"title": "a title", "metrics": {}})
    with pytest.raises(CorruptError) as error:
        read_jobs(tmp_path)
    assert str(error.value) == f"{tmp_path / 'sweep.json'}: the folder {name!r} of job 0 is not within it"
