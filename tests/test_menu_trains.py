"""The whole menu trains: every choice by itself, and every pair of choices somewhere.

Two covering arrays have every pair (choice of one room, choice of another) in at least one cell: one of any company,
nearly all of which is refused (images for numbers, classes for regression), and one of fitting company, nearly all of
which trains. A cell may end in a finite result, in divergence by name, or in a refusal with its message; never in
another error, and never in a NaN that nobody mentions.
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
from runner.composing import prepared
from runner.core.errors import ConfigError
from runner.grammar import CONF
from runner.screen.base import Silent

ROOMS = {place.name: place.names for place in menu.rooms()}
# They read files that nobody has here; each has tests of its own.
FILES = {"csv", "npy", "npz", "idx", "mnist", "fashion_mnist", "cifar10"}
# They need packages that are large and rarely there; their exam is in tests/contract/test_recorder.py.
APART = {("recorder", "mlflow"), ("recorder", "wandb")}
# Refused on purpose wherever it is asked for: its gradient is 0 almost everywhere.
NEVER = {("loss", "zero_one")}
SMALL = ["epochs=2", "batch_size=32", "architecture.hidden=[6]"]
# As little work as shows that a choice runs: some dozens of examples, and layers of a few units.
FEW = {
    "architecture": {"hidden": 8, "channels": [4, 4], "layers": 1, "heads": 1},
    "dataset": {"examples": 60, "features": 8},
}
# Their steps take as long as there are parameters, or the square of that.
SLOW = ("coordinate_descent", "newton", "subsampled_newton")
FEWER = {"hidden": 2, "channels": [2, 2], "head_width": 2}
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
            if not (room == "dataset" and name in FILES) and (room, name) not in NEVER | APART:
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
            few = {name: value for name, value in FEW["dataset"].items() if name in config["dataset"]}
            summary = trained(config | {"dataset": config["dataset"] | few}, tmp_path / str(number))
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
Table = dict[str, list[str]]  # room -> its choices
Pair = frozenset[Chosen]

PLAIN = [room for room in ROOMS if "/" not in room]  # a room inside a room belongs to its outer choice
TABLE = {
    room: [n for n in ROOMS[room] if not (room == "dataset" and n in FILES) and (room, n) not in APART]
    for room in PLAIN
}


def pairs(cell: dict[str, str]) -> Iterator[Pair]:
    return (frozenset(two) for two in itertools.combinations(cell.items(), 2))


@cache
def covering(company: str, seed: int = 0) -> list[dict[str, str]]:
    """The cells for the tables of a company: every pair of choices that stands in one of these is in a cell."""
    return covered(COMPANIES[company], seed)


def covered(tables: list[Table], seed: int = 0) -> list[dict[str, str]]:
    """Cells that have every pair of choices of every table: greedily, each cell the best of some drawn ones."""
    rng = random.Random(seed)
    # Dictionaries, since the order of a set differs from one process to the next.
    open_pairs = {}
    for table in tables:
        for (a, xs), (b, ys) in itertools.combinations(table.items(), 2):
            open_pairs |= {frozenset({(a, x), (b, y)}): ((a, x), (b, y)) for x in xs for y in ys}
    cells = []
    while open_pairs:
        best: dict[str, str] = {}
        gain: list[Pair] = []
        for _ in range(4):
            cell = dict(rng.choice(list(itertools.islice(open_pairs.values(), 50))))
            table = rng.choice([t for t in tables if all(name in t.get(room, ()) for room, name in cell.items())])
            for room in rng.sample(sorted(table), len(table)):
                if room in cell:
                    continue
                scores = {
                    name: sum(frozenset({(room, name), one}) in open_pairs for one in cell.items())
                    for name in table[room]
                }
                top = max(scores.values())
                cell[room] = rng.choice([name for name, score in scores.items() if score == top])
            new = [pair for pair in pairs(cell) if pair in open_pairs]
            if len(new) > len(gain):
                best, gain = cell, new
        cells.append(best)
        for pair in gain:
            del open_pairs[pair]
    return cells


def test_the_covering_array_has_every_pair_of_every_table_and_no_other() -> None:
    tables = [{"a": ["1", "2", "3"], "b": ["4", "5"], "c": ["6", "7", "8"]}, {"a": ["1", "9"], "c": ["6"], "d": ["7"]}]
    wanted = {
        frozenset({(a, x), (b, y)})
        for table in tables
        for a, b in itertools.combinations(table, 2)
        for x, y in itertools.product(table[a], table[b])
    }
    assert {pair for cell in covered(tables) for pair in pairs(cell)} == wanted


OF_CLASSES = ["cross_entropy", "kl", "sinkhorn", "softmax_squared", "wasserstein"]
OF_TWO = ["bce", "perceptron", "sigmoid_squared"]
OF_NUMBERS = ["huber", "l1", "mse", "sum_of_squares"]
TWO = ["breast_cancer", "circles", "spirals", "two_moons"]
MANY = ["blobs", "digits", "iris", "wine"]
NUMBERS = ["diabetes", "least_squares", "linnerud", "sine"]
INSIDE = {name: ROOMS[f"architecture/{name}"] for name in ("activation", "normalization")}
NETWORKS = [name for name in TABLE["init"] if name != "start"]
# For any data; tables of three and four rows have none for validation.
ANY = {
    **{room: TABLE[room] for room in ("preprocess", "sampler", "regularizer", "optimizer", "schedule", "stop")},
    "probe": ["none", "distance"],
    "init": [name for name in NETWORKS if name != "torch_default"],  # which knows no normalization of this house
}
# Some want several numbers in a channel.
INSIDE_VECTORS = INSIDE | {"normalization": ["batch", "group", "layer", "none"]}
INSIDE_STEPS = INSIDE | {"normalization": ["group", "layer", "none"]}  # every time step has statistics of its own
FITTING = [
    ANY | {"dataset": data, "loss": losses} | inside
    for data, losses in (
        ([*TWO, *MANY], OF_CLASSES),
        (TWO, OF_TWO),
        (NUMBERS, OF_NUMBERS),
    )
    for inside in ({"architecture": ["mlp"], **INSIDE_VECTORS}, {"architecture": ["linear"], "init": NETWORKS})
]
IMAGES = [
    ANY | {"dataset": ["digits"], "loss": OF_CLASSES} | inside
    for inside in (
        {"architecture": ["convnet", "resnet"], **INSIDE},
        {"architecture": ["rnn"], **INSIDE_STEPS},
        {"architecture": ["transformer"], "activation": INSIDE["activation"]},
        {"architecture": ["lstm"], "init": NETWORKS},
    )
]
COMPANIES = {"any": [TABLE], "fitting": [*FITTING, *IMAGES]}
PARTS = 8  # so that several processes share the work


def configured(cell: dict[str, str]) -> dict[str, Any]:
    """The configuration of a cell: the composed node of each choice, made small."""
    short = ("epochs=2", "batch_size=64")
    config = node(*short) | {r: dict(node(*short, f"{r}={name}")[r]) for r, name in cell.items() if r in PLAIN}
    for room in INSIDE.keys() & cell.keys():
        config["architecture"][room] = node(*short, f"architecture/{room}={cell[room]}")["architecture"][room]
    for room, arguments in FEW.items():
        config[room] |= {name: value for name, value in arguments.items() if name in config[room]}
    if cell["architecture"] in ("mlp", "convnet"):
        config["architecture"]["hidden"] = [8]
    if cell["dataset"] == "digits":
        config["dataset"] |= {"validation": 0.02, "test": 0.95}
    if cell["optimizer"] in SLOW:
        config["architecture"] |= {key: FEWER[key] for key in FEWER if key in config["architecture"]}
        if cell["architecture"] in ("mlp", "convnet"):
            config["architecture"]["hidden"] = [2]
    return config | {"lr": config["optimizer"]["lr"]}


def ended(cell: dict[str, str], folder: Path) -> str:
    """What became of a cell: completed with finite numbers, diverged by name, or refused with its message."""
    try:
        summary = trained(configured(cell), folder)
    except ConfigError:
        return "refused"
    except Exception as error:
        raise AssertionError(f"{cell}: {type(error).__name__}: {error}") from error
    if summary["status"] == "completed":
        assert math.isfinite(summary["final"]["val_loss"]), cell
        assert math.isfinite(summary["final"]["train_loss"]), cell
    else:
        assert " became " in summary["verdict"], cell
    return str(summary["status"])


# What does not train is refused, but for a divergence or two. In fitting company that are second-order methods with a
# network that they name as one they cannot work with: 8 of 111 cells in one part.
LEAST = {"any": 0.01, "fitting": 0.9}  # of each part


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("company", COMPANIES)
def test_every_pair_of_choices_ends_in_a_result_a_divergence_or_a_refusal(
    company: str, part: int, tmp_path: Path
) -> None:
    cells = covering(company)[part::PARTS]
    ends = [ended(cell, tmp_path / str(number)) for number, cell in enumerate(cells)]
    assert ends.count("completed") >= LEAST[company] * len(cells), ends
