"""The same runs alone and side by side, in folders of their own, and how far apart what they leave is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from torch import Tensor

from runner import build, lanes, menu
from runner.lanes import Lane
from runner.run import Run, prepare
from runner.screen.base import Silent
from runner.store.checkpoint import newest
from runner.store.folder import Row, RunFolder
from runner.train import Ending, columns, train

# 106 examples to train on, so that the second batch of an epoch is short; 22 each to validate and to test.
IRIS = ("dataset=iris", "batch_size=60", "architecture.hidden=[7,5]", "stop=epochs")


@cache
def composed(*overrides: str) -> Run:
    """The run that these words on the command line make, in float64 unless they say something else."""
    with initialize_config_dir(str(menu.conf_dir().resolve()), version_base="1.3"):
        return build.from_hydra(compose("config", ["precision=float64", *overrides, "hydra/launcher=basic"]))


def run(*overrides: str) -> Run:
    """A small network for three kinds of iris, 30 epochs."""
    return composed(*IRIS, *overrides)


def seeds(one: Run, *changes: dict[str, Any]) -> list[Run]:
    """A run for each of `changes`, with another seed each."""
    return [replace(one, **{"seed": seed} | change) for seed, change in enumerate(changes)]


def rates(one: Run, *factors: float) -> list[Run]:
    """A run for each factor of the learning rate, with another seed each."""
    return seeds(one, *({"lr": one.lr * factor} for factor in factors))


@dataclass(frozen=True)
class Left:
    """What a run leaves: its rows, its ending (None where it was interrupted), its last theta and last commit.

    commit  None where the only update overflowed: such a theta is not kept
    """

    rows: list[Row]
    ending: Ending | None
    theta: Tensor
    commit: dict[str, Any] | None


def claimed(run: Run, path: Path) -> RunFolder:
    return RunFolder.claim(path, build.to_yaml(run), {"metrics": {}}, columns(run))


def left(folder: RunFolder, ending: Ending | None, theta: Tensor) -> Left:
    found = newest(folder.path / "checkpoint")
    return Left(folder.rows, ending, theta.clone(), found and found[0]["content"])


def alone(run: Run, path: Path) -> Left:
    m = prepare(run)
    with claimed(run, path) as folder:
        return left(folder, train(run, m, folder, Silent()), m.theta)


def opened(run: Run, path: Path) -> RunFolder:
    return RunFolder.open(path) if path.exists() else claimed(run, path)


def together(runs: Sequence[Run], paths: Iterable[Path]) -> list[Left]:
    """Train runs side by side, or go on where their folders are."""
    endings: dict[int, Ending] = {}
    with ExitStack() as stack:
        folders = [stack.enter_context(opened(run, path)) for run, path in zip(runs, paths, strict=True)]
        company = [Lane.of(run, prepare(run), folder, Silent()) for run, folder in zip(runs, folders, strict=True)]
        for ended in lanes.train(company):
            endings |= {id(lane): ending for lane, ending in ended}
        return [left(lane.folder, endings[id(lane)], lane.at.theta) for lane in company]


def numbered(path: Path, count: int) -> list[Path]:
    return [path / str(number) for number in range(count)]


def relative(one: float, other: float) -> float:
    """|one - other| / the larger; two NaN are equal."""
    if one == other or (math.isnan(one) and math.isnan(other)):
        return 0.0
    return abs(one - other) / max(abs(one), abs(other))


def apart(one: Left, other: Left) -> float:
    """The largest relative difference of two numbers in the rows and the test result, or of two vectors theta."""
    assert (one.ending is None) == (other.ending is None)
    numbers = [(a[name], b[name]) for a, b in zip(one.rows, other.rows, strict=True) for name in a | b]
    if one.ending and other.ending:
        assert (one.ending.status, one.ending.verdict) == (other.ending.status, other.ending.verdict)
        assert one.ending.best_epoch == other.ending.best_epoch
        numbers += [(one.ending.test[name], other.ending.test[name]) for name in one.ending.test | other.ending.test]
    thetas = ((one.theta - other.theta).norm() / one.theta.norm()).item()
    return max([relative(a, b) for a, b in numbers] + [thetas])


def farthest(runs: Sequence[Run], path: Path) -> float:
    """How far any of some runs is from what it is alone, side by side."""
    singles = [alone(run, path / "alone" / str(number)) for number, run in enumerate(runs)]
    return most(singles, together(runs, numbered(path / "together", len(runs))))


def most(ones: Sequence[Left], others: Sequence[Left]) -> float:
    """The largest difference among pairs."""
    return max(apart(one, other) for one, other in zip(ones, others, strict=True))


def same(one: Left, other: Left) -> bool:
    """Whether two runs left the same bits: rows, ending, theta and commit."""
    return (
        repr(one.rows) == repr(other.rows)
        and repr(one.ending) == repr(other.ending)
        and torch.equal(one.theta, other.theta)
        and bits(one.commit) == bits(other.commit)
    )


def bits(tree: Any) -> Any:
    """A tree with every tensor as (dtype, shape, numbers)."""
    match tree:
        case Tensor():
            return str(tree.dtype), tuple(tree.shape), repr(tree.tolist())
        case dict():
            return {key: bits(item) for key, item in tree.items()}
        case list() | tuple():
            return [bits(item) for item in tree]
        case _:
            return repr(tree)
