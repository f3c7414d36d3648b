"""Groups of runs: who trains side by side, and what becomes of each."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner import job, lanes
from runner.core.errors import Interrupted, OutOfMemory
from runner.core.signals import Signals
from runner.lanes import Lane
from runner.optimizer.torch import Torch
from runner.run import Run, Shared
from runner.stop.epochs import Epochs
from runner.store.folder import RunFolder, read_manifest, read_status
from runner.sweep import fuse, group
from runner.sweep.base import Job
from runner.sweep.group import Manner, Outcome, Task
from runner.train import Ending
from tests.sweep.test_fuse import ONE

MANNER = Manner(plugins=(), pictures=False, threads=1)


def tasks(path: Path, runs: list[Run]) -> list[Task]:
    """Tasks with numbers from 0, their folders within `path`."""
    return [
        Task(Job(number, str(number), (), {}), run, path / str(number), "optrun") for number, run in enumerate(runs)
    ]


def seeds(count: int) -> list[Run]:
    return [replace(ONE, seed=seed) for seed in range(count)]


@pytest.fixture
def faster(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Side by side is faster, whatever the machine says; the sizes of the groups that were asked about."""
    asked: list[int] = []

    def measured(run: Run, m: object, count: int) -> tuple[float, float]:
        asked.append(count)
        return 2e-6, 1e-6

    monkeypatch.setattr(fuse, "measured", measured)
    return asked


def silent(text: str) -> None:
    """Nobody listens."""


def numbers(found: list[list[Task]]) -> list[list[int]]:
    return [[task.job.number for task in each] for each in found]


def test_runs_of_one_program_go_together_and_the_others_one_after_the_other(tmp_path: Path, faster: list[int]) -> None:
    alone = replace(ONE, optimizer=Torch(cls=__import__("torch").optim.SGD, arguments={}))
    runs = [*seeds(4), alone, *seeds(4)]
    said: list[str] = []
    known: dict[str, bool] = {}
    found = group.groups(tasks(tmp_path, runs), 1, "auto", known, said.append)
    assert numbers(found) == [[0, 1, 2, 3, 5, 6, 7, 8], [4]]
    assert [each[0].together for each in found] == [True, False]
    assert known == {fuse.key_of(ONE): True}
    assert faster == [8]
    assert said == ["8 runs train 8 at a time, side by side: a gradient takes 1 us with 8 side by side, 2 alone"]


def test_where_it_is_slower_they_train_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuse, "measured", lambda run, m, count: (1e-6, 2e-6))
    said: list[str] = []
    known: dict[str, bool] = {}
    found = group.groups(tasks(tmp_path, seeds(8)), 1, "auto", known, said.append)
    assert not any(task.together for each in found for task in each)
    assert known == {fuse.key_of(ONE): False}
    assert said == ["8 runs train one after the other: a gradient takes 2 us with 8 side by side, 1 alone"]


def test_what_a_sweep_has_decided_stays_for_whatever_is_left_of_it(tmp_path: Path, faster: list[int]) -> None:
    key = fuse.key_of(ONE)
    (left,) = group.groups(tasks(tmp_path, seeds(1)), 2, "auto", {key: True}, silent)
    assert left[0].together
    others = group.groups(tasks(tmp_path, seeds(8)), 2, "auto", {key: False}, silent)
    assert not any(task.together for each in others for task in each)
    assert faster == []


def test_off_and_a_number_are_taken_at_their_word(tmp_path: Path, faster: list[int]) -> None:
    off = group.groups(tasks(tmp_path, seeds(8)), 1, "off", {}, silent)
    assert not any(task.together for each in off for task in each)
    three = group.groups(tasks(tmp_path, seeds(8)), 1, 3, {}, silent)
    assert numbers(three) == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert all(task.together for each in three for task in each)
    assert faster == []


def test_a_few_runs_are_not_worth_the_measuring(tmp_path: Path, faster: list[int]) -> None:
    found = group.groups(tasks(tmp_path, seeds(3)), 1, "auto", {}, silent)
    assert numbers(found) == [[0], [1], [2]]
    assert faster == []


def test_groups_are_no_larger_than_the_memory_allows(
    tmp_path: Path, faster: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuse, "most", lambda run, m, workers: 5)
    found = group.groups(tasks(tmp_path, seeds(10)), 1, "auto", {}, silent)
    assert numbers(found) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_on_a_gpu_more_runs_go_together(tmp_path: Path, faster: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group.devices, "available", lambda: ["cpu", "cuda:0", "cuda"])
    monkeypatch.setattr(group.Room, "m", None)  # nothing is prepared on a device that is not there
    monkeypatch.setattr(group.Room, "fits", 400)
    monkeypatch.setattr(fuse, "verdict", lambda run, m, count: fuse.Verdict(True, ""))
    runs = [replace(each, device="cuda") for each in seeds(800)]
    found = group.groups(tasks(tmp_path, runs), 1, "auto", {}, silent)
    assert [len(each) for each in found] == [400, 400]


def test_a_sweep_that_began_side_by_side_goes_on_so_where_its_device_is_not_here(tmp_path: Path) -> None:
    runs = [replace(each, device="cuda:99") for each in seeds(8)]
    known = {fuse.key_of(runs[0]): True}
    found = group.groups(tasks(tmp_path, runs), 1, "auto", known, silent)
    assert numbers(found) == [list(range(8))]


def test_whether_a_group_fits_on_a_device_elsewhere_is_found_there(tmp_path: Path) -> None:
    runs = [replace(each, device="cuda:99") for each in seeds(8)]
    found = group.groups(tasks(tmp_path, runs), 1, 4, {}, silent)
    assert numbers(found) == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_all_workers_have_a_group(tmp_path: Path, faster: list[int]) -> None:
    found = group.groups(tasks(tmp_path, seeds(16)), 2, "auto", {}, silent)
    assert [len(each) for each in found] == [8, 8]


def together(path: Path, runs: list[Run]) -> list[Task]:
    return [replace(task, together=True) for task in tasks(path, runs)]


def trained(found: list[Task]) -> list[Outcome]:
    return list(group.train_group(found, MANNER, Shared()))


def test_each_run_of_a_group_has_its_folder_its_rows_and_its_summary(tmp_path: Path) -> None:
    runs = [*seeds(2), replace(ONE, lr=1e20, seed=2)]
    outcomes = trained(together(tmp_path / "a", runs))
    assert {outcome.number: outcome.exit_code for outcome in outcomes} == {0: 0, 1: 0, 2: 3}
    trained(tasks(tmp_path / "b", runs))
    for number, rows in ((0, 3), (1, 3), (2, 2)):
        here, there = tmp_path / "a" / str(number), tmp_path / "b" / str(number)
        assert len((here / "metrics.csv").read_text().splitlines()) == rows
        assert (here / "config.yaml").read_bytes() == (there / "config.yaml").read_bytes()
        assert read_status(here)["status"] == read_status(there)["status"]
        assert (read_manifest(here)["side_by_side"], read_manifest(there)["side_by_side"]) == (True, False)


def test_a_run_that_cannot_begin_costs_only_itself(tmp_path: Path) -> None:
    found = together(tmp_path, seeds(3))
    (tmp_path / "1").mkdir(parents=True)
    (tmp_path / "1" / "something").touch()
    outcomes = {outcome.number: outcome for outcome in trained(found)}
    assert {number: outcome.summary["status"] for number, outcome in outcomes.items()} == {
        0: "completed",
        1: "refused",
        2: "completed",
    }


def test_a_run_that_another_process_has_is_left_to_it(tmp_path: Path) -> None:
    found = together(tmp_path, seeds(2))
    with job.begun(found[0].run, found[0].folder, "optrun", together=True).folder:
        outcomes = {outcome.number: outcome for outcome in trained(found)}
    assert outcomes[0].summary["status"] == "locked"
    assert outcomes[1].summary["status"] == "completed"


def test_a_bug_in_the_middle_is_noted_in_every_folder_and_lets_go_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(members: list[Lane]) -> Iterator[list[tuple[Lane, Ending]]]:
        raise RuntimeError("a bug")
        yield

    monkeypatch.setattr(lanes, "train", broken)
    outcomes = trained(together(tmp_path, seeds(2)))
    assert [outcome.summary for outcome in outcomes] == [{"status": "failed", "verdict": "a bug"}] * 2
    assert all("RuntimeError: a bug" in outcome.trace for outcome in outcomes)
    for number in (0, 1):
        assert read_status(tmp_path / str(number))["verdict"] == "RuntimeError: a bug"
        with RunFolder.open(tmp_path / str(number)):
            pass


def test_where_memory_does_not_suffice_a_group_is_halved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, sizes = lanes.train, []

    def greedy(members: list[Lane]) -> Iterator[list[tuple[Lane, Ending]]]:
        sizes.append(len(members))
        if len(members) > 1:
            raise MemoryError
        yield from train(members)

    monkeypatch.setattr(lanes, "train", greedy)
    outcomes = trained(together(tmp_path, seeds(3)))
    assert [outcome.summary["status"] for outcome in outcomes] == ["completed"] * 3
    assert sizes == [3, 1, 2, 1, 1]


def test_a_run_that_is_too_large_even_alone_is_out_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(members: list[Lane]) -> Iterator[list[tuple[Lane, Ending]]]:
        raise MemoryError
        yield

    monkeypatch.setattr(lanes, "train", greedy)
    outcomes = trained(together(tmp_path, seeds(2)))
    assert [outcome.exit_code for outcome in outcomes] == [OutOfMemory.exit_code] * 2


def test_runs_at_different_steps_are_taken_up_each_where_it_was(tmp_path: Path) -> None:
    whole = trained(together(tmp_path / "whole", [replace(run, epochs=4, stop=Epochs(epochs=4)) for run in seeds(2)]))
    assert len(whole) == 2
    found = together(tmp_path / "cut", [replace(run, epochs=4, stop=Epochs(epochs=4)) for run in seeds(2)])
    opened = job.begun(found[0].run, found[0].folder, "optrun", together=True)
    with opened.folder:  # the first has two epochs behind it
        shorter = replace(opened.run, stop=Epochs(epochs=2))
        list(lanes.train([Lane.of(shorter, opened.m, opened.folder, group.Silent())]))
    trained(found)
    for number in ("0", "1"):
        metrics = [(tmp_path / name / number / "metrics.csv").read_bytes() for name in ("whole", "cut")]
        assert metrics[0] == metrics[1]


@pytest.mark.parametrize("how", ["one by one", "side by side"])
def test_a_signal_that_comes_just_as_a_run_ends_stops_what_would_come_after(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last look of the loop, before it is left: the run is complete, and whoever goes on must hear of it."""
    ours = together(tmp_path, seeds(2)) if how == "side by side" else tasks(tmp_path, seeds(2))
    leave = Signals.__exit__

    def late(self: Signals, *given: object) -> None:
        signal.raise_signal(signal.SIGTERM)
        leave(self, *given)  # type: ignore[arg-type]

    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        monkeypatch.setattr(Signals, "__exit__", late)
        found: list[Outcome] = []
        with pytest.raises(Interrupted, match="stopped by signal 15"):
            found.extend(group.train_group(ours, MANNER, Shared()))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [each.summary["status"] for each in found] == ["completed"] * (1 if how == "one by one" else 2)
    assert Signals.missed == 0


@pytest.mark.parametrize("when", ["between two claims", "before the first step", "by whoever asks for more"])
def test_a_signal_outside_of_training_is_noted_in_every_folder_that_was_made(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = together(tmp_path, [replace(ONE, epochs=n, stop=Epochs(epochs=n)) for n in (1, 2)])

    def stopped(*_: object) -> None:
        raise Interrupted("stopped by signal 15", 15)

    at_once = lanes.at_once

    def claimed_first(*given: Any) -> None:
        at_once(*given)
        stopped()

    if when == "between two claims":
        monkeypatch.setattr(lanes, "at_once", claimed_first)
    if when == "before the first step":
        monkeypatch.setattr(group, "in_step", stopped)
    found = group.train_group(ours, MANNER, Shared())
    if when == "by whoever asks for more":
        assert next(found).summary["status"] == "completed"
        found.close()  # type: ignore[attr-defined]
    else:
        with pytest.raises(Interrupted):
            list(found)
    left = [read_status(task.folder) for task in ours]
    verdict = "stopped with the sweep" if when == "by whoever asks for more" else "stopped by signal 15"
    expected = [("interrupted", verdict)] * 2
    if when == "by whoever asks for more":
        expected[0] = ("completed", left[0]["verdict"])
    assert [(each["status"], each["verdict"]) for each in left] == expected
    monkeypatch.undo()
    unended = [task for task, each in zip(ours, left, strict=True) if each["status"] != "completed"]
    assert [each.summary["status"] for each in trained(unended)] == ["completed"] * len(unended)
