"""Measurements of a running training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from runner import build
from runner.core.curvature import Curved
from runner.core.theta import Layout, Slot
from runner.probe.base import Observation, Probe
from runner.probe.distance import Distance
from runner.probe.hessian_trace import HessianTrace
from runner.probe.none import NoProbe
from runner.probe.optimality import Optimality
from runner.probe.sharpness import Sharpness
from runner.run import Run, prepare
from runner.store.folder import Row, RunFolder
from runner.train import columns, train

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

    def measure(self, seen: Observation) -> tuple[float, ...]:
        asked = seen.examine(50)
        asked.hessian(seen.theta)(seen.theta)
        asked.value_and_grad(seen.theta + 1)
        asked.value(asked.theta)
        seen.theta.fill_(1e30)
        torch.rand(3)
        return (float(seen.theta[0]),)


class Nobody:
    """Looks on and says nothing."""

    def row(self, row: Row) -> None: ...

    def tick(self, share: float) -> None: ...


def run(probe: Probe) -> Run:
    """Three epochs with dropout, whose noise is what a careless probe would disturb first."""
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
    }
    config = {room: {"_target_": f"runner.{room}.{target}"} for room, target in rooms.items()}
    mlp = {"_target_": "runner.architecture.mlp.MLP", "hidden": [16], "dropout": 0.5}
    stop = {"_target_": "runner.stop.epochs.Epochs", "epochs": 3}
    numbers = {"lr": 0.01, "epochs": 3, "seed": 0, "device": "cpu"}
    made = build.run({**config, "architecture": mlp, "stop": stop, **numbers})
    return Run(**vars(made) | {"probe": probe})


def trained(probe: Probe, folder: Path) -> tuple[Tensor, list[list[str]]]:
    """The parameters at the end, and the lines of metrics.csv without the columns of the probe."""
    chosen = run(probe)
    m = prepare(chosen)
    with RunFolder.claim(folder, "", {}, columns(chosen)) as opened:
        train(chosen, m, opened, Nobody())
    lines = (folder / "metrics.csv").read_text().splitlines()
    fields = [line.split(",") for line in lines]
    return m.theta, [line[: len(line) - len(probe.columns)] for line in fields]


@pytest.mark.parametrize(
    "probe",
    [Distance(), Sharpness(steps=3), HessianTrace(signs=2), Optimality(steps=3), Vandal()],
    ids=["distance", "sharpness", "hessian_trace", "optimality", "one that overwrites all it is shown"],
)
def test_a_training_with_a_probe_is_bit_for_bit_the_one_without(probe: Probe, tmp_path: Path) -> None:
    theta, lines = trained(NoProbe(), tmp_path / "without")
    watched, watched_lines = trained(probe, tmp_path / "with")
    assert torch.equal(watched, theta)
    assert watched_lines == lines
    assert len(lines) == 1 + 3
