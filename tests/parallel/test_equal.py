"""A run on several processes is the run on one, up to rounding: in float64 to 1e-10."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from runner import job
from runner.composing import prepared
from runner.screen.base import Silent
from runner.store import checkpoint
from runner.store.base import Row
from runner.store.folder import read_manifest, read_rows, read_status
from tests.parallel.cases import CASES, TIMED, made
from tests.parallel.launch import ran

# Sums over other parts round in another way, by about 1e-16 a step: 1e-14 is measured, 1e-10 is promised.
ROUNDING = 1e-10
COUNTED = ("step", "examples", "forward", "backward", "hvp")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every case on one process."""
    folder = tmp_path_factory.mktemp("alone")
    prepared([])
    for name in CASES:
        job.start(made(name), folder / name, "", Silent(), pictures=False)
    return folder


def far(one: Iterable[float], other: Iterable[float]) -> float:
    """The largest difference, relative where numbers are large; NaN in both is none."""
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if not (math.isnan(a) and math.isnan(b))]
    return max((abs(a - b) / (1 + abs(a)) for a, b in pairs), default=0.0)


def numbers(rows: list[Row]) -> list[float]:
    return [float(value) for row in rows for value in row.values()]


def content(folder: Path) -> dict[str, Any]:
    found = checkpoint.newest(folder / "checkpoint")
    assert found is not None
    kept: dict[str, Any] = found[0]["content"]
    return kept


def entries(tensors: Iterable[Tensor]) -> list[float]:
    return [value for tensor in tensors for value in tensor.flatten().tolist()]


def differing(one: Path, several: Path) -> list[str]:
    """What of two folders of the same choices differs, in words."""
    rows, others = read_rows(one / "metrics.csv"), read_rows(several / "metrics.csv")
    kept, theirs = content(one), content(several)
    equal = {
        "rows": far(numbers(rows), numbers(others)) < ROUNDING,
        "counts": [[row[c] for c in COUNTED] for row in rows] == [[row[c] for c in COUNTED] for row in others],
        "parameters": far(kept["theta"].tolist(), theirs["theta"].tolist()) < ROUNDING,
        "buffers": far(entries(kept["buffers"].values()), entries(theirs["buffers"].values())) < ROUNDING,
    }
    return [name for name, same in equal.items() if not same]


# All cases in one test: starting the processes takes longer than they do.
@pytest.mark.parametrize("count", [2, 4])
def test_runs_on_several_processes_are_those_on_one_and_a_clock_ends_all_at_one_step(
    count: int, alone: Path, tmp_path: Path
) -> None:
    done = ran(count, tmp_path, cwd=tmp_path, module="tests.parallel.cases")
    assert done.code == 0, done.err
    assert {name: differing(alone / name, tmp_path / name) for name in CASES} == {name: [] for name in CASES}
    for name in TIMED:
        status = read_status(tmp_path / name)
        assert (status["status"], status["verdict"]) == ("completed", "reached the limit of 0.2 seconds of training")
    assert read_manifest(tmp_path / "sgd")["processes"] == count
