"""Which runs of a sweep can share a program, how many, and whether it pays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from runner.architecture.convnet import ConvNet
from runner.architecture.mlp import MLP
from runner.architecture.normalization.batch import Batch
from runner.dataset.digits import Digits
from runner.init.kaiming_normal import KaimingNormal
from runner.init.normal import Normal
from runner.loss.cross_entropy import CrossEntropy
from runner.loss.mse import MSE
from runner.optimizer.adam import Adam
from runner.optimizer.nesterov_original import NesterovOriginal
from runner.optimizer.sam import SAM
from runner.optimizer.schedule_free_sgd import ScheduleFreeSGD
from runner.optimizer.sgd import SGD
from runner.optimizer.torch import Torch
from runner.preprocess.min_max import MinMax
from runner.preprocess.standardize import Standardize
from runner.probe.none import NoProbe
from runner.recorder.none import NoRecorder
from runner.regularizer.l2 import L2
from runner.regularizer.none import NoRegularizer
from runner.regularizer.spectral_orthogonal import SpectralOrthogonal
from runner.regularizer.sum_of import SumOf
from runner.run import Material, Run, prepare
from runner.sampler.full import Full
from runner.sampler.shuffle import Shuffle
from runner.schedule.constant import Constant
from runner.schedule.cosine import Cosine
from runner.stop.any_of import AnyOf
from runner.stop.epochs import Epochs
from runner.stop.seconds import Seconds
from runner.sweep import fuse

ONE = Run(
    dataset=Digits(),
    preprocess=Standardize(),
    sampler=Shuffle(batch_size=100),
    architecture=MLP(hidden=[8], dropout=0.1),  # type: ignore[arg-type]
    init=KaimingNormal(),
    loss=CrossEntropy(),
    regularizer=NoRegularizer(),
    optimizer=SGD(),
    schedule=Constant(),
    stop=Epochs(epochs=2),
    probe=NoProbe(),
    recorder=NoRecorder(),
    lr=0.1,
    epochs=2,
    seed=0,
    device="cpu",
    threads=1,
    precision="float32",
    expect={},
)


@pytest.mark.parametrize(
    "change",
    [
        {"lr": 0.2},
        {"seed": 1},
        {"epochs": 7},
        {"optimizer": Adam(betas=(0.5, 0.9))},
        {"schedule": Cosine()},
        {"stop": Epochs(epochs=1)},
        {"init": Normal(std=0.5)},
        {"loss": CrossEntropy(label_smoothing=0.2)},
        {"regularizer": L2(strength=0.5)},
        {"architecture": MLP(hidden=[8], dropout=0.5)},  # type: ignore[arg-type]
        {"expect": {"val_loss": 1.0}},
    ],
    ids=str,
)
def test_runs_that_differ_in_this_share_a_program(change: dict[str, Any]) -> None:
    assert fuse.program(replace(ONE, **change)) == fuse.program(ONE) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": Digits(test=0.3)},
        {"preprocess": MinMax()},
        {"sampler": Shuffle(batch_size=50)},
        {"sampler": Full()},
        {"architecture": MLP(hidden=[9], dropout=0.1)},  # type: ignore[arg-type]
        {"architecture": MLP(hidden=[8])},  # type: ignore[arg-type]
        {"architecture": MLP(hidden=[8], dropout=0.1, dropout_scaling="test")},  # type: ignore[arg-type]
        {"architecture": ConvNet()},
        {"loss": CrossEntropy(reduction="sum")},
        {"loss": MSE(one_hot=True)},
        {"optimizer": SAM(inner=SGD())},
        {"optimizer": NesterovOriginal()},
        {"precision": "float64"},
        {"device": "auto"},
    ],
    ids=str,
)
def test_runs_that_differ_in_this_do_not(change: dict[str, Any]) -> None:
    other = fuse.program(replace(ONE, **change))
    assert other is not None
    assert other != fuse.program(ONE)


def test_networks_that_multiply_by_their_own_rate_of_dropout_in_use_do_not_share_a_program() -> None:
    runs = [
        replace(ONE, architecture=MLP(hidden=[8], dropout=rate, dropout_scaling="test"))  # type: ignore[arg-type]
        for rate in (0.1, 0.2)
    ]
    assert fuse.program(runs[0]) != fuse.program(runs[1])


def test_a_rule_that_asks_elsewhere_trains_beside_its_equals_alone() -> None:
    sam, wider = replace(ONE, optimizer=SAM(inner=SGD())), replace(ONE, optimizer=SAM(inner=SGD(), rho=0.5))
    assert fuse.program(sam) == fuse.program(replace(sam, lr=0.5))
    assert fuse.program(sam) != fuse.program(wider)


@pytest.mark.parametrize(
    "change",
    [
        {"optimizer": Torch(cls=torch.optim.SGD, arguments={})},
        {"optimizer": SAM(inner=ScheduleFreeSGD())},  # asks elsewhere, and keeps a number for each rate
        {"stop": Seconds(seconds=5)},
        {"stop": AnyOf(rules={"time": Seconds(seconds=5), "epochs": Epochs()})},
    ],
    ids=str,
)
def test_such_a_run_trains_alone(change: dict[str, Any]) -> None:
    assert fuse.program(replace(ONE, **change)) is None


def test_runs_on_apples_gpus_train_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuse.devices, "available", lambda: ["cpu", "mps"])
    assert fuse.program(replace(ONE, device="auto")) is None
    assert fuse.program(replace(ONE, device="mps")) is None
    assert fuse.program(replace(ONE, device="cpu")) is not None


@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:0"])
def test_runs_on_any_other_device_share_a_program_with_those_there(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuse.devices, "available", lambda: ["cpu", "cuda:0", "cuda"])
    assert fuse.program(replace(ONE, device=device)) == fuse.program(replace(ONE, device=device, lr=0.5)) is not None
    assert fuse.program(replace(ONE, device=device)) != fuse.program(replace(ONE, device="cpu"))


def test_runs_whose_penalty_depends_on_its_neighbours_by_rounding_train_alone() -> None:
    spectral = SpectralOrthogonal()
    assert fuse.program(replace(ONE, regularizer=spectral)) is None
    assert fuse.program(replace(ONE, regularizer=SumOf(terms={"one": spectral, "two": L2()}))) is None


def test_measuring_changes_nothing() -> None:
    run = replace(ONE, architecture=MLP(hidden=[8], normalization=Batch()))  # type: ignore[arg-type]
    m, fresh = prepare(run), prepare(run)
    fuse.verdict(run, m, 3)
    assert torch.equal(m.theta, fresh.theta)
    for name, buffer in m.objective.buffers.items():
        assert torch.equal(buffer, fresh.objective.buffers[name])


@pytest.mark.parametrize(("alone", "together", "pays"), [(2.0, 1.0, True), (1.0, 1.0, False), (1.0, 2.0, False)])
def test_runs_train_side_by_side_where_that_was_faster(
    alone: float, together: float, pays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuse, "measured", lambda run, m, count: (alone * 1e-6, together * 1e-6))
    words = f"a gradient takes {together:.0f} us with 3 side by side, {alone:.0f} alone"
    assert fuse.verdict(ONE, prepare(ONE), 3) == fuse.Verdict(pays, words)


def test_what_was_measured_is_remembered_for_the_program_the_data_and_the_number_of_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def measured(run: Run, m: Material, count: int) -> tuple[float, float]:
        asked.append(count)
        return 2.0, 1.0

    monkeypatch.setattr(fuse, "measured", measured)
    for run, count in ((ONE, 3), (ONE, 3), (replace(ONE, lr=0.5), 3), (ONE, 4), (replace(ONE, precision="float64"), 3)):
        fuse.verdict(run, prepare(run), count)
    assert asked == [3, 4, 3]


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"a": 1}', b'{"a": [1, 2, 3]}', b'{"a": ["x", 1]}', b"\xff"])
def test_a_damaged_memory_is_as_none(damage: bytes) -> None:
    fuse.memory().parent.mkdir(parents=True)
    fuse.memory().write_bytes(damage)
    assert fuse.remembered() == {}


def test_where_nothing_can_be_remembered_it_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))  # no folder can be made there
    monkeypatch.setattr(fuse, "measured", lambda run, m, count: (2.0, 1.0))
    assert fuse.verdict(ONE, prepare(ONE), 3).together
    assert fuse.remembered() == {}


def test_where_a_run_diverges_at_once_nothing_is_measured() -> None:
    m = prepare(ONE)
    m.theta.fill_(torch.inf)
    assert fuse.verdict(ONE, m, 3) == fuse.Verdict(True, "not measured, since it diverges at once")


def clocked(monkeypatch: pytest.MonkeyPatch, alone: list[float], together: list[float]) -> tuple[float, float, int]:
    """What is measured where the rounds take so long (the last one again and again), and the number of rounds."""
    turns = [iter(alone), iter(together)]
    last, asked = [0.0, 0.0], [0, 0]

    def timed(which: int) -> float:
        asked[which] += 1
        last[which] = next(turns[which], last[which])
        return last[which]

    monkeypatch.setattr(fuse, "timed", lambda ask: ask())
    found = fuse.in_turns(lambda: timed(0), lambda: timed(1), 10)
    assert asked[0] == asked[1]
    return (*found, asked[0])


def test_of_some_rounds_in_turns_the_shortest_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert clocked(monkeypatch, [9.0, 2.0, 2.1, 2.0], [99.0, 10.0, 10.5]) == (2.0, 10.0, 1 + fuse.ROUNDS)


def test_on_a_busy_machine_it_measures_on_until_two_times_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    assert clocked(monkeypatch, [9.0, 2.0], [99.0, 30.0, 20.0, 14.0, 18.0, 25.0, 10.0, 10.1]) == (2.0, 10.0, 8)
    wild = [1.2**n for n in range(100, 0, -1)]
    assert clocked(monkeypatch, [1e8], wild)[2] == 1 + fuse.MOST_ROUNDS


def test_a_measurement_that_is_hopeless_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert clocked(monkeypatch, [1.0], [99.0, 50.0]) == (1.0, 50.0, 2)


def test_as_many_runs_go_together_as_fit_into_the_share_of_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    m = prepare(ONE)
    one = fuse.bytes_of(ONE, m)
    # theta and the best theta, in float32; a batch of 100: its examples, 8 hidden units, 10 scores
    assert one >= 2 * 2 * 4 * m.layout.size + 4 * 100 * (64 + 8 + 10)
    pages = {"SC_AVPHYS_PAGES": 80, "SC_PAGE_SIZE": one}
    monkeypatch.setattr(fuse.devices.os, "sysconf", pages.__getitem__)
    assert fuse.most(ONE, m, workers=1) == 20
    assert fuse.most(ONE, m, workers=2) == 10
    assert fuse.most(ONE, m, workers=1000) == 1
