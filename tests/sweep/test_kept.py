"""A sweep that is taken up again goes on by the engine that it was started with, unless another one is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from runner.core.errors import ConfigError, CorruptError
from runner.store.folder import sealed
from runner.sweep.engine import kept
from runner.sweep.engine.auto import Auto
from runner.sweep.engine.base import Engine, Workers
from runner.sweep.engine.cluster import Cluster
from runner.sweep.engine.here import Here
from runner.sweep.engine.processes import Processes
from runner.sweep.engine.ray import Ray
from runner.sweep.engine.slurm import Slurm
from tests.cli.conftest import TINY, Call, call  # noqa: F401 - a fixture

SWEEP = "hydra.sweep.dir=sweep"
GRID = ("-m", "seed=range(2)", *TINY, SWEEP)
CLUSTER = ("engine=slurm", "engine.partition=short", "engine.time=5", "workers=1")
WORDS = " ".join(CLUSTER)
SAID = f"{WORDS}, as it was started; engine=NAME chooses another\n"


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Engine, Workers]]:
    """A Slurm that trains in this process; what was asked for, for how many workers."""
    found: list[tuple[Engine, Workers]] = []
    monkeypatch.setattr(Slurm, "ready", lambda self, wanted: found.append((self, wanted)))
    monkeypatch.setattr(Cluster, "trained", lambda self, *given: Here().trained(*given))
    return found


def interrupted(path: Path) -> None:
    """One run of the sweep is not there any more."""
    shutil.rmtree(path / "1")


STARTED = {
    "sweep": (*GRID, *CLUSTER),
    "lecture": ("+experiment=grosse/saddle_exact", "hydra.run.dir=sweep", *CLUSTER),
    "tune": ("tune", "lr=interval(0.01,0.1)", *TINY, "runs=2", SWEEP, *CLUSTER),
}


@pytest.mark.parametrize("what", STARTED)
def test_what_was_started_on_a_cluster_is_resumed_there_and_says_so(
    what: str,
    call: Call,  # noqa: F811
    asked: list[tuple[Engine, Workers]],
    tmp_path: Path,
) -> None:
    if what == "tune":
        pytest.importorskip("optuna", reason="Optuna is not installed: pip install 'optrun[tune]'")
    assert call(*STARTED[what]).code == 0
    answer = call("resume", "sweep")
    assert answer.code == 0, answer.err
    assert answer.out.startswith(SAID)
    assert asked == [(Slurm(partition="short", time=5), 1)] * 2


def test_a_sweep_that_was_cut_off_goes_on_through_its_engine(call: Call, tmp_path: Path) -> None:  # noqa: F811
    call(*GRID, *CLUSTER)
    interrupted(tmp_path / "sweep")
    first, second, *_ = call("resume", "sweep").out.splitlines(keepends=True)
    assert (first, second) == (SAID, "2 runs through Slurm, at most 1 job at a time, in sweep, over seed\n")


def test_an_engine_that_is_named_is_taken_for_this_time(
    call: Call,  # noqa: F811
    asked: list[tuple[Engine, Workers]],
    tmp_path: Path,
) -> None:
    call(*GRID, *CLUSTER)
    for words in ("engine=here", "engine=auto"):
        interrupted(tmp_path / "sweep")
        answer = call("resume", "sweep", words)
        assert (answer.code, answer.out.splitlines()[0]) == (0, "2 runs in sweep, over seed")
    assert len(asked) == 1
    assert call("resume", "sweep").out.startswith(SAID)


def test_workers_that_are_named_are_those_of_the_engine_that_is_kept(
    call: Call,  # noqa: F811
    asked: list[tuple[Engine, Workers]],
) -> None:
    call(*GRID, *CLUSTER)
    call("resume", "sweep", "workers=3")
    assert asked[-1] == (Slurm(partition="short", time=5), 3)


def test_a_sweep_is_extended_by_its_engine_and_one_that_is_named_then_becomes_its_own(
    call: Call,  # noqa: F811
    asked: list[tuple[Engine, Workers]],
) -> None:
    call(*GRID, *CLUSTER)
    grown = ("-m", "--extend", "seed=range(3)", *TINY, SWEEP)
    answer = call(*grown)
    assert (answer.code, answer.out.startswith(SAID)) == (0, True), answer.err
    assert call(*grown, "engine=here").code == 0
    assert call("resume", "sweep").out.startswith("engine=here, as it was started; engine=NAME chooses another\n")
    assert len(asked) == 2


def test_nothing_is_said_where_nothing_was_chosen(call: Call) -> None:  # noqa: F811
    call(*GRID, "workers=1")
    assert call("resume", "sweep").out.startswith("2 runs in sweep, over seed\n")


def test_a_sweep_of_before_engines_were_kept_is_resumed(call: Call, tmp_path: Path) -> None:  # noqa: F811
    call(*GRID, "workers=1")
    rewritten(tmp_path / "sweep", None)
    assert call("resume", "sweep").code == 0


def test_a_cluster_sweep_of_before_engines_were_kept_says_that_it_goes_on_here(call: Call, tmp_path: Path) -> None:  # noqa: F811
    call(*GRID, "workers=1")
    rewritten(tmp_path / "sweep", None, elsewhere=True)
    words = "the sweep was started on a cluster, and goes on here; engine=NAME chooses another place\n"
    assert call("resume", "sweep").out.startswith(words)
    assert words not in call("resume", "sweep", "engine=here").out


def rewritten(path: Path, engine: dict[str, Any] | None, **more: Any) -> None:
    """Have sweep.json say something else of the engine, with a seal that fits: the form is no secret."""
    content = json.loads((path / "sweep.json").read_text())
    del content["sha256"], content["engine"]
    content |= more if engine is None else {"engine": engine}
    (path / "sweep.json").write_text(json.dumps(sealed(content)))


@pytest.mark.parametrize(
    ("engine", "wanted", "noted"),
    [
        (Auto(), 2, {"name": "auto", "given": {}, "workers": "auto"}),
        (Processes(), 2, {"name": "processes", "given": {}, "workers": "auto"}),
        (Ray(cpus=2, gpus=1), 2, {"name": "ray", "given": {"cpus": 2, "gpus": 1}, "workers": 2}),
        (
            Slurm(time=8, account="me"),
            "auto",
            {"name": "slurm", "given": {"account": "me", "time": 8}, "workers": "auto"},
        ),
    ],
)
def test_an_engine_comes_back_as_it_was_noted(engine: Engine, wanted: Workers, noted: dict[str, Any]) -> None:
    assert kept.noted(engine, wanted) == noted
    assert kept.again(noted) == (engine, noted["workers"])


STRANGE = {
    "ray": (
        {"name": "ray", "given": {"address": "ray://there:10001"}, "workers": "auto"},
        "engine.address=ray://there:10001, which the folder of the sweep says,",
        "engine=ray engine.address=ray://there:10001",
    ),
    "sbatch": (
        {"name": "slurm", "given": {"time": 5, "sbatch": {"export": "LD_PRELOAD=x.so", "nice": 1}}, "workers": 2},
        "engine.sbatch=export=LD_PRELOAD=x.so,nice=1, which the folder of the sweep says,",
        "engine=slurm engine.time=5 engine.sbatch.export=LD_PRELOAD=x.so engine.sbatch.nice=1 workers=2",
    ),
    "a partition of two lines": (
        {"name": "slurm", "given": {"partition": "x\ntouch here"}, "workers": "auto"},
        "engine.partition=x\ntouch here, which the folder of the sweep says,",
        "engine=slurm 'engine.partition=x\ntouch here'",
    ),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_folder_alone_cannot_say_where_to_connect_or_what_else_a_job_does(
    name: str,
    call: Call,  # noqa: F811
    asked: list[tuple[Engine, Workers]],
    tmp_path: Path,
) -> None:
    engine, given, words = STRANGE[name]
    call(*GRID, "engine=here")
    rewritten(tmp_path / "sweep", engine)
    answer = call("resume", "sweep")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        f"optrun: {given} is refused\n"
        "  allowed: from the command line alone, since a folder may be a stranger's\n"
        f"  do this: add {words} where you trust these words, or name another engine\n"
    )
    assert asked == []


def test_an_engine_that_there_is_not_is_refused_as_on_the_command_line() -> None:
    with pytest.raises(ConfigError, match=r"engine=slrum is refused") as refused:
        kept.again({"name": "slrum", "given": {}, "workers": "auto"})
    assert "did you mean slurm?" in str(refused.value)


@pytest.mark.parametrize("workers", ["two", "2", 0, -1, True])
def test_a_number_of_workers_that_is_none_is_found(workers: Any) -> None:
    with pytest.raises(CorruptError, match=f"the engine in sweep.json has workers={workers}, which is no number"):
        kept.again({"name": "slurm", "given": {}, "workers": workers})
