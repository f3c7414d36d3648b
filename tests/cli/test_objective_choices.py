"""What a run descends, and what it writes of it: reductions, penalties, and folders from before there were any."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from runner import build
from runner.regularizer.l2 import L2
from runner.regularizer.none import NoRegularizer
from runner.run import prepare
from runner.store import checkpoint
from tests.cli.conftest import TINY, Call

HEADER = "epoch,step,examples,lr,train_loss,val_loss,train_accuracy,val_accuracy,grad_norm,forward,backward,hvp"


def rows(path: Path) -> list[dict[str, str]]:
    with (path / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_without_a_penalty_there_is_no_column_of_it(call: Call, tmp_path: Path) -> None:
    for name, arguments in {"a": (), "b": ("regularizer=none",)}.items():
        assert call(*TINY, *arguments, f"hydra.run.dir={name}").code == 0
    assert (tmp_path / "a/metrics.csv").read_bytes() == (tmp_path / "b/metrics.csv").read_bytes()
    assert (tmp_path / "a/metrics.csv").read_text().splitlines()[0] == HEADER


def test_a_penalty_has_a_column_and_the_losses_are_those_of_the_data(call: Call, tmp_path: Path) -> None:
    answer = call(*TINY, "regularizer=l2", "regularizer.strength=1000", "lr=1e-9", "hydra.run.dir=a")
    assert " · cross_entropy · penalty l2 strength=1000.0 · " in answer.out
    call(*TINY, "lr=1e-9", "hydra.run.dir=b")
    with_it, without = rows(tmp_path / "a"), rows(tmp_path / "b")
    assert list(with_it[0]) == [*HEADER.split(","), "penalty"]
    # the weights have moved by 1e-7 at most, so the losses of the data are the same, whatever the penalty is
    assert float(with_it[-1]["penalty"]) > 1000
    for name in ("train_loss", "val_loss"):
        assert float(with_it[-1][name]) == pytest.approx(float(without[-1][name]), rel=1e-5)
    assert float(with_it[-1]["grad_norm"]) > 1000 > float(without[-1]["grad_norm"])
    assert "penalty l2 strength=1000.0" in (tmp_path / "a/manifest.json").read_text()


def test_the_penalty_is_that_of_the_parameters_at_the_end_of_the_epoch(call: Call, tmp_path: Path) -> None:
    call(*TINY, "epochs=1", "precision=float64", "regularizer=l2", "regularizer.strength=2", "hydra.run.dir=run")
    layout = prepare(build.from_yaml((tmp_path / "run/config.yaml").read_text())).layout
    found = checkpoint.newest(tmp_path / "run/checkpoint")
    assert found is not None
    expected = L2(strength=2).value(found[0]["content"]["theta"], layout).item()
    assert float(rows(tmp_path / "run")[0]["penalty"]) == expected


def test_a_sum_with_lr_over_n_is_a_mean_with_lr_and_the_columns_of_loss_are_means(call: Call, tmp_path: Path) -> None:
    # all 1,257 training examples in one batch
    common = (*TINY, "sampler=full", "optimizer=sgd", "precision=float64", "epochs=5")
    call(*common, "lr=0.1257", "hydra.run.dir=mean")
    answer = call(*common, "lr=0.0001", "loss.reduction=sum", "hydra.run.dir=sum")
    assert " · cross_entropy reduction=sum · " in answer.out
    for mean, summed in zip(rows(tmp_path / "mean"), rows(tmp_path / "sum"), strict=True):
        for name in ("train_loss", "val_loss", "train_accuracy", "val_accuracy"):
            assert float(summed[name]) == pytest.approx(float(mean[name]), rel=1e-12)
        assert float(summed["grad_norm"]) == pytest.approx(1257 * float(mean["grad_norm"]), rel=1e-12)


def test_a_short_last_batch_makes_sums_and_means_differ(call: Call, tmp_path: Path) -> None:
    # batches of 100 and a last one of 57: its sum is a smaller step
    common = (*TINY, "optimizer=sgd", "precision=float64")
    call(*common, "lr=0.1", "hydra.run.dir=mean")
    call(*common, "lr=0.001", "loss.reduction=sum", "hydra.run.dir=sum")
    mean, summed = (float(rows(tmp_path / name)[-1]["val_loss"]) for name in ("mean", "sum"))
    assert mean != pytest.approx(summed, rel=1e-6)
    assert mean == pytest.approx(summed, rel=0.1)


def test_a_folder_from_before_there_were_penalties_has_none_and_can_be_resumed(call: Call, tmp_path: Path) -> None:
    call(*TINY, "hydra.run.dir=run")
    whole = OmegaConf.load(tmp_path / "run/config.yaml")
    assert build.from_yaml(OmegaConf.to_yaml(whole)).regularizer == NoRegularizer()
    del whole["regularizer"]
    del whole["loss"]["reduction"]
    old = build.from_yaml(OmegaConf.to_yaml(whole))
    assert old == build.from_yaml((tmp_path / "run/config.yaml").read_text())


@pytest.mark.parametrize("loss", ["mse", "sum_of_squares", "l1", "huber"])
def test_an_error_of_classes_is_trained_where_one_hot_is_said(loss: str, call: Call, tmp_path: Path) -> None:
    assert call(*TINY, f"loss={loss}", "loss.one_hot=true", "hydra.run.dir=run").code == 0
    assert "val_accuracy" in rows(tmp_path / "run")[0]


def test_starting_from_zeros_a_relu_network_moves_only_its_last_biases(call: Call, tmp_path: Path) -> None:
    call(*TINY, "init=zeros", "hydra.run.dir=run")
    first, last = rows(tmp_path / "run")
    assert float(last["val_loss"]) == pytest.approx(2.3026, abs=0.01)  # log 10: every digit as likely
    call(*TINY, "init=zeros", "probe=distance", "hydra.run.dir=seen")
    # ten biases, two epochs of 13 steps of about 0.001
    assert 0 < float(rows(tmp_path / "seen")[-1]["distance_from_start"]) < 26 * 0.001 * 10**0.5
    assert float(first["val_loss"]) == float(rows(tmp_path / "seen")[0]["val_loss"])
