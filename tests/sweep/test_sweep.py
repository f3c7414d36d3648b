"""A sweep as one thing: its list, its rows, its ranking, its exit code, and going on after it was cut off."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.store.folder import read_manifest
from runner.sweep import fuse, group, launch
from tests.cli.conftest import REPOSITORY, TINY, Call, call, program  # noqa: F401 - fixtures

SWEEP = "hydra.sweep.dir=sweep"
RUN = ("config.yaml", "metrics.csv")


def table(path: Path) -> list[dict[str, str]]:
    with open(path / "sweep.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_sweep_leaves_a_folder_for_each_run_and_its_list_table_and_picture(call: Call, tmp_path: Path) -> None:  # noqa: F811
    assert call("-m", "optimizer=sgd,adam", "lr=0.1,0.01", *TINY, SWEEP).code == 0
    names = {entry.name for entry in (tmp_path / "sweep").iterdir()}
    assert {"0", "1", "2", "3", "sweep.json", "sweep.csv", "sweep.png", "sweep.svg"} <= names
    listed = json.loads((tmp_path / "sweep" / "sweep.json").read_text())
    assert listed["axes"] == {"optimizer": ["sgd", "adam"], "lr": ["0.1", "0.01"]}
    assert [job["overrides"][:2] for job in listed["jobs"]] == [
        ["optimizer=sgd", "lr=0.1"],
        ["optimizer=sgd", "lr=0.01"],
        ["optimizer=adam", "lr=0.1"],
        ["optimizer=adam", "lr=0.01"],
    ]


def test_a_row_has_the_numbers_of_its_run(call: Call, tmp_path: Path) -> None:  # noqa: F811
    call("-m", "lr=0.01,0.001", *TINY, SWEEP)
    for row in table(tmp_path / "sweep"):
        with open(tmp_path / "sweep" / row["dir"] / "metrics.csv", newline="") as file:
            epochs = list(csv.DictReader(file))
        best = min(epochs, key=lambda epoch: float(epoch["val_loss"]))
        assert row["best_val_loss"] == best["val_loss"]
        assert row["best_val_accuracy"] == best["val_accuracy"]
        assert row["final_train_loss"] == epochs[-1]["train_loss"]
        assert (row["status"], row["epochs_done"], row["best_epoch"]) == ("completed", "2", best["epoch"])


def test_a_run_of_a_sweep_gives_the_numbers_that_it_gives_alone(call: Call, tmp_path: Path) -> None:  # noqa: F811
    call("-m", "optimizer=sgd,adam", "seed=range(2)", *TINY, "architecture.dropout=0.1", SWEEP)
    call("optimizer=adam", "seed=1", *TINY, "architecture.dropout=0.1", "hydra.run.dir=alone")
    assert (tmp_path / "sweep" / "3" / "metrics.csv").read_bytes() == (tmp_path / "alone" / "metrics.csv").read_bytes()


def test_runs_are_ranked_by_their_best_validation_loss(call: Call, tmp_path: Path) -> None:  # noqa: F811
    answer = call("-m", "lr=0.0001,0.01,0.001", *TINY, SWEEP)
    lines = answer.out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.split()[:2] == ["rank", "job"])
    shown = [line.split() for line in lines[start + 1 : start + 4]]
    by_loss = sorted(table(tmp_path / "sweep"), key=lambda row: float(row["best_val_loss"]))
    assert [row[:3] for row in shown] == [[str(i), r["job"], r["lr"]] for i, r in enumerate(by_loss, start=1)]


@pytest.mark.parametrize(
    ("axis", "values"),
    [
        ("seed=range(3)", ["0", "1", "2"]),
        ("seed=choice(4,7)", ["4", "7"]),
        ("preprocess=glob(whiten_*)", ["whiten_pca", "whiten_zca"]),
        ("architecture.hidden=[4],[5,6]", ["[4]", "[5,6]"]),
    ],
)
def test_hydra_s_ways_to_name_values_are_axes(axis: str, values: list[str], call: Call, tmp_path: Path) -> None:  # noqa: F811
    assert call("-m", axis, "epochs=1", SWEEP).code == 0
    assert json.loads((tmp_path / "sweep" / "sweep.json").read_text())["axes"] == {axis.split("=")[0]: values}


def test_a_diverged_and_a_refused_run_are_rows_and_stop_nobody(call: Call, tmp_path: Path) -> None:  # noqa: F811
    answer = call("-m", "optimizer=sgd", "lr=1e6,nan,0.1", *TINY, SWEEP, "workers=1")
    assert [row["status"] for row in table(tmp_path / "sweep")] == ["diverged", "refused", "completed"]
    assert answer.code == 2  # of the refused run: the sweep is not what was asked for
    assert "[1/3] lr=nan: REFUSED: lr=nan is refused; allowed: a number in (0, 1e+30]; do this: " in answer.out
    assert "[2/3] lr=1000000.0: DIVERGED: the training loss became nan in epoch 1, after step " in answer.out
    assert answer.out.splitlines()[-3].split()[0] == "-"  # no rank


def test_divergence_alone_does_not_fail_a_sweep_in_which_a_run_completed(call: Call) -> None:  # noqa: F811
    assert call("-m", "optimizer=sgd", "lr=1e6,0.1", *TINY, SWEEP).code == 0


def test_a_sweep_in_which_every_run_diverged_says_so_with_its_exit_code(call: Call) -> None:  # noqa: F811
    assert call("-m", "optimizer=sgd", "lr=1e6,1e7", *TINY, SWEEP).code == 3


def test_a_sweep_of_nothing_but_refused_runs_is_refused_and_leaves_no_table(call: Call, tmp_path: Path) -> None:  # noqa: F811
    answer = call("-m", "lr=nan,-1", *TINY, SWEEP)
    assert answer.code == 2
    assert answer.err.startswith("optrun: lr=nan is refused")
    assert not (tmp_path / "sweep" / "sweep.json").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_unexpected_error_is_a_row_and_stops_nobody(
    workers: int,
    call: Call,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from runner import job

    real = job.prepare

    def prepare(run, examples_of, *others):  # type: ignore[no-untyped-def]
        if run.seed < 3:
            raise ZeroDivisionError("a bug")
        return real(run, examples_of, *others)

    monkeypatch.setattr(job, "prepare", prepare)
    answer = call("-m", "seed=range(4)", *TINY, SWEEP, f"workers={workers}")
    assert [row["status"] for row in table(tmp_path / "sweep")] == [*["failed"] * 3, "completed"]
    assert answer.code == 1
    assert answer.err.count("ZeroDivisionError: a bug") == 1  # though three runs met it


@pytest.mark.parametrize(("bound", "code"), [("0.01", 0), ("0.9999", 8)])
def test_an_expectation_of_a_sweep_without_seeds_is_judged_on_its_best_run(bound: str, code: int, call: Call) -> None:  # noqa: F811
    answer = call("-m", "lr=1e-5,0.01", *TINY, SWEEP, f"expect.val_accuracy={bound}")
    assert answer.code == code
    assert f"expected of the best run: val_accuracy at least {bound}: {'MISSED' if code else 'met'}" in answer.out


def test_an_expectation_of_seeds_is_judged_on_the_mean_of_the_best_setting(call: Call, tmp_path: Path) -> None:  # noqa: F811
    words = ("-m", "lr=1e-5,0.01", "seed=range(3)", *TINY)
    assert call(*words, SWEEP).code == 0
    rows = [row for row in table(tmp_path / "sweep") if row["lr"] == "0.01"]
    reached = [float(row["best_val_accuracy"]) for row in rows]
    mean = sum(reached) / 3
    bound = (mean + max(reached)) / 2  # which the luckiest run keeps and the mean does not
    assert bound > mean
    answer = call(*words, "hydra.sweep.dir=gate", f"expect.val_accuracy={bound}")
    assert answer.code == 8
    said = f"val_accuracy at least {bound:g}: MISSED, {mean:.6g}"
    assert f"expected of the best setting, the mean of 3 runs: {said}" in answer.out
    assert call(*words, "hydra.sweep.dir=lower", f"expect.val_accuracy={min(reached)}").code == 0


def test_the_list_of_jobs_is_written_before_the_first_one_starts(
    call: Call,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from runner import job

    seen = []

    def prepare(run, examples_of, *others):  # type: ignore[no-untyped-def]
        seen.append(len(json.loads((tmp_path / "sweep" / "sweep.json").read_text())["jobs"]))
        raise ZeroDivisionError

    monkeypatch.setattr(job, "prepare", prepare)
    call("-m", "seed=range(2)", *TINY, SWEEP, "workers=1")
    assert seen == [2, 2]


@pytest.mark.parametrize(("lanes", "together"), [("off", False), ("2", True)])
def test_a_sweep_that_was_cut_off_before_its_first_run_keeps_to_its_lanes(
    lanes: str,
    together: bool,
    call: Call,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The two ways round differently, so that what `auto` finds here must not count."""

    def cut(*ignored: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(launch, "groups", cut)
        assert call("-m", "seed=range(2)", *TINY, SWEEP, "workers=1", f"lanes={lanes}").code == 130
    monkeypatch.setattr(fuse, "verdict", lambda *ignored: fuse.Verdict(not together, "as somebody else says"))
    monkeypatch.setattr(group, "FEWEST", 2)
    assert call("resume", "sweep", "workers=1").code == 0
    assert [read_manifest(tmp_path / "sweep" / job)["side_by_side"] for job in "01"] == [together] * 2


def test_a_folder_that_holds_a_sweep_is_refused(call: Call, tmp_path: Path) -> None:  # noqa: F811
    call("-m", "seed=range(2)", *TINY, SWEEP)
    answer = call("-m", "seed=range(3)", *TINY, SWEEP)
    assert answer.code == 2
    assert answer.err == (
        f"optrun: hydra.sweep.dir={tmp_path}/sweep is refused\n"
        "  allowed: a new or an empty folder; this one holds a sweep\n"
        f"  do this: optrun resume {tmp_path}/sweep completes it; --extend adds the runs that it lacks\n"
    )


def test_resume_runs_what_is_missing_and_nothing_else(call: Call, tmp_path: Path) -> None:  # noqa: F811
    call("-m", "lr=0.1,0.01,0.001", *TINY, SWEEP)
    sweep = tmp_path / "sweep"
    before = {name: (sweep / name).read_bytes() for name in ("sweep.csv", "sweep.png", "1/metrics.csv")}
    kept = (sweep / "0" / "metrics.csv").stat().st_mtime_ns
    shutil.rmtree(sweep / "1")
    (sweep / "sweep.csv").unlink()
    assert call("resume", "sweep").code == 0
    assert {name: (sweep / name).read_bytes() for name in before} == before
    assert (sweep / "0" / "metrics.csv").stat().st_mtime_ns == kept


def test_a_sweep_that_was_killed_is_completed_by_resume_with_equal_bytes(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    arguments = ["-m", "optimizer=sgd,adam", "seed=range(2)", "epochs=150", "stop=epochs"]

    def started(folder: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "runner", *arguments, f"hydra.sweep.dir={folder}"]
        return subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)

    assert started("whole").wait() == 0
    process = started("cut")
    deadline = time.monotonic() + 60
    while not (tmp_path / "cut" / "1" / "metrics.csv").exists():  # in the second of four runs
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = subprocess.run(
        [sys.executable, "-m", "runner", "resume", "cut"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for number in range(4):
        for file in RUN:
            whole, cut = (tmp_path / sweep / str(number) / file for sweep in ("whole", "cut"))
            assert whole.read_bytes() == cut.read_bytes(), (number, file)
    assert (tmp_path / "whole" / "sweep.csv").read_bytes() == (tmp_path / "cut" / "sweep.csv").read_bytes()


def test_a_changed_list_of_jobs_is_not_run(call: Call, tmp_path: Path) -> None:  # noqa: F811
    call("-m", "seed=range(2)", *TINY, SWEEP)
    file = tmp_path / "sweep" / "sweep.json"
    file.write_text(file.read_text().replace('"lr": [0.001]', '"lr": [0.002]'))
    answer = call("resume", "sweep")
    assert (answer.code, answer.err) == (6, f"optrun: {file} was changed or damaged since it was written\n")


def test_a_run_whose_summary_was_damaged_is_a_row_and_stops_nobody(call: Call, tmp_path: Path) -> None:  # noqa: F811
    call("-m", "lr=0.1,0.01,0.001", *TINY, SWEEP)
    summary = tmp_path / "sweep" / "1" / "summary.json"
    summary.write_text(summary.read_text().replace('"best_epoch": 2', '"best_epoch": 3'))
    shutil.rmtree(tmp_path / "sweep" / "2")
    assert call("resume", "sweep").code == 6
    rows = table(tmp_path / "sweep")
    assert [row["status"] for row in rows] == ["completed", "failed", "completed"]
    assert rows[1]["verdict"] == f"{summary} was changed or damaged since it was written"


def test_plot_draws_no_curve_from_metrics_that_were_damaged(call: Call, tmp_path: Path) -> None:  # noqa: F811
    call("-m", "lr=0.1,0.01", *TINY, SWEEP)
    metrics = tmp_path / "sweep" / "0" / "metrics.csv"
    metrics.write_text(metrics.read_text().replace("\n2,", "\n3,"))
    answer = call("plot", "sweep")
    text = f"optrun: {metrics} does not hold what was committed; it was changed or damaged since\n"
    assert (answer.code, answer.err) == (6, text)


def test_a_list_of_jobs_of_another_format_is_refused(call: Call, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "sweep.json").write_text('{"format": 1}')
    answer = call("plot", "sweep")
    message = f"optrun: {tmp_path}/sweep has format 1; this optrun reads sweeps of format 2\n"
    assert (answer.code, answer.err) == (6, message)


def test_runs_that_differ_only_in_the_seed_are_one_line_of_the_table(call: Call, tmp_path: Path) -> None:  # noqa: F811
    answer = call("-m", "optimizer=sgd", "lr=1e6,0.1,0.01", "seed=range(2)", *TINY, SWEEP)
    with open(tmp_path / "sweep" / "sweep_seeds.csv", newline="") as file:
        settings = list(csv.DictReader(file))
    assert [(s["lr"], s["completed"], s["jobs"]) for s in settings] == [
        ("0.1", "2", "2 3"),
        ("0.01", "2", "4 5"),
        ("1000000.0", "0", "0 1"),
    ]
    losses = [float(row["best_val_loss"]) for row in table(tmp_path / "sweep")[2:4]]
    assert float(settings[0]["best_val_loss_mean"]) == sum(losses) / 2
    lines = answer.out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.split()[:2] == ["rank", "lr"])
    shown = [line.split() for line in lines[start + 1 : start + 4]]
    assert [row[:4] for row in shown[:2]] == [["1", "0.1", "completed", "2/2"], ["2", "0.01", "completed", "2/2"]]
    assert shown[2] == ["-", "1000000.0", "2", "of", "2", "diverged", "0/2"]
    assert shown[0][-1] == "best"


def test_what_the_axes_explain_is_a_table_where_there_are_two(call: Call, tmp_path: Path) -> None:  # noqa: F811
    answer = call("-m", "optimizer=sgd,adam", "lr=0.01,0.001", "seed=range(2)", *TINY, SWEEP)
    with open(tmp_path / "sweep" / "sweep_importance.csv", newline="") as file:
        shares = list(csv.DictReader(file))
    assert {row["axis"] for row in shares} == {"optimizer", "lr", "interactions", "seeds"}
    assert "share of the variance of log best_val_loss, 8 runs in 4 settings" in answer.out
    call("-m", "lr=0.01,0.001", "seed=range(2)", *TINY, "hydra.sweep.dir=one")
    assert not (tmp_path / "one" / "sweep_importance.csv").exists()


def test_plot_shows_the_ranked_table_and_keeps_what_has_no_folder(call: Call, tmp_path: Path) -> None:  # noqa: F811
    ended = call("-m", "lr=0.1,nan,0.01", *TINY, SWEEP)
    before = (tmp_path / "sweep" / "sweep.csv").read_bytes()
    shown = call("plot", "sweep")
    assert shown.code == 0
    assert shown.out.splitlines()[:5] == ended.out.splitlines()[-6:-1]
    assert (tmp_path / "sweep" / "sweep.csv").read_bytes() == before


def test_plot_makes_table_and_picture_from_the_run_folders(call: Call, tmp_path: Path) -> None:  # noqa: F811
    call("-m", "lr=0.1,0.01", *TINY, SWEEP)
    before = {name: (tmp_path / "sweep" / name).read_bytes() for name in ("sweep.csv", "sweep.png", "sweep.svg")}
    for name in before:
        (tmp_path / "sweep" / name).unlink()
    assert call("plot", "sweep").code == 0
    assert {name: (tmp_path / "sweep" / name).read_bytes() for name in before} == before


def test_where_nothing_is_explained_the_cause_is_said(call: Call) -> None:  # noqa: F811
    answer = call("-m", "optimizer=sgd", "lr=1e6,1e7", "sampler.batch_size=50,100", *TINY, SWEEP)
    assert "axis  values  share  by chance\nno shares of the axes: nothing varies among 0 runs" in answer.out
