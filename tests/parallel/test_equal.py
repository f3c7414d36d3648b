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
from runner.store.folder import Row, read_rows
from tests.parallel.cases import CASES, made
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


@pytest.fixture(scope="module", params=[2, 4])
def together(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every case on several."""
    folder = tmp_path_factory.mktemp(f"on {request.param}")
    done = ran(request.param, folder, cwd=folder, module="tests.parallel.cases")
    assert done.code == 0, done.err
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


@pytest.mark.parametrize("name", CASES)
def test_a_run_on_several_processes_is_the_run_on_one(name: str, alone: Path, together: Path) -> None:
    one, several = (read_rows(folder / name / "metrics.csv") for folder in (alone, together))
    assert far(numbers(one), numbers(several)) < ROUNDING
    assert [[row[column] for column in COUNTED] for row in one] == [[row[c] for c in COUNTED] for row in several]
    kept, theirs = content(alone / name), content(together / name)
    assert far(kept["theta"].tolist(), theirs["theta"].tolist()) < ROUNDING
    assert far(entries(kept["buffers"].values()), entries(theirs["buffers"].values())) < ROUNDING
    assert kept["noise_state"] == theirs["noise_state"]


def test_the_manifest_says_on_how_many_processes(together: Path) -> None:
    manifest = (together / "sgd" / "manifest.json").read_text()
    assert f'"processes": {together.name.split()[1][0]}' in manifest
