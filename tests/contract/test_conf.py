"""Every choice is one Python file and one yaml which say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from runner import menu
from runner.core.check import checked
from runner.grammar import lenient

CONF = menu.conf_dir()
ENTRIES = [entry for room in menu.rooms() for entry in room.choices]
each_choice = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.room}/{entry.name}")
each_room = pytest.mark.parametrize("room", menu.rooms(), ids=lambda room: room.name)


@pytest.fixture(autouse=True)
def hydra() -> Iterator[None]:
    with initialize_config_dir(str(CONF.resolve()), version_base="1.3"):
        yield


def node(plain: dict[str, Any], room: str) -> dict[str, Any]:
    """The part of a configuration that a room is, or a room inside another."""
    for name in room.split("/"):
        plain = plain[name]
    return plain


def composed(*overrides: str) -> dict[str, Any]:
    """The whole configuration, resolved; what has to be given is '???'."""
    config = compose("config", [*overrides, "hydra/launcher=basic"])  # our own launcher starts with the program
    plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    return plain


@each_room
def test_every_choice_has_a_yaml_of_its_name_and_every_yaml_a_choice(room: menu.Room) -> None:
    assert room.names == sorted(path.stem for path in (CONF / room.name).glob("*") if path.is_file())


def test_every_folder_of_the_configuration_is_a_room_or_holds_experiments() -> None:
    experiments = set((CONF / "experiment").rglob("*"))
    folders = {str(path.relative_to(CONF)) for path in CONF.rglob("*") if path.is_dir() and path not in experiments}
    assert folders - {"experiment", "problem"} == {room.name for room in menu.rooms()}


@each_choice
def test_a_class_is_named_after_its_file(entry: menu.Entry) -> None:
    class_name = entry.target.rpartition(".")[2].lower()
    plain = entry.name.replace("_", "")
    assert class_name == (f"no{entry.room.rpartition('/')[2]}" if plain == "none" else plain)


@each_choice
def test_a_yaml_begins_with_a_short_comment(entry: menu.Entry) -> None:
    first = (CONF / entry.room / f"{entry.name}.yaml").read_text().splitlines()[0]
    assert re.fullmatch(r"# \S.{,110}", first)


@each_choice
def test_a_yaml_names_the_class_of_its_file_or_one_from_outside_that_the_user_may_replace(entry: menu.Entry) -> None:
    config = OmegaConf.to_container(OmegaConf.load(CONF / entry.room / f"{entry.name}.yaml"))
    assert isinstance(config, dict)
    assert entry.open or config["_target_"] == entry.target
    assert bool(entry.open) == (not config["_target_"].startswith("runner."))


@each_choice
def test_a_choice_composes_to_the_arguments_of_its_class_with_their_defaults(entry: menu.Entry) -> None:
    found = node(composed(f"{entry.room}={entry.name}"), entry.room)
    found.pop("_target_")
    if entry.room == "optimizer" and all(one.name != "lr" for one in entry.arguments):
        assert checked("lr", found.pop("lr"), float) > 0
    if entry.room == "optimizer":
        assert found.pop("batch_size", "all") == "all"  # like lr no argument of the class
    if entry.open:
        return  # the arguments are those of a class that the user will name
    assert set(found) == {one.name for one in entry.arguments}
    for one in entry.arguments:
        if one.choice:
            assert found[one.name] == node(
                composed(f"{entry.room}/{one.name}={one.choice}"), f"{entry.room}/{one.name}"
            )
        elif one.parts:
            assert len(found[one.name]) == len(one.parts)
        elif one.part:
            assert found[one.name] == composed(f"{entry.room}={one.part}")[entry.room]
        elif one.default is MISSING:
            assert found[one.name] == "???"
        else:
            assert checked(one.name, found[one.name], one.annotation) == one.default


@each_choice
def test_the_parts_of_a_choice_are_as_they_are_by_themselves(entry: menu.Entry) -> None:
    found = node(composed(f"{entry.room}={entry.name}"), entry.room)
    for one in entry.arguments:
        for given, part in zip(found[one.name].values() if one.parts else (), one.parts, strict=True):
            assert given == composed(f"{entry.room}={part}")[entry.room]


INNER = [(entry, one) for entry in ENTRIES for one in entry.arguments if one.part and entry.room == "optimizer"]


@pytest.mark.parametrize(("entry", "one"), INNER, ids=[entry.name for entry, _ in INNER])
def test_the_choice_inside_another_is_chosen_by_its_place_and_brings_its_learning_rate(
    entry: menu.Entry, one: menu.Argument
) -> None:
    place = f"{entry.room}.{one.name}"
    for name in ("adam", "momentum"):
        found = composed(f"{entry.room}={entry.name}", *lenient([f"{place}={name}"]))
        assert found[entry.room][one.name] == composed(f"{entry.room}={name}")[entry.room]
        assert found["lr"] == found[entry.room]["lr"] == composed(f"{entry.room}={name}")["lr"]


def test_the_default_experiment_is_the_one_that_is_told() -> None:
    found = composed()
    assert {room.name: node(found, room.name)["_target_"] for room in menu.rooms()} == {
        "dataset": "runner.dataset.digits.Digits",
        "preprocess": "runner.preprocess.standardize.Standardize",
        "sampler": "runner.sampler.shuffle.Shuffle",
        "architecture": "runner.architecture.mlp.MLP",
        "architecture/activation": "runner.architecture.activation.relu.ReLU",
        "architecture/normalization": "runner.architecture.normalization.none.NoNormalization",
        "init": "runner.init.kaiming_normal.KaimingNormal",
        "loss": "runner.loss.cross_entropy.CrossEntropy",
        "regularizer": "runner.regularizer.none.NoRegularizer",
        "optimizer": "runner.optimizer.adam.Adam",
        "schedule": "runner.schedule.constant.Constant",
        "stop": "runner.stop.any_of.AnyOf",
        "probe": "runner.probe.none.NoProbe",
        "recorder": "runner.recorder.none.NoRecorder",
    }
    assert {key: value for key, value in found.items() if key in {one.name for one in menu.plain_keys()}} == {
        "lr": 0.001,
        "batch_size": 100,
        "epochs": 30,
        "start": [1.0],
        "seed": 0,
        "device": "auto",
        "threads": "auto",
        "precision": "float32",
        "plugins": [],
        "expect": {},
    }


@pytest.mark.parametrize(("optimizer", "lr"), [("sgd", 0.1), ("momentum", 0.01), ("adam", 0.001)])
def test_an_optimizer_brings_its_learning_rate_unless_one_is_given(optimizer: str, lr: float) -> None:
    assert composed(f"optimizer={optimizer}")["lr"] == lr
    assert composed(f"optimizer={optimizer}", "lr=0.5")["lr"] == 0.5


def test_a_rule_inside_any_of_is_reached_by_its_name() -> None:
    rules = composed("stop.rules.early_stopping.patience=5")["stop"]["rules"]
    assert rules["early_stopping"]["patience"] == 5


def test_a_rule_can_be_taken_out_of_any_of() -> None:
    assert list(composed("~stop.rules.early_stopping")["stop"]["rules"]) == ["epochs"]


def test_the_limit_on_epochs_and_the_batch_size_are_given_once() -> None:
    found = composed("epochs=3", "batch_size=7")
    assert found["stop"]["rules"]["epochs"]["epochs"] == 3
    assert found["sampler"]["batch_size"] == 7


def test_the_plain_keys_that_are_shown_are_all_there_are() -> None:
    config = OmegaConf.load(CONF / "config.yaml")
    assert isinstance(config, DictConfig)
    assert {str(key) for key in config} - {"defaults", "hydra"} == {one.name for one in menu.plain_keys()}
