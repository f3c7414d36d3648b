"""What an optimizer asked for is written down, in examples, so that one that asks twice cannot look cheap."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.cli.conftest import TINY, Call

COUNTS = ("examples", "forward", "backward", "hvp")


def asked(folder: Path) -> list[tuple[int, ...]]:
    """The counts in each row."""
    with (folder / "metrics.csv").open() as file:
        return [tuple(int(row[name]) for name in COUNTS) for row in csv.DictReader(file)]


def test_a_gradient_of_every_example_is_one_and_sam_takes_two(call: Call, tmp_path: Path) -> None:
    for name in ("sgd", "sam"):
        assert call(*TINY, f"optimizer={name}", "epochs=2", f"hydra.run.dir={name}").code == 0
    n = 1257  # training examples of digits
    assert asked(tmp_path / "sgd") == [(n, n, n, 0), (2 * n, 2 * n, 2 * n, 0)]
    assert asked(tmp_path / "sam") == [(n, 2 * n, 2 * n, 0), (2 * n, 4 * n, 4 * n, 0)]


@pytest.mark.parametrize("optimizer", ["sgd", "sam"])
def test_side_by_side_a_run_counts_what_it_counts_alone(optimizer: str, call: Call, tmp_path: Path) -> None:
    common = ("-m", *TINY, f"optimizer={optimizer}", "seed=range(4)", "epochs=2")
    for lanes in ("off", "4"):
        assert call(*common, f"lanes={lanes}", f"hydra.sweep.dir={lanes}").code == 0
    for seed in range(4):
        assert asked(tmp_path / "off" / str(seed)) == asked(tmp_path / "4" / str(seed))


def test_all_examples_can_be_the_batch_and_an_optimizer_can_bring_its_own(call: Call, tmp_path: Path) -> None:
    assert call(*TINY, "batch_size=all", "epochs=2", "hydra.run.dir=all").code == 0
    with (tmp_path / "all/metrics.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["1", "2"]
    assert call(*TINY, "+optimizer.batch_size=all", "epochs=2", "hydra.run.dir=own").code == 0
    assert (tmp_path / "own/metrics.csv").read_bytes() == (tmp_path / "all/metrics.csv").read_bytes()
    assert call(*TINY, "+optimizer.batch_size=all", "batch_size=100", "epochs=1", "hydra.run.dir=mine").code == 0
    assert asked(tmp_path / "mine") == [(1257, 1257, 1257, 0)]
    with (tmp_path / "mine/metrics.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["13"]


def test_a_batch_size_is_a_number_or_all(call: Call) -> None:
    answer = call(*TINY, "batch_size=whole")
    assert answer.code == 2
    assert answer.err == (
        "optrun: batch_size=whole is refused\n"
        "  allowed: a whole number in [1, 1e+15] or all\n"
        "  do this: give batch_size=... one of these\n"
    )
