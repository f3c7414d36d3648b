"""Hydra's own launchers and sweepers: one run for each job."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import TINY, Call

SWEEP = "hydra.sweep.dir=sweep"


@pytest.fixture
def ours(call: Call, tmp_path: Path) -> list[bytes]:
    """The metrics of a small sweep by the launcher and the sweeper of the house."""
    assert call("-m", "lr=0.1,0.01", *TINY, "hydra.sweep.dir=ours").code == 0
    assert not (tmp_path / "ours" / "multirun.yaml").exists()
    return metrics(tmp_path / "ours")


def metrics(sweep: Path) -> list[bytes]:
    return [(sweep / str(number) / "metrics.csv").read_bytes() for number in range(2)]


def test_another_launcher_trains_one_run_a_job(ours: list[bytes], call: Call, tmp_path: Path) -> None:
    answer = call("-m", "lr=0.1,0.01", *TINY, SWEEP, "hydra/launcher=basic")
    assert answer.code == 0, answer.err
    assert metrics(tmp_path / "sweep") == ours
    assert not (tmp_path / "sweep" / "sweep.json").exists()


def test_another_sweeper_hands_its_jobs_to_the_launcher_of_the_house(
    ours: list[bytes], call: Call, tmp_path: Path
) -> None:
    answer = call("-m", "lr=0.1,0.01", *TINY, SWEEP, "hydra/sweeper=basic")
    assert answer.code == 0, answer.err
    assert metrics(tmp_path / "sweep") == ours
    assert (tmp_path / "sweep" / "sweep.json").exists()


def test_joblib_trains_one_run_a_job(ours: list[bytes], call: Call, tmp_path: Path) -> None:
    answer = call("-m", "lr=0.1,0.01", *TINY, SWEEP, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert answer.code == 0, answer.err
    assert metrics(tmp_path / "sweep") == ours


def test_axes_can_stand_in_the_configuration(ours: list[bytes], call: Call, tmp_path: Path) -> None:
    assert call("-m", "+hydra.sweeper.params={++lr:'0.1,0.01'}", *TINY, SWEEP).code == 0
    assert metrics(tmp_path / "sweep") == ours


def test_an_axis_without_a_list_of_values_is_refused(call: Call, tmp_path: Path) -> None:
    answer = call("-m", "lr=interval(0,1)", SWEEP)
    assert answer.code == 2
    assert answer.err.startswith(
        "optrun: lr=interval(0,1) is refused\n  allowed: a list of values, each of which is trained"
    )
    assert list(tmp_path.iterdir()) == []
