"""On a machine with an NVIDIA GPU: what the other tests show on a device that the processor plays."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from runner.core import captured
from runner.core import device as devices
from runner.core.captured import ASKED, Captures, CudaGraphs
from runner.stop.epochs import Epochs
from tests.lanes.sides import alone, apart, composed, most, numbered, run, same, together

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no NVIDIA GPU")

# Its kernels add in another order than the processor's: 1e-16 in a sum, and training multiplies it.
NEAR = 1e-8
COMPANY = {
    "plain": (),
    "batch norm": ("architecture/normalization=batch",),
    "dropout": ("architecture.dropout=0.3",),
    "a penalty": ("regularizer=l2",),
    "adam": ("optimizer=adam",),
    "a line search": ("optimizer=strong_wolfe",),
    "curvature": ("optimizer=newton_cg",),
}


@pytest.mark.parametrize("name", [name for name in COMPANY if name != "dropout"])  # whose masks a GPU draws otherwise
def test_a_run_there_agrees_with_that_of_the_processor(name: str, tmp_path: Path) -> None:
    one = run("epochs=10", *COMPANY[name])
    there = alone(replace(one, device="cuda"), tmp_path / "there")
    assert apart(alone(one, tmp_path / "here"), replace(there, theta=there.theta.cpu())) < NEAR


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> list[Captures]:
    """Work is captured at once and replayed if that gives the same; what was captured."""
    made: list[Captures] = []
    settle, times = Captures.settle, itertools.count()

    def noted(self: Captures, *arguments: Any) -> None:
        made.append(self)
        settle(self, *arguments)

    monkeypatch.setattr(captured, "WORTH_S", 0)
    monkeypatch.setattr(Captures, "settle", noted)
    monkeypatch.setattr(Captures, "seconds", lambda self, work: (work(), -float(next(times)))[1])
    return made


REPLAYED = ["plain", "batch norm", "dropout", "a penalty", "adam"]


@pytest.mark.parametrize("name", REPLAYED)
def test_replays_give_the_bits_that_asking_gives(
    name: str, tmp_path: Path, eager: list[Captures], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = replace(run("epochs=10", *COMPANY[name]), device="cuda")
    replayed = alone(one, tmp_path / "replayed")
    assert any(each.replays for each in eager)
    monkeypatch.setattr(Captures, "settle", lambda *arguments: None)
    assert same(alone(one, tmp_path / "asked"), replayed)


@pytest.mark.parametrize("name", REPLAYED)
def test_runs_side_by_side_there_agree_with_those_alone(name: str, tmp_path: Path, eager: list[Captures]) -> None:
    one = replace(run(*COMPANY[name]), device="cuda", epochs=10, stop=Epochs(epochs=10))
    company = [replace(one, seed=seed, lr=one.lr / (1 + seed)) for seed in range(4)]
    ones = [alone(each, tmp_path / "alone" / str(number)) for number, each in enumerate(company)]
    eager.clear()
    assert most(ones, together(company, numbered(tmp_path / "together", 4))) < NEAR
    assert any(each.replays for each in eager)


def test_a_capture_that_fails_leaves_the_stream_as_it_was(eager: list[Captures]) -> None:
    before = torch.cuda.current_stream()
    captures = Captures(CudaGraphs(torch.device("cuda")))
    x = torch.ones(3, device="cuda")
    for _ in range(2 * ASKED):
        assert captures(lambda x: (x * x.sum().item(),), x)[0].tolist() == [3, 3, 3]
    assert captures.failed
    assert torch.cuda.current_stream() == before


def test_examples_for_which_there_is_no_room_there_are_fetched(
    tmp_path: Path, eager: list[Captures], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = replace(run("epochs=10", "batch_size=10"), device="cuda")
    there = alone(one, tmp_path / "there")
    monkeypatch.setattr(devices, "fits", lambda size, device: False)
    assert same(there, alone(one, tmp_path / "fetched"))


@pytest.mark.parametrize("precision", ["float64", "float32", "tf32", "bf16"])
def test_each_precision_trains(precision: str, tmp_path: Path) -> None:
    one = composed("dataset=digits", "epochs=5", f"precision={precision}")
    assert alone(replace(one, device="cuda"), tmp_path).rows[-1]["val_accuracy"] > 0.8
