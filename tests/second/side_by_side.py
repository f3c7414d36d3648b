"""Runs side by side on a second device: as those of the processor side by side, to the bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner.run import Shared, prepare
from runner.sweep import fuse
from runner.sweep.group import groups, train_group
from tests.lanes.sides import composed, most, numbered, run, together
from tests.second.device import THERE
from tests.sweep.test_group import MANNER, seeds, silent, tasks

COMPANY = {
    "adam": "optimizer=adam",
    "a rule that asks elsewhere": "optimizer=sam",
    "a mean of parameters": "optimizer=schedule_free_adamw",
    "batch norm": "architecture/normalization=batch",
    "dropout": "architecture.dropout=0.2",
    "label smoothing": "loss.label_smoothing=0.1",
    "a probe": "probe=spectrum",
    "one that diverges": "lr=1e30",
}


@pytest.mark.parametrize("name", COMPANY)
def test_runs_side_by_side_there_are_those_of_the_processor(name: str, tmp_path: Path) -> None:
    one = run("epochs=3", COMPANY[name])
    runs = [replace(one, seed=seed, lr=one.lr / (1 + seed)) for seed in range(3)]
    here = together(runs, numbered(tmp_path / "here", 3))
    there = together([replace(each, device=THERE) for each in runs], numbered(tmp_path / "there", 3))
    assert most(here, there) == 0


def test_different_rules_and_losses_there(tmp_path: Path) -> None:
    words = (
        "optimizer=sgd",
        "optimizer=adam loss.label_smoothing=0.2",
        "optimizer=sgd regularizer=l2",
        "optimizer=adam",
    )
    runs = [run("epochs=3", *each.split(), f"seed={seed}") for seed, each in enumerate(words)]
    here = together(runs, numbered(tmp_path / "here", 4))
    there = together([replace(each, device=THERE) for each in runs], numbered(tmp_path / "there", 4))
    assert most(here, there) == 0


def test_images_there(tmp_path: Path) -> None:
    one = composed("architecture=convnet", "batch_size=700", "epochs=1")
    runs = [replace(one, seed=seed) for seed in range(2)]
    here = together(runs, numbered(tmp_path / "here", 2))
    there = together([replace(each, device=THERE) for each in runs], numbered(tmp_path / "there", 2))
    assert most(here, there) == 0


def test_a_sweep_there_measures_forms_groups_and_trains_them(tmp_path: Path) -> None:
    runs = [replace(each, device=THERE) for each in seeds(6)]
    assert fuse.verdict(runs[0], prepare(runs[0]), 3).words.startswith("a gradient takes ")
    rows = {}
    for name, each in {"here": seeds(6), "there": runs}.items():
        found = groups(tasks(tmp_path / name, each), 1, 3, {}, silent)
        assert [len(group) for group in found] == [3, 3]
        assert [outcome.exit_code for group in found for outcome in train_group(group, MANNER, Shared())] == [0] * 6
        rows[name] = [(tmp_path / name / str(number) / "metrics.csv").read_bytes() for number in range(6)]
    assert rows["here"] == rows["there"]
