"""`--extend`: a larger grid in the folder of a sweep runs what is new, and anything else is refused by name."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.cli.conftest import TINY, Call, call  # noqa: F401 - a fixture

SWEEP = "hydra.sweep.dir=sweep"


def rows(sweep: Path) -> dict[str, dict[str, str]]:
    with open(sweep / "sweep.csv", newline="") as file:
        return {row["dir"]: row for row in csv.DictReader(file)}


def times(sweep: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in sweep.glob("*/metrics.csv")}


def test_a_larger_grid_runs_its_new_cells_alone_and_in_folders_of_their_own(call: Call, tmp_path: Path) -> None:  # noqa: F811
    sweep = tmp_path / "sweep"
    assert call("-m", "lr=0.1,0.01", *TINY, SWEEP).code == 0
    before = times(sweep)
    answer = call("-m", "--extend", "lr=0.3,0.1,0.01", "seed=0,1", *TINY, SWEEP)
    assert answer.code == 0, answer.err
    assert answer.out.startswith("4 of 6 runs are new\n6 runs ")
    assert "2 of them have ended before\n" in answer.out
    assert {name: time for name, time in times(sweep).items() if name in before} == before
    assert {name: (row["lr"], row["seed"]) for name, row in rows(sweep).items()} == {
        **{"0": ("0.1", "0"), "1": ("0.01", "0"), "2": ("0.3", "0")},
        **{"3": ("0.3", "1"), "4": ("0.1", "1"), "5": ("0.01", "1")},
    }
    assert call("-m", "lr=0.3,0.1,0.01", "seed=0,1", *TINY, "hydra.sweep.dir=whole").code == 0
    of_whole = {(row["lr"], row["seed"]): name for name, row in rows(tmp_path / "whole").items()}
    for name, row in rows(sweep).items():
        other = of_whole[row["lr"], row["seed"]]
        for file in ("metrics.csv", "config.yaml"):
            assert (sweep / name / file).read_bytes() == (tmp_path / "whole" / other / file).read_bytes()


def test_the_same_grid_has_nothing_new(call: Call, tmp_path: Path) -> None:  # noqa: F811
    call("-m", "lr=0.1,0.01", *TINY, SWEEP)
    before = times(tmp_path / "sweep")
    answer = call("-m", "--extend", "lr=0.1,0.01", *TINY, SWEEP)
    assert (answer.code, answer.out.splitlines()[0]) == (0, "0 of 2 runs are new")
    assert times(tmp_path / "sweep") == before


def test_a_spelling_that_comes_to_the_same_is_the_same_run(call: Call, tmp_path: Path) -> None:  # noqa: F811
    call("-m", "lr=0.1,0.01", *TINY, SWEEP)
    answer = call("-m", "--extend", "lr=1e-1,0.010", "optimizer=adam", *TINY, SWEEP)
    assert (answer.code, answer.out.splitlines()[0]) == (0, "0 of 2 runs are new")


def test_an_extended_sweep_is_resumed_as_a_whole(call: Call, tmp_path: Path) -> None:  # noqa: F811
    from shutil import rmtree

    call("-m", "lr=0.1,0.01", *TINY, SWEEP)
    call("-m", "--extend", "lr=0.1,0.01,0.001", *TINY, SWEEP)
    before = {name: (tmp_path / "sweep" / name).read_bytes() for name in ("sweep.csv", "1/metrics.csv")}
    rmtree(tmp_path / "sweep" / "1")
    assert call("resume", "sweep").code == 0
    assert {name: (tmp_path / "sweep" / name).read_bytes() for name in before} == before


def test_the_list_of_jobs_is_replaced_before_a_new_one_starts(
    call: Call,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from runner import job

    call("-m", "seed=0,1", *TINY, SWEEP)
    seen = []

    def prepare(run, examples_of, *others):  # type: ignore[no-untyped-def]
        seen.append(len(json.loads((tmp_path / "sweep" / "sweep.json").read_text())["jobs"]))
        raise ZeroDivisionError

    monkeypatch.setattr(job, "prepare", prepare)
    call("-m", "--extend", "seed=range(4)", *TINY, SWEEP, "workers=1")
    assert seen == [4, 4]


REFUSED = {
    "a fixed setting": (("lr=0.1,0.01,1", "epochs=3"), "epochs is 2 there and 3 here"),
    "another choice": (
        ("lr=0.1,0.01,1", "optimizer=sgd"),
        "optimizer is runner.optimizer.adam.Adam there and runner.optimizer.sgd.SGD here",
    ),
    "two settings": (("lr=0.1,0.01", "seed=1", "batch_size=7"), "seed is 0 there and 1 here"),
    "a value left out": (
        ("lr=0.1,1",),
        "the sweep has lr=0.01 epochs=2 architecture.hidden=[8], which this grid lacks",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_another_sweep_is_refused_with_what_differs(case: str, call: Call, tmp_path: Path) -> None:  # noqa: F811
    call("-m", "lr=0.1,0.01", *TINY, SWEEP)
    before = (tmp_path / "sweep" / "sweep.json").read_bytes()
    given, difference = REFUSED[case]
    answer = call("-m", "--extend", *TINY, *given, SWEEP)
    assert answer.code == 2
    assert answer.err.startswith(
        f"optrun: --extend={tmp_path}/sweep is refused\n"
        "  allowed: the same command with more values: every run of the sweep is in the new grid\n"
        f"  do this: {difference}"
    )
    assert answer.err.endswith("; give the old values beside the new ones, or choose a new folder\n")
    assert (tmp_path / "sweep" / "sweep.json").read_bytes() == before


def test_there_must_be_a_sweep_to_extend(call: Call, tmp_path: Path) -> None:  # noqa: F811
    answer = call("-m", "--extend", "lr=0.1,0.01", *TINY, SWEEP)
    assert (answer.code, answer.err) == (
        2,
        f"optrun: --extend={tmp_path}/sweep is refused\n"
        "  allowed: the folder of a sweep\n"
        "  do this: name it with hydra.sweep.dir=outputs/..., or leave out --extend for a new sweep\n",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_single_run_cannot_be_extended(call: Call) -> None:  # noqa: F811
    assert call("--extend", "lr=0.1").err == (
        "optrun: --extend is refused\n"
        "  allowed: with -m, for a sweep\n"
        "  do this: optrun -m --extend hydra.sweep.dir=outputs/... KEY=OLD,NEW\n"
    )


def test_two_jobs_cannot_have_one_folder(call: Call, tmp_path: Path) -> None:  # noqa: F811
    answer = call("-m", "lr=0.1,0.01", "seed=0,1", *TINY, SWEEP, "hydra.sweep.subdir='seed=${seed}'")
    assert (answer.code, answer.err) == (
        2,
        "optrun: hydra.sweep.subdir=seed=0 is refused\n"
        "  allowed: another folder for every job\n"
        "  do this: jobs 0 and 2 have the same; leave it out, or put every axis into it\n",
    )
    assert list(tmp_path.iterdir()) == []
