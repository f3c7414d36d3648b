"""On a machine with an NVIDIA GPU: what the other tests show on a device that the processor plays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from runner import run as runs
from runner.core import captured
from runner.core.captured import Captures
from runner.run import prepare
from runner.stop.epochs import Epochs
from tests.lanes.sides import alone, apart, composed, most, numbered, run, same, together

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no NVIDIA GPU")

# Its kernels add in another order than the processor's: 1e-16 in a sum, and training multiplies it.
NEAR = 1e-8
COMPANY = {
    "plain": (),
    "batch norm": ("architecture/normalization=batch",),
    "a penalty": ("regularizer=l2",),
    "adam": ("optimizer=adam",),
    "a line search": ("optimizer=strong_wolfe",),
    "curvature": ("optimizer=newton_cg",),
}


@pytest.mark.parametrize("name", COMPANY)
def test_a_run_there_agrees_with_that_of_the_processor(name: str, tmp_path: Path) -> None:
    one = run("epochs=10", *COMPANY[name])
    there = alone(replace(one, device="cuda"), tmp_path / "there")
    assert apart(alone(one, tmp_path / "here"), replace(there, theta=there.theta.cpu())) < NEAR


@pytest.mark.parametrize("name", ["plain", "batch norm", "a penalty", "adam"])
def test_replays_give_the_bits_that_asking_gives(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = replace(run("epochs=10", *COMPANY[name]), device="cuda")
    monkeypatch.setattr(captured, "WORTH_S", 0)
    monkeypatch.setattr(Captures, "seconds", lambda self, work, given: float(work == self.work))
    replayed = alone(one, tmp_path / "replayed")
    monkeypatch.setattr(runs, "capturer_of", lambda device: None)
    assert same(alone(one, tmp_path / "asked"), replayed)


def test_a_step_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captured, "WORTH_S", 0)
    monkeypatch.setattr(Captures, "seconds", lambda self, work, given: float(work == self.work))
    m = prepare(replace(run(), device="cuda"))
    m.objective.on(*m.train.rows(torch.arange(60)))
    for _ in range(10):
        m.objective.value_and_grad(m.theta)
    assert m.objective.captures is not None
    assert m.objective.captures.replays


def test_runs_side_by_side_there_agree_with_those_alone(tmp_path: Path) -> None:
    one = replace(run(), device="cuda", epochs=10, stop=Epochs(epochs=10))
    company = [replace(one, seed=seed, lr=one.lr / (1 + seed)) for seed in range(4)]
    ones = [alone(each, tmp_path / "alone" / str(number)) for number, each in enumerate(company)]
    assert most(ones, together(company, numbered(tmp_path / "together", 4))) < NEAR


@pytest.mark.parametrize("precision", ["float64", "float32", "tf32", "bf16"])
def test_each_precision_trains(precision: str, tmp_path: Path) -> None:
    one = composed("dataset=digits", "epochs=5", f"precision={precision}")
    assert alone(replace(one, device="cuda"), tmp_path).rows[-1]["val_accuracy"] > 0.8
