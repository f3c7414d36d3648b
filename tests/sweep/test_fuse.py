"""Which runs of a sweep can share a program, how many, and whether it pays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from runner.architecture.convnet import ConvNet
from runner.architecture.mlp import MLP
from runner.dataset.digits import Digits
from runner.init.kaiming_normal import KaimingNormal
from runner.init.normal import Normal
from runner.lanes import Lane
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
from runner.regularizer.l2 import L2
from runner.regularizer.none import NoRegularizer
from runner.run import Run, prepare
from runner.sampler.full import Full
from runner.sampler.shuffle import Shuffle
from runner.schedule.constant import Constant
from runner.schedule.cosine import Cosine
from runner.screen.base import Silent
from runner.stop.any_of import AnyOf
from runner.stop.epochs import Epochs
from runner.stop.seconds import Seconds
from runner.store.folder import RunFolder
from runner.sweep import fuse
from runner.train import columns

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
    stop=Epochs(),
    probe=NoProbe(),
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


@pytest.fixture
def lanes(tmp_path: Path) -> Iterator[list[Lane]]:
    with ExitStack() as stack:
        made = []
        for seed in range(3):
            run = replace(ONE, seed=seed)
            folder = stack.enter_context(RunFolder.claim(tmp_path / str(seed), "", {}, columns(run)))
            made.append(Lane.of(run, prepare(run), folder, Silent()))
        yield made


def test_measuring_changes_nothing(lanes: list[Lane]) -> None:
    before = [lane.at.theta.clone() for lane in lanes]
    fuse.verdict(lanes)
    assert all(torch.equal(lane.at.theta, theta) for lane, theta in zip(lanes, before, strict=True))
    assert all(lane.at.step == 0 and not lane.folder.rows for lane in lanes)


@pytest.mark.parametrize(("alone", "together", "pays"), [(2.0, 1.0, True), (1.0, 1.0, False), (1.0, 2.0, False)])
def test_runs_train_side_by_side_where_that_was_faster(
    alone: float, together: float, pays: bool, lanes: list[Lane], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuse, "measured", lambda lanes: (alone * 1e-6, together * 1e-6))
    found = fuse.verdict(lanes)
    assert found.together is pays
    assert found.words == f"3 side by side take {together:.0f} us for a gradient, one by one {alone:.0f}"


def test_where_a_run_diverges_at_once_nothing_is_measured(lanes: list[Lane]) -> None:
    lanes[1].at.theta.fill_(torch.inf)
    assert fuse.verdict(lanes) == fuse.Verdict(True, "not measured, since a run diverges at once")


def test_a_measurement_that_is_hopeless_ends_at_once() -> None:
    asked: list[int] = []
    assert fuse.shortest(lambda: asked.append(1), hopeless=0.0) >= 0
    assert len(asked) == 1
    fuse.shortest(lambda: asked.append(1))
    assert len(asked) == 1 + 1 + fuse.ROUNDS


def test_as_many_runs_go_together_as_fit_into_the_share_of_the_free_memory(
    lanes: list[Lane], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = fuse.bytes_of(lanes[0])
    # theta and the best theta, in float32; a batch of 100: its examples, 8 hidden units and their mask, 10 scores
    assert one >= 2 * 2 * 4 * lanes[0].m.layout.size + 4 * 100 * (64 + 8 + 10)
    pages = {"SC_AVPHYS_PAGES": 80, "SC_PAGE_SIZE": one}
    monkeypatch.setattr(fuse.os, "sysconf", pages.__getitem__)
    assert fuse.most(lanes[0], workers=1) == 20
    assert fuse.most(lanes[0], workers=2) == 10
    assert fuse.most(lanes[0], workers=1000) == 1
