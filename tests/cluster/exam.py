"""The same sweep on a real Slurm and on a real Ray, disturbed in every way that they know: `make test-cluster`.

Every sweep ends as it does in one process, to the byte. The name of this file keeps it out of `make test`: it installs
packages and takes minutes.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runner.selftest.program import Done, finished, rows, started, until
from runner.store.folder import is_run, read_status
from runner.store.lock import in_use
from tests.cluster.node import cluster, installed

# 8 runs in 4 groups of two, two groups at a time; a group takes a second on a quiet machine.
GRID = ("-m", "optimizer=sgd,adam", "seed=range(4)", "epochs=300", "stop=epochs", "architecture.hidden=[16]")
SHARED = (*GRID, "lanes=2", "hydra.sweep.dir=sweep")
README = (Path(__file__).parents[2] / "README.md").read_text()
COMMANDS = [
    line for block in re.findall(r"^```bash\n(.*?)^```", README, re.DOTALL | re.M) for line in block.splitlines()
]
HANGS_S = 900.0  # for one sweep, which takes seconds on a quiet machine


@dataclass(frozen=True)
class Engine:
    """How an engine is asked for, and what it says of itself.

    signal  by which it lets runs commit that are called off
    """

    words: tuple[str, ...]
    who: str
    signal: int
    env: dict[str, str] = field(default_factory=dict)

    def started(self, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
        return started(*arguments, *self.words, cwd=cwd, env=self.env)

    def ran(self, *arguments: str, cwd: Path) -> Done:
        return finished(self.started(*arguments, cwd=cwd), HANGS_S)


@pytest.fixture(scope="module")
def slurm() -> Iterator[Engine]:
    installed()
    with cluster() as environment:
        words = ("engine=slurm", "workers=2", "engine.partition=short", "engine.time=30")
        yield Engine(words, "Slurm job ", signal.SIGTERM, environment)


@pytest.fixture(scope="module")
def ray() -> Engine:
    return Engine(("engine=ray", "workers=2"), "Ray task ", signal.SIGINT)


@pytest.fixture(scope="module")
def ray_that_runs() -> Iterator[Engine]:
    """A Ray that somebody else has started, which asks for a token as it does by default."""
    port, env = free_port(), {"RAY_AUTH_MODE": "token"}
    start = ("ray", "start", "--head", "--block", f"--port={port}", "--num-cpus=2", "--include-dashboard=false")
    command = [str(Path(sys.executable).with_name(start[0])), *start[1:]]
    with subprocess.Popen(command, env=os.environ | env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as head:
        until(lambda: answers(port), head, HANGS_S)
        yield Engine(("engine=ray", "workers=2", f"engine.address=127.0.0.1:{port}"), "Ray task ", signal.SIGINT, env)
        head.terminate()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(params=["slurm", "ray"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The metrics of the sweep that nobody disturbed, trained in one process."""
    folder = tmp_path_factory.mktemp("whole")
    done = finished(started(*SHARED, "engine=here", cwd=folder), HANGS_S)
    assert done.code == 0, done.err
    return metrics(folder / "sweep")


def metrics(sweep: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in sorted(sweep.glob("*/metrics.csv"))}


def verdicts(sweep: Path) -> set[str]:
    return {read_status(folder)["verdict"] for folder in sweep.iterdir() if is_run(folder)}


def at_work(sweep: Path, process: subprocess.Popen[str]) -> list[int]:
    """Wait until runs are in the middle of their training; the processes that train them."""

    def busy() -> list[Path]:
        begun = [path.parent for path in sweep.glob("[0-9]/metrics.csv")]
        return [folder for folder in begun if rows(folder) > 4 and in_use(folder)]

    until(lambda: bool(busy()), process, HANGS_S)
    return [int((folder / ".lock").read_text()) for folder in busy()]


def test_a_sweep_on_a_cluster_is_that_of_one_process(engine: Engine, whole: dict[str, bytes], tmp_path: Path) -> None:
    done = engine.ran(*SHARED, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert metrics(tmp_path / "sweep") == whole


def test_a_sweep_on_a_ray_that_runs_already_is_that_of_one_process(
    ray_that_runs: Engine, whole: dict[str, bytes], tmp_path: Path
) -> None:
    done = ray_that_runs.ran(*SHARED, cwd=tmp_path)
    assert done.code == 0, done.err
    assert metrics(tmp_path / "sweep") == whole


def test_a_machine_that_dies_costs_its_group_which_resume_completes(
    engine: Engine, whole: dict[str, bytes], tmp_path: Path
) -> None:
    process = engine.started(*SHARED, cwd=tmp_path)
    os.kill(at_work(tmp_path / "sweep", process)[0], signal.SIGKILL)
    done = finished(process, HANGS_S)
    assert done.code == 1, done.err
    (told,) = [line for line in done.out.splitlines() if line.startswith(f"note: {engine.who}")]
    assert told.endswith("in its hands; optrun resume sweep completes them")
    assert sum(status == "completed" for status in statuses(tmp_path / "sweep")) == 6
    resumed = engine.ran("resume", "sweep", cwd=tmp_path)
    assert resumed.code == 0, resumed.err
    assert "6 of them have ended before\n" in resumed.out
    assert metrics(tmp_path / "sweep") == whole


def statuses(sweep: Path) -> list[str]:
    return [read_status(folder)["status"] for folder in sweep.iterdir() if is_run(folder)]


def test_the_process_that_submitted_may_be_killed(engine: Engine, whole: dict[str, bytes], tmp_path: Path) -> None:
    process = engine.started(*SHARED, cwd=tmp_path)
    at_work(tmp_path / "sweep", process)
    process.kill()
    finished(process)
    resumed = finished(started("resume", "sweep", cwd=tmp_path, env=engine.env), HANGS_S)  # no engine is named
    assert resumed.code == 0, resumed.err
    assert resumed.out.startswith(f"{kept(engine)}, as it was started; engine=NAME chooses another\n")
    assert statuses(tmp_path / "sweep") == ["completed"] * 8
    assert metrics(tmp_path / "sweep") == whole


def kept(engine: Engine) -> str:
    """The words for an engine in the order in which they are told."""
    name, workers, *more = engine.words
    return " ".join([name, *more, workers])


def test_a_signal_calls_off_what_was_submitted_and_all_of_it_commits(engine: Engine, tmp_path: Path) -> None:
    process = engine.started(*SHARED, "epochs=100000", cwd=tmp_path)  # hours
    at_work(tmp_path / "sweep", process)
    process.send_signal(signal.SIGTERM)
    done = finished(process, HANGS_S)
    assert (done.code, done.err) == (143, "optrun: stopped by signal 15; `optrun resume` goes on where it was\n")
    assert verdicts(tmp_path / "sweep") == {f"stopped by signal {int(engine.signal)}"}
    begun = [path.parent for path in tmp_path.glob("sweep/*/metrics.csv")]
    assert not any(in_use(folder) for folder in begun)
    trained = [folder for folder in begun if rows(folder)]  # the others were called off before their first step
    assert trained
    assert all(any(folder.glob("checkpoint/*.ckpt")) for folder in trained)


def test_runs_commit_before_the_time_of_their_slurm_job_is_up(slurm: Engine, tmp_path: Path) -> None:
    grid = ("-m", "seed=range(2)", "epochs=1000000", "stop=epochs", "lanes=2", "hydra.sweep.dir=sweep")
    done = finished(started(*grid, "engine=slurm", "engine.time=4", "workers=1", cwd=tmp_path, env=slurm.env), HANGS_S)
    assert done.code == 1, done.err
    assert "was stopped by signal 10, with jobs 0, 1 in its hands; optrun resume sweep completes them\n" in done.out
    assert verdicts(tmp_path / "sweep") == {"stopped by signal 10"}


def test_the_commands_of_the_readme_run(slurm: Engine, tmp_path: Path) -> None:
    assert len(COMMANDS) == 4
    for command in COMMANDS:
        done = finished(started(*shlex.split(command)[1:], cwd=tmp_path, env=slurm.env), HANGS_S)
        assert (done.code, done.err) == (0, ""), command
    assert (
        "8 of them have ended before\n"
        in finished(started("resume", "sweep", cwd=tmp_path, env=slurm.env), HANGS_S).out
    )
    assert metrics(tmp_path / "sweep") == metrics(tmp_path / "here") == metrics(tmp_path / "by_ray")
