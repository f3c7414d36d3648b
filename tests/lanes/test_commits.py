"""A group that is interrupted leaves a commit in every folder, from which lanes go on, or the run alone."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from runner.core.errors import Interrupted
from runner.core.objective import Objective
from runner.core.rows import Rows
from runner.run import Run, prepare
from runner.screen.base import Silent
from runner.store.checkpoint import newest
from runner.store.folder import RunFolder
from runner.train import train
from tests.contract.rooms import choices
from tests.lanes.sides import alone, apart, left, numbered, rates, run, same, together

BATCH = "architecture/normalization=batch"
KINDS = {
    "dropout": ("architecture.dropout=0.3",),
    "batch norm": (BATCH,),
    "exact batch norm and dropout": (BATCH, "architecture.normalization.evaluation=exact", "architecture.dropout=0.3"),
    "schedule-free": ("optimizer=schedule_free_adamw",),
    "plateau": ("schedule=plateau", "schedule.patience=1", "schedule.threshold=0.5"),
    "two gradients": ("optimizer=sam", BATCH),
    "early stopping": ("stop=early_stopping", "stop.patience=1", "lr=0.1"),
}


pytestmark = pytest.mark.usefixtures("usual_handling")


def interrupted(runs: list[Run], paths: list[Path], steps: int, patch: pytest.MonkeyPatch) -> None:
    """Train side by side until a signal comes in a step, the one of this number."""
    with patch.context() as within:
        signalled(Rows, steps, within)
        with pytest.raises(Interrupted):
            together(runs, paths)


def signalled(asked: type, steps: int, patch: pytest.MonkeyPatch) -> None:
    """Let a signal come in the step of this number, which begins with a mini-batch."""
    begin, left = asked.on, iter(range(steps - 1))  # type: ignore[attr-defined]

    def on(self: Any, *given: Any) -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGTERM)
        begin(self, *given)

    patch.setattr(asked, "on", on)


def company(kind: str) -> list[Run]:
    return rates(run("epochs=4", "batch_size=30", *KINDS[kind]), 1.0, 0.5, 0.25)


@pytest.mark.parametrize("steps", [4, 7])  # of four in an epoch
@pytest.mark.parametrize("kind", KINDS)
def test_from_the_commits_of_a_signal_lanes_go_on_to_the_bit_and_runs_alone_to_rounding(
    kind: str, steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = company(kind)
    whole, cut = numbered(tmp_path / "whole", 3), numbered(tmp_path / "cut", 3)
    uncut = together(runs, whole)
    interrupted(runs, cut, steps, monkeypatch)
    shutil.copytree(tmp_path / "cut", tmp_path / "single")
    for path in cut:
        assert committed(path)["step"] == steps
    again = together(runs, cut)
    assert [same(*pair) for pair in zip(again, uncut, strict=True)] == [True] * 3
    for one, other in zip(whole, cut, strict=True):
        assert (one / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes()
    for number, each in enumerate(runs):
        with RunFolder.open(tmp_path / "single" / str(number)) as folder:
            m = prepare(each)
            ending = train(each, m, folder, Silent())
            # rounding of the few steps that were made side by side
            assert apart(left(folder, ending, m.theta), uncut[number]) < 1e-10


def test_a_run_that_had_ended_before_the_signal_stays_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [run("epochs=1"), run("epochs=4", "seed=1"), run("epochs=4", "seed=2")]
    uncut = together(runs, numbered(tmp_path / "whole", 3))
    interrupted(runs, numbered(tmp_path / "cut", 3), 5, monkeypatch)
    assert [committed(path)["step"] for path in numbered(tmp_path / "cut", 3)] == [2, 5, 5]
    # two are left, as there were at the signal
    again = together(runs[1:], numbered(tmp_path / "cut", 3)[1:])
    assert [same(*pair) for pair in zip(again, uncut[1:], strict=True)] == [True] * 2
    assert same(together(runs[:1], numbered(tmp_path / "cut", 1))[0], uncut[0])


FUSED = [name for name in choices("optimizer") if run(f"optimizer={name}").optimizer.gradients != "freely"]


@pytest.mark.parametrize("name", FUSED)
def test_a_commit_has_the_form_of_that_of_the_run_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = rates(run(f"optimizer={name}", BATCH, "architecture.dropout=0.3", "batch_size=30"), 1.0, 0.5)
    interrupted(runs, numbered(tmp_path / "lanes", 2), 6, monkeypatch)
    signalled(Objective, 6, monkeypatch)
    with pytest.raises(Interrupted):
        alone(runs[1], tmp_path / "alone")
    mine, single = committed(tmp_path / "lanes" / "1"), committed(tmp_path / "alone")
    assert form(mine) == form(single)
    assert mine["noise_state"].equal(single["noise_state"])
    # Nothing of the neighbours is kept with it, as the memory behind a view; numbers are text, some a digit longer.
    assert abs(size(tmp_path / "lanes" / "1") - size(tmp_path / "alone")) < 64


def form(tree: Any) -> Any:
    """A tree with every tensor as its type and its shape, and every number as its type."""
    match tree:
        case Tensor():
            return tree.dtype, tuple(tree.shape)
        case dict():
            return {key: form(item) for key, item in tree.items()}
        case list() | tuple():
            return [form(item) for item in tree]
        case _:
            return type(tree)


def committed(path: Path) -> dict[str, Any]:
    found = newest(path / "checkpoint")
    assert found is not None
    content: dict[str, Any] = found[0]["content"]
    return content


def size(path: Path) -> int:
    return max((path / "checkpoint").glob("*.ckpt")).stat().st_size
