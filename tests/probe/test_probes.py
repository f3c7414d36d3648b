"""Measurements of a running training."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from runner import build
from runner import train as loop
from runner.core.curvature import Curved
from runner.core.theta import Layout, Slot
from runner.probe.base import Observation, Probe, Step
from runner.probe.distance import Distance
from runner.probe.none import NoProbe
from runner.probe.several import Several
from runner.run import Run, prepare
from runner.sampler.shuffle import Shuffle
from runner.stop.epochs import Epochs
from runner.store import folder as store
from runner.store.folder import Row, RunFolder
from runner.train import columns, probed, train
from tests.contract.rooms import choices

LAYOUT = Layout((Slot("weight", (2,), 0, 2),))


def unasked(n: int) -> Curved:
    """The loss for a probe that does not look at it."""
    raise AssertionError(f"{n} examples were asked for")


def test_no_probe_measures_nothing() -> None:
    assert NoProbe().columns == ()
    assert NoProbe().measure(Observation(torch.ones(2), torch.zeros(2), LAYOUT, unasked)) == ()


def test_distance_is_the_length_of_the_way_from_the_start_as_the_crow_flies() -> None:
    assert Distance().columns == ("distance_from_start",)
    theta, start = torch.tensor([4.0, 6.0]), torch.tensor([1.0, 2.0])
    assert Distance().measure(Observation(theta, start, LAYOUT, unasked)) == (5.0,)
    assert Distance().measure(Observation(start, start, LAYOUT, unasked)) == (0.0,)


@dataclass(frozen=True)
class Vandal(Probe):
    """Overwrites all it is shown, and draws from the global generator."""

    @property
    def columns(self) -> tuple[str, ...]:
        return ("damage",)

    @property
    def follows(self) -> bool:
        return True

    def measure_step(self, step: Step) -> tuple[float, ...]:
        for tensor in (step.before, step.after, step.gradient):
            tensor.fill_(1e30)
        step.examine(20).value_and_grad(torch.ones_like(step.after))
        return ()

    def measure(self, seen: Observation) -> tuple[float, ...]:
        asked = seen.examine(50)
        asked.hessian(seen.theta)(seen.theta)
        asked.value_and_grad(seen.theta + 1)
        asked.value(asked.theta)
        seen.theta.fill_(1e30)
        torch.rand(3)
        return (float(seen.theta[0]),)


def all_of_them() -> dict[str, Probe]:
    return {name: cls() for name, cls in choices("probe").items()}


class Nobody:
    """Looks on and says nothing."""

    def row(self, row: Row) -> None: ...

    def tick(self, share: float) -> None: ...


def run(probe: Probe) -> Run:
    """Three epochs with dropout and batch norm, whose noise and statistics a careless probe would disturb first."""
    rooms = {
        "dataset": "digits.Digits",
        "preprocess": "standardize.Standardize",
        "sampler": "shuffle.Shuffle",
        "init": "kaiming_normal.KaimingNormal",
        "loss": "cross_entropy.CrossEntropy",
        "regularizer": "none.NoRegularizer",
        "optimizer": "adam.Adam",
        "schedule": "constant.Constant",
        "probe": "none.NoProbe",
        "recorder": "none.NoRecorder",
    }
    config = {room: {"_target_": f"runner.{room}.{target}"} for room, target in rooms.items()}
    mlp = {"_target_": "runner.architecture.mlp.MLP", "hidden": [16], "dropout": 0.5}
    mlp["normalization"] = {"_target_": "runner.architecture.normalization.batch.Batch"}
    stop = {"_target_": "runner.stop.epochs.Epochs", "epochs": 3}
    numbers = {"lr": 0.01, "epochs": 3, "seed": 0, "device": "cpu"}
    made = build.run({**config, "architecture": mlp, "stop": stop, **numbers})
    return Run(**vars(made) | {"probe": probe})


def trained(probe: Probe, folder: Path) -> tuple[Tensor, list[list[str]]]:
    """The parameters at the end, and the lines of metrics.csv without the columns of the probe."""
    chosen = run(probe)
    m = prepare(chosen)
    with RunFolder.claim(folder, "", {}, columns(chosen, m)) as opened:
        train(chosen, m, opened, Nobody())
    lines = (folder / "metrics.csv").read_text().splitlines()
    fields = [line.split(",") for line in lines]
    return m.theta, [line[: len(line) - len(probed(chosen, m))] for line in fields]


@pytest.mark.parametrize(
    "probe",
    [*all_of_them().values(), Several(of=all_of_them()), Vandal()],
    ids=[*all_of_them(), "all of them", "one that overwrites all it is shown"],
)
def test_a_training_with_a_probe_is_bit_for_bit_the_one_without(probe: Probe, tmp_path: Path) -> None:
    theta, lines = trained(NoProbe(), tmp_path / "without")
    watched, watched_lines = trained(probe, tmp_path / "with")
    assert torch.equal(watched, theta)
    assert watched_lines == lines
    assert len(lines) == 1 + 3


class Stopped(Exception):
    """The power went off."""


@pytest.mark.parametrize("steps", range(1, 8))
def test_a_run_that_is_cut_off_after_any_step_writes_the_same_numbers(
    steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two epochs of three steps; after each there is a commit, the last of an epoch among them."""
    chosen = replace(run(Several(of=all_of_them())), epochs=2, sampler=Shuffle(batch_size=600), stop=Epochs(2))
    monkeypatch.setattr(store, "LEAST_S", 0.0)
    monkeypatch.setattr(store, "SHARE", 0)
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=partial(next, count(1e6))))  # a look after each step

    def begun(name: str, stop_after: int) -> Path:
        m, made = prepare(chosen), count(1)
        real = Curved.on

        def on(self: Curved, *given: Any) -> None:
            if next(made) > stop_after:
                raise Stopped
            real(self, *given)

        with monkeypatch.context() as patch, RunFolder.claim(tmp_path / name, "", {}, columns(chosen, m)) as opened:
            patch.setattr(Curved, "on", on)
            with suppress(Stopped):
                train(chosen, m, opened, Nobody())
        return tmp_path / name

    whole, part = begun("whole", 100), begun("part", steps)
    with RunFolder.open(part) as opened:
        train(chosen, prepare(chosen), opened, Nobody())
    assert (part / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
