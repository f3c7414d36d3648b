"""Optimizers from the command line: every one trains; one inside another is chosen by its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner import build, menu
from runner.grammar import lenient
from tests.cli.conftest import TINY, Call, only_folder

ALL = [entry.name for room in menu.rooms() if room.name == "optimizer" for entry in room.choices if not entry.open]


@pytest.mark.parametrize("name", ALL)
def test_an_optimizer_trains_two_epochs_and_its_configuration_makes_it_again(
    call: Call, tmp_path: Path, name: str
) -> None:
    answer = call(*TINY, f"optimizer={name}")
    assert (answer.code, answer.err) == (0, "")
    folder = only_folder(tmp_path)
    assert json.loads((folder / "summary.json").read_text())["status"] == "completed"
    kept = (folder / "config.yaml").read_text()
    assert build.to_yaml(build.from_yaml(kept)) == kept
    manifest = json.loads((folder / "manifest.json").read_text())
    made = build.from_yaml(kept)
    assert manifest["update_rule"] == made.optimizer.rule(made.lr)
    assert manifest["equivalent_to"] == (made.optimizer.equivalent_to(made.lr) or "none")


def test_the_rule_inside_another_is_chosen_by_its_place_and_brings_its_learning_rate(
    call: Call, tmp_path: Path
) -> None:
    answer = call(
        *TINY, "optimizer=ema", "optimizer.inner=sam", "optimizer.inner.inner=adam", "optimizer.inner.rho=0.1"
    )
    assert answer.code == 0
    assert " · ema around sam rho=0.1 around adam · lr 0.001 · " in answer.out
    made = build.from_yaml((only_folder(tmp_path) / "config.yaml").read_text())
    assert made.optimizer.label == "ema around sam rho=0.1 around adam"
    assert made.lr == 0.001


def test_an_argument_of_the_rule_inside_is_checked_under_its_place(call: Call) -> None:
    assert call("optimizer=sam", "optimizer.inner=adam", "optimizer.inner.eps=-1").err == (
        "optrun: optimizer.inner.eps=-1 is refused\n"
        "  allowed: a number in (0, 1e+30]\n"
        "  do this: give optimizer.inner.eps=... a value in that range; the default is 1e-08\n"
    )


def test_a_class_of_torch_inside_a_wrapper_has_to_be_named_there(call: Call, tmp_path: Path) -> None:
    answer = call(
        *TINY, "optimizer=clip_norm", "optimizer.inner=torch", "optimizer.inner._target_=torch.optim.Adagrad", "lr=0.1"
    )
    assert answer.code == 0
    assert "rule: g <- g min(1, 1.0/||g||);  as torch.optim.Adagrad(lr=0.1) does\n" in answer.out


def test_rules_inside_are_an_axis_of_a_sweep(call: Call, tmp_path: Path) -> None:
    answer = call("-m", *TINY, "optimizer=lookahead", "optimizer.inner=sgd,adam")
    assert answer.code == 0
    assert "] optimizer.inner=adam: best val_loss" in answer.out


@pytest.mark.parametrize(
    ("typed", "whole"),
    [
        ("optimizer.inner=adam", "optimizer@optimizer.inner=adam"),
        ("optimizer.inner.inner=adam,sgd", "optimizer@optimizer.inner.inner=adam,sgd"),
        ("schedule.then=cosine", "schedule@schedule.then=cosine"),
        ("optimizer.inner.eps=1", "++optimizer.inner.eps=1"),
        ("optimizer.inner={_target_: x}", "++optimizer.inner={_target_: x}"),
        ("lr=0.1", "++lr=0.1"),
        ("optimizer@optimizer.inner=adam", "optimizer@optimizer.inner=adam"),
        ("-m", "-m"),
    ],
)
def test_a_choice_inside_a_choice_is_a_choice_of_the_same_room(typed: str, whole: str) -> None:
    assert lenient([typed]) == [whole]
