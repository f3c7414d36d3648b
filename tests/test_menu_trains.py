"""The whole menu trains: every choice by itself, and every pair of choices somewhere.

The covering array has every pair (choice of one room, choice of another) in at least one cell. A cell may end in a
finite result, in divergence by name, or in a refusal with its message; never in another error, and never in a NaN that
nobody mentions.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from runner import build, job, menu
from runner.cli import CONF, prepared
from runner.core.errors import ConfigError
from runner.screen.base import Silent

ROOMS = {place.name: place.names for place in menu.rooms()}
# They read files that nobody has here; each has tests of its own.
FILES = {"csv", "npy", "npz", "idx", "mnist", "fashion_mnist", "cifar10"}
# Refused on purpose wherever it is asked for: its gradient is 0 almost everywhere.
NEVER = {("loss", "zero_one")}
SMALL = ["epochs=2", "batch_size=32", "architecture.hidden=[6]"]
# What a choice that needs other company is tried with, in this order.
COMPANY = [
    [],
    ["dataset=diabetes", "loss=mse"],
    ["dataset=breast_cancer", "loss=bce"],
    ["problem=bowl"],
    ["problem=double_well"],
    ["problem=reddi"],
    ["architecture=convnet"],
    ["optimizer=muon"],
]


@cache
def node(*overrides: str) -> dict[str, Any]:
    """A composed configuration, resolved."""
    prepared([])
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", list(overrides))
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def trained(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The summary of a run, without pictures."""
    return dict(job.start(build.run(config), folder, "optrun", Silent(), pictures=False).summary)


def by_itself() -> Iterator[tuple[str, str]]:
    for room, names in ROOMS.items():
        for name in names:
            if not (room == "dataset" and name in FILES) and (room, name) not in NEVER:
                yield room, name


@pytest.mark.parametrize(("room", "name"), list(by_itself()))
def test_a_choice_trains_two_epochs_in_company_that_suits_it(room: str, name: str, tmp_path: Path) -> None:
    reasons = []
    for number, company in enumerate(COMPANY):
        small = SMALL if not any(one.startswith(("problem", "architecture")) for one in company) else SMALL[:2]
        if room == "architecture":
            small = SMALL[:2]
        try:
            config = node(*[one for one in company if one.split("=")[0] != room], *small, f"{room}={name}")
            summary = trained(config, tmp_path / str(number))
        except ConfigError as error:
            reasons.append(str(error))
            continue
        except Exception as error:
            if type(error).__module__.split(".")[0] not in ("hydra", "omegaconf"):
                raise
            continue  # the company has no such argument
        if summary["status"] == "completed":
            assert math.isfinite(summary["final"]["val_loss"])
            return
        reasons.append(summary["verdict"])
    pytest.fail("\n".join(reasons))


def test_what_cannot_be_trained_says_so_in_any_company(tmp_path: Path) -> None:
    for room, name in NEVER:
        for company in COMPANY[:3]:
            with pytest.raises(ConfigError):
                trained(node(*[one for one in company if one.split("=")[0] != room], f"{room}={name}"), tmp_path / "x")


# ---- every pair

Chosen = tuple[str, str]  # (room, choice)
Pair = tuple[Chosen, Chosen]

PLAIN = [room for room in ROOMS if "/" not in room]  # a room inside a room belongs to its outer choice
TABLE = {room: [n for n in ROOMS[room] if not (room == "dataset" and n in FILES)] for room in PLAIN}


def covering(table: dict[str, list[str]], seed: int = 0) -> list[dict[str, str]]:
    """Cells that have every pair of choices: greedily, each cell the best of some drawn ones."""
    rng = random.Random(seed)
    rooms = sorted(table, key=lambda room: -len(table[room]))
    # Dictionaries, since the order of a set of texts differs from one process to the next.
    open_pairs = dict.fromkeys(
        ((a, x), (b, y)) for a, b in itertools.combinations(rooms, 2) for x in table[a] for y in table[b]
    )
    cells = []
    while open_pairs:
        best: dict[str, str] = {}
        gain: list[Pair] = []
        for _ in range(4):
            cell = dict(rng.choice(list(itertools.islice(open_pairs, 50))))
            for room in rng.sample(rooms, len(rooms)):
                if room in cell:
                    continue
                scores = {
                    name: sum(pair_of(rooms, (room, name), one) in open_pairs for one in cell.items())
                    for name in table[room]
                }
                top = max(scores.values())
                cell[room] = rng.choice([name for name, score in scores.items() if score == top])
            pairs = [pair_of(rooms, a, b) for a, b in itertools.combinations(cell.items(), 2)]
            covered = [pair for pair in pairs if pair in open_pairs]
            if len(covered) > len(gain):
                best, gain = cell, covered
        cells.append(best)
        for pair in gain:
            del open_pairs[pair]
    return cells


def pair_of(rooms: list[str], one: Chosen, other: Chosen) -> Pair:
    return (one, other) if rooms.index(one[0]) < rooms.index(other[0]) else (other, one)


def test_the_covering_array_has_every_pair() -> None:
    table = {"a": ["1", "2", "3"], "b": ["4", "5"], "c": ["6", "7", "8"]}
    seen = {frozenset(pair) for cell in covering(table) for pair in itertools.combinations(cell.items(), 2)}
    for a, b in itertools.combinations(table, 2):
        for x, y in itertools.product(table[a], table[b]):
            assert frozenset({(a, x), (b, y)}) in seen


PARTS = 8  # so that several processes share the work


@pytest.mark.parametrize("part", range(PARTS))
def test_every_pair_of_choices_ends_in_a_result_a_divergence_or_a_refusal(part: int, tmp_path: Path) -> None:
    ends = {"completed": 0, "diverged": 0, "refused": 0}
    for number, cell in enumerate(covering(TABLE)):
        if number % PARTS != part:
            continue
        config = node("epochs=2", "batch_size=64") | {
            room: node("epochs=2", "batch_size=64", f"{room}={name}")[room] for room, name in cell.items()
        }
        config["lr"] = config["optimizer"]["lr"]
        if cell["architecture"] == "mlp":
            config["architecture"] = config["architecture"] | {"hidden": [6]}
        try:
            summary = trained(config, tmp_path / str(number))
        except ConfigError:
            ends["refused"] += 1
            continue
        except Exception as error:
            raise AssertionError(f"{cell}: {type(error).__name__}: {error}") from error
        ends[summary["status"]] += 1
        if summary["status"] == "completed":
            assert math.isfinite(summary["final"]["val_loss"]), cell
            assert math.isfinite(summary["final"]["train_loss"]), cell
        else:
            assert " became " in summary["verdict"], cell
    assert ends["refused"] > 0
    assert ends["completed"] > 0
