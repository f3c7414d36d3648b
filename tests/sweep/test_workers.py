"""Workers: what a kill costs, what a signal does, and that nobody is left behind; every end is resumed to the byte."""

from __future__ import annotations

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from runner.core.errors import Interrupted
from runner.selftest.program import environment, finished, ran, started, until
from runner.store.folder import is_run, read_status
from runner.sweep import worker
from runner.sweep.base import Job
from runner.sweep.engine import processes
from runner.sweep.group import LARGEST, TURNS, Task, groups
from tests.cli.conftest import TINY, Call, call  # noqa: F401 - a fixture
from tests.sweep.test_fuse import ONE

# Four at a time side by side: whether that is faster is not the question here.
GRID = ("-m", "optimizer=sgd,adam", "seed=range(4)", "epochs=250", "stop=epochs", "architecture.hidden=[16]", "lanes=4")
DEADLINE_S = 20.0  # for processes to be gone, on a busy machine

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds workers in /proc")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The metrics of the sweep that nobody disturbed, trained in one process."""
    folder = tmp_path_factory.mktemp("whole")
    assert ran(*GRID, "hydra.sweep.dir=sweep", "workers=1", cwd=folder).code == 0
    return metrics(folder / "sweep")


def metrics(sweep: Path) -> dict[str, bytes]:
    return {str(path.parent.relative_to(sweep)): path.read_bytes() for path in sorted(sweep.glob("*/metrics.csv"))}


def statuses(sweep: Path) -> list[str]:
    with open(sweep / "sweep.csv", newline="") as file:
        return [row["status"] for row in csv.DictReader(file)]


def children(pid: int) -> list[int]:
    """The living processes that a process has started."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def at_work(sweep: Path, process: Any, least: int = 2) -> list[int]:
    """Wait until so many runs have begun; the workers."""
    until(lambda: len(list(sweep.glob("*/metrics.csv"))) >= least, process)
    return children(process.pid)


def test_a_worker_that_is_killed_costs_its_group_which_resume_completes(
    whole: dict[str, bytes], tmp_path: Path
) -> None:
    process = started(*GRID, "hydra.sweep.dir=sweep", "workers=2", cwd=tmp_path)
    workers = at_work(tmp_path / "sweep", process)
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    done = finished(process)
    assert done.code == 1
    lost = [number for number, status in enumerate(statuses(tmp_path / "sweep")) if status == "interrupted"]
    assert statuses(tmp_path / "sweep").count("completed") == 8 - len(lost)
    assert len(lost) == 4  # a group of this sweep
    listed = ", ".join(map(str, lost))
    said = f"note: a worker process was killed by signal 9, with jobs {listed} in its hands; "
    assert said + "optrun resume sweep completes them\n" in done.out
    resumed = ran("resume", "sweep", cwd=tmp_path)
    assert resumed.code == 0, resumed.err
    assert "4 of them have ended before\n" in resumed.out
    assert metrics(tmp_path / "sweep") == whole


def test_a_worker_without_work_heeds_a_signal_that_another_thread_was_given() -> None:
    def given() -> None:
        time.sleep(0.1)
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR2)

    before = signal.signal(signal.SIGUSR2, worker.interrupted)
    try:
        threading.Thread(target=given).start()
        with pytest.raises(Interrupted, match="stopped by signal 2"):
            worker.awaited(SimpleQueue())
    finally:
        signal.signal(signal.SIGUSR2, before)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 138)])
def test_a_signal_lets_all_workers_commit_and_stop(
    number: int, code: int, whole: dict[str, bytes], tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", *GRID, "hydra.sweep.dir=sweep", "workers=2"],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a background job ignores it
    )
    workers = at_work(tmp_path / "sweep", process, least=4)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # Ctrl-C reaches every process of the terminal
    else:
        process.send_signal(number)
    done = finished(process)
    assert (done.code, done.err) == (
        code,
        f"optrun: stopped by signal {int(number)}; `optrun resume` goes on where it was\n",
    )
    assert gone(workers)
    told = {read_status(folder)["verdict"] for folder in (tmp_path / "sweep").iterdir() if is_run(folder)}
    assert f"stopped by signal {int(number)}" in told, "the user's signal, not the one that a worker was sent"
    assert told <= {f"stopped by signal {int(number)}", "reached the limit of 250 epochs"}
    assert not list((tmp_path / "sweep").glob(".claim.*"))
    assert ran("resume", "sweep", cwd=tmp_path).code == 0
    assert metrics(tmp_path / "sweep") == whole


def test_two_workers_that_meet_the_same_full_disk_say_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(FULL)
    for _ in range(3):
        done = finished(
            subprocess.Popen(
                [sys.executable, "-m", "runner", *GRID, "hydra.sweep.dir=sweep", "workers=2", "lanes=off"],
                cwd=tmp_path,
                env=environment() | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{environment()['PYTHONPATH']}"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        assert done.code == 4
        assert done.err.startswith("optrun: cannot make the run folder ")
        assert done.err.count("\n") == 1, done.err
        shutil.rmtree(tmp_path / "sweep")


FULL = """
import errno, os
rename = os.rename

def full(source, target, **options):
    if "sweep" in str(target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    rename(source, target, **options)

os.rename = full
"""


def test_workers_do_not_survive_the_process_that_started_them(whole: dict[str, bytes], tmp_path: Path) -> None:
    process = started(*GRID, "hydra.sweep.dir=sweep", "workers=2", cwd=tmp_path)
    workers = at_work(tmp_path / "sweep", process)
    process.kill()
    finished(process)
    deadline = time.monotonic() + DEADLINE_S
    while not gone(workers):
        assert time.monotonic() < deadline, "a worker goes on"
        time.sleep(0.01)
    assert ran("resume", "sweep", cwd=tmp_path).code == 0
    assert metrics(tmp_path / "sweep") == whole


def test_a_sweep_killed_at_random_moments_again_and_again_ends_as_if_it_had_not_been(
    whole: dict[str, bytes], tmp_path: Path
) -> None:
    moments = random.Random(0)
    sweep = tmp_path / "sweep"
    for _ in range(3):
        arguments = ("resume", "sweep") if (sweep / "sweep.json").exists() else (*GRID, "hydra.sweep.dir=sweep")
        process = started(*arguments, "workers=2", cwd=tmp_path)
        until(lambda process=process: bool(children(process.pid)), process)  # type: ignore[misc]
        time.sleep(moments.uniform(0, 0.5))
        workers = children(process.pid)
        process.kill()
        finished(process)
        while not gone(workers):
            time.sleep(0.01)
    assert statuses_of_folders(sweep) != ["completed"] * 8
    done = ran("resume", "sweep", cwd=tmp_path)
    assert done.code == 0, done.err
    assert metrics(sweep) == whole


def statuses_of_folders(sweep: Path) -> list[str]:
    from runner.store.folder import read_status

    return [read_status(path.parent)["status"] for path in sweep.glob("*/metrics.csv")]


SPAWNING = """
from runner.cli import command
from runner.store.folder import is_run, read_status
from runner.sweep import worker
from runner.sweep.engine import processes

if __name__ == "__main__":
    processes.forkable = lambda: False
    raise SystemExit(command())
"""


def test_workers_that_cannot_be_forked_are_spawned(tmp_path: Path) -> None:
    (tmp_path / "spawning.py").write_text(SPAWNING)
    axes = ("-m", "optimizer=sgd,sam", "schedule=warmup,cosine", "seed=range(2)", *TINY, "dataset=iris", "lanes=off")
    done = ran(*axes, "hydra.sweep.dir=spawned", "workers=2", cwd=tmp_path, module="spawning")
    assert (done.code, done.err) == (0, "")
    assert ran(*axes, "hydra.sweep.dir=here", "workers=1", cwd=tmp_path).code == 0
    assert metrics(tmp_path / "spawned") == metrics(tmp_path / "here")


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    from runner import job
    from runner.core.errors import DiskError

    def prepare(run: Any, examples_of: Any, *others: Any) -> None:
        raise DiskError("cannot write x: No space left on device")

    monkeypatch.setattr(job, "prepare", prepare)


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_stops_the_sweep(workers: int, call: Call) -> None:  # noqa: F811
    answer = call("-m", "seed=range(9)", *TINY, "hydra.sweep.dir=sweep", f"workers={workers}")
    assert (answer.code, answer.err) == (4, "optrun: cannot write x: No space left on device\n")


@pytest.mark.parametrize("lanes", ["off", "2"])
def test_the_runs_of_workers_are_those_of_one_process(lanes: str, call: Call, tmp_path: Path) -> None:  # noqa: F811
    axes = ("-m", "optimizer=sgd,adam", "seed=range(3)", *TINY, "architecture.dropout=0.1", f"lanes={lanes}")
    for workers in (1, 2, 3):
        assert call(*axes, f"hydra.sweep.dir=on{workers}", f"workers={workers}").code == 0
    alone = metrics(tmp_path / "on1")
    assert len(alone) == 6
    assert metrics(tmp_path / "on2") == alone
    assert metrics(tmp_path / "on3") == alone
    tables = [(tmp_path / f"on{workers}" / "sweep.csv").read_bytes() for workers in (1, 2, 3)]
    assert tables[0] == tables[1] == tables[2]


@pytest.mark.parametrize(("runs", "workers"), [(1, 2), (2, 2), (9, 2), (32, 2), (1000, 2), (1000, 1), (7, 16)])
def test_groups_hold_every_run_once_in_order_and_are_small_enough_to_share_out(runs: int, workers: int) -> None:
    tasks = [Task(Job(number, str(number), (), {}), ONE, Path("nowhere") / str(number), "") for number in range(runs)]
    divided = groups(tasks, workers, "off", {}, print)
    assert [task for group in divided for task in group] == tasks
    assert all(1 <= len(group) <= LARGEST for group in divided)
    assert len(divided) >= min(runs, TURNS * workers)


def test_as_many_workers_as_processors_and_not_more_than_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes.device, "cores", lambda: 4)
    monkeypatch.setattr(processes.device, "available", lambda: ["cpu"])
    assert [processes.Processes().workers(jobs, "auto") for jobs in (1, 3, 100)] == [1, 3, 4]
    assert [processes.Processes().workers(100, wanted) for wanted in (1, 2, 7)] == [1, 2, 7]
    monkeypatch.setattr(processes.device, "available", lambda: ["cpu", "cuda:0", "cuda"])
    assert processes.Processes().workers(100, "auto") == 1


REFUSED = {
    "workers=0": "  allowed: a whole number in [1, 1e+15] or auto\n  do this: give workers=... one of these",
    "workers=two": "  allowed: a whole number in [1, 1e+15] or auto\n  do this: give workers=... one of these",
}


@pytest.mark.parametrize("given", REFUSED)
def test_a_number_of_workers_that_makes_no_sense_is_refused(given: str, call: Call, tmp_path: Path) -> None:  # noqa: F811
    answer = call("-m", "seed=range(2)", given)
    message = f"optrun: {given} is refused\n{REFUSED[given]}; the default is auto\n"
    assert (answer.code, answer.err) == (2, message)
    assert list(tmp_path.iterdir()) == []
    assert call("resume", str(tmp_path), given).err == message


def test_workers_are_for_sweeps(call: Call, tmp_path: Path) -> None:  # noqa: F811
    message = (
        "optrun: workers=2 is refused\n"
        "  allowed: for a sweep, with -m\n"
        "  do this: leave it out; threads=N is for the threads of a run\n"
    )
    assert call(*TINY, "workers=2").err == message
    assert call(*TINY, "hydra.run.dir=run").code == 0
    assert call("resume", "run", "workers=2").err == message
