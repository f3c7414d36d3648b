"""The way of a run, trained again in memory: the bits of its checkpoint, and nothing else of its folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from runner.core.errors import CorruptError
from runner.landscape.replay import judged
from runner.landscape.runs import Trained, one, trajectory
from runner.run import Shared
from tests.cli.conftest import Call, call
from tests.parallel.launch import ran

__all__ = ["call"]  # the fixture
SMALL = ("dataset=iris", "architecture.hidden=[7,5]", "batch_size=40", "stop=epochs")  # 3 steps an epoch
# What lives on from step to step beside theta: dropout, moments, memories, averages, rates that look at rows.
KINDS = {
    "momentum": ("optimizer=momentum",),
    "dropout and batch norm": ("architecture/normalization=batch", "architecture.dropout=0.3"),
    "an average": ("optimizer=ema", "optimizer.inner=adam"),
    "an average of its own": ("optimizer=schedule_free_adamw",),
    "one of torch": ("optimizer=torch", "optimizer._target_=torch.optim.Adagrad"),
    "a rate by the rows": ("optimizer=sgd", "schedule=plateau", "schedule.patience=1"),
    "curvature": ("optimizer=lbfgs",),
    "one that diverges": ("optimizer=sgd", "lr=1e6"),
}


def whole(trained: Trained, steps: int) -> dict[int, torch.Tensor]:
    """Where a run was after every step."""
    found = trajectory(trained, trained.material(Shared()), "", range(steps + 1))
    return dict(zip(found.steps, found.points, strict=True))


@pytest.mark.parametrize("words", KINDS.values(), ids=KINDS)
def test_every_point_is_that_where_a_shorter_run_ends(words: tuple[str, ...], call: Call, tmp_path: Path) -> None:
    """A run of two epochs makes the steps of one of four, so that their checkpoints are on one way."""
    for epochs in (2, 4):
        call(*SMALL, *words, f"epochs={epochs}", f"hydra.run.dir={epochs}")
    short, long = (one(tmp_path / name, ()) for name in ("2", "4"))
    points = whole(long, long.steps)
    assert list(points) == list(range(long.steps + 1))
    for trained in (short, long):
        m = trained.material(Shared())
        assert torch.equal(points[trained.steps], trained.end(m))
    assert torch.equal(points[0], long.material(Shared()).theta)
    kept = long.saved["theta"]
    assert torch.equal(
        points[long.steps], judged(long.run, long.material(Shared()), kept.clone(), long.saved["memory"])
    )


def test_a_run_side_by_side_with_others_is_trained_again_in_their_program(call: Call, tmp_path: Path) -> None:
    words = ("optimizer=sgd,adam", "epochs=4", "workers=1", "lanes=2")
    call("-m", *SMALL, *words, "hydra.sweep.dir=both")
    for name in ("0", "1"):
        trained = one(tmp_path / "both" / name, ())
        assert trained.together
        assert torch.equal(whole(trained, 12)[12], trained.saved["theta"])


def test_a_limit_of_seconds_ends_it_where_it_ended_the_run(call: Call, tmp_path: Path) -> None:
    call(
        "problem=rosenbrock", "optimizer=adam", "stop=seconds", "stop.seconds=0.2", "epochs=1000000", "hydra.run.dir=a"
    )
    trained = one(tmp_path / "a", ())
    assert list(whole(trained, trained.steps)) == list(range(trained.steps + 1))


def test_its_two_ends_alone_need_no_training(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call(*SMALL, "epochs=2", "hydra.run.dir=a")
    trained = one(tmp_path / "a", ())
    monkeypatch.setattr("runner.landscape.runs.replayed", None)
    found = trajectory(trained, trained.material(Shared()), "", [0, 6])
    assert found.steps == (0, 6)
    assert torch.equal(found.end, trained.saved["theta"])


@pytest.mark.parametrize("lanes", ["off", "2"])
def test_parameters_that_training_does_not_come_to_are_refused(lanes: str, call: Call, tmp_path: Path) -> None:
    """One bit of one parameter."""
    call("-m", *SMALL, "epochs=2", "seed=0,1", "workers=1", f"lanes={lanes}", "hydra.sweep.dir=both")
    trained = one(tmp_path / "both" / "0", ())
    theta = trained.saved["theta"].clone()
    theta.view(torch.int32)[3] ^= 1
    other = replace(trained, saved=trained.saved | {"theta": theta})
    with pytest.raises(CorruptError) as refused:
        whole(other, 6)
    assert str(refused.value) == (
        f"{trained.path}: trained again, it does not come to the parameters of its checkpoint after 6 steps; the "
        "machine, the versions or the number of processes are others than those that trained it (manifest.json). "
        "points=2 shows its two ends, without training"
    )


def test_a_run_of_several_processes_is_refused_before_anything_is_trained_but_has_two_ends(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ran(2, *SMALL, "epochs=2", "hydra.run.dir=two", cwd=tmp_path).code == 0
    call(*SMALL, "epochs=2", "hydra.run.dir=one")
    monkeypatch.setattr("runner.landscape.runs.replayed", None)
    answer = call("landscape", "one", "two")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        "optrun: two is refused\n"
        "  allowed: a run of one process, while torchrun has made this one on 2: their sums round in another way, "
        "so that trained again here it would not come to the parameters of its checkpoint\n"
        "  do this: give points=2 directions=filter for start and end without training, or train it without torchrun\n"
    )
    assert call("landscape", "two", "points=2", "directions=filter", "grid=5").code == 0


def test_a_start_that_is_another_one_now_is_refused(call: Call, tmp_path: Path) -> None:
    call(*SMALL, "epochs=1", "hydra.run.dir=a")
    trained = one(tmp_path / "a", ())
    with pytest.raises(CorruptError) as refused:
        replace(trained, run=replace(trained.run, seed=1)).material(Shared())
    assert str(refused.value) == (
        f"{trained.path}: the initial parameters are not those that this run was started with (start_sha256 differs)"
    )
