"""Engines: what is asked of them on the command line, what they report, and who has a run that two could train."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from runner import build, job
from runner.core.errors import ConfigError, DiskError, Interrupted, LockedError
from runner.run import Run
from runner.screen.base import Silent
from runner.selftest.program import ran
from runner.store.folder import RunFolder, read_status
from runner.sweep.base import Job, write_jobs
from runner.sweep.engine import cluster, errand, follow, ray, slurm
from runner.sweep.engine.base import Engine, Lost
from runner.sweep.engine.cluster import Cluster
from runner.sweep.engine.errand import CORNER, Errand, Report
from runner.sweep.engine.here import Here
from runner.sweep.engine.menu import chosen
from runner.sweep.engine.slurm import Slurm
from runner.sweep.group import Manner, Outcome, Task
from tests.cli.conftest import TINY, Call, call  # noqa: F401 - a fixture
from tests.sweep.test_fuse import ONE

MANNER = Manner(plugins=(), pictures=False, threads=1)


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """The tasks of a sweep of three runs, of which nothing is there but the list of its jobs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cluster, "LOOK_S", 0.0)
    monkeypatch.setattr(follow, "LOOK_S", 0.001)
    runs = [replace(ONE, seed=seed) for seed in range(3)]
    jobs = [
        Job(n, str(n), (f"seed={n}",), {k: build.described(v) for k, v in vars(run).items()})
        for n, run in enumerate(runs)
    ]
    write_jobs(tmp_path, jobs, {"title": "three", "metrics": {}})
    return [Task.of(tmp_path, *each) for each in zip(jobs, runs, strict=True)]


def sent_off(tasks: Sequence[Task], name: str = "errand") -> Errand:
    """An errand for some tasks of a sweep."""
    path = tasks[0].folder.parent
    (path / CORNER).mkdir(exist_ok=True)
    return Errand(path, tuple(task.job.number for task in tasks), tasks[0].together, MANNER, path, name)


def statuses(outcomes: Sequence[object]) -> dict[int, str]:
    return {each.number: each.summary["status"] for each in outcomes if isinstance(each, Outcome)}


# What is typed.


def test_an_engine_is_chosen_by_a_word_and_asked_for_more_by_words_with_a_dot(
    call: Call,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Engine] = []
    monkeypatch.setattr(Slurm, "ready", lambda self, wanted: (asked.append(self), stop())[0])

    def stop() -> None:
        raise ConfigError("engine", "slurm", allowed="no more of this test", do="nothing")

    words = ("engine=slurm", "engine.partition=short", "engine.time=5", "engine.gpus=1", "engine.sbatch.qos=high")
    assert call("-m", "seed=range(2)", *TINY, *words).code == 2
    assert call("tune", "lr=interval(0.01,0.1)", *TINY, *words).code == 2
    wanted = Slurm(partition="short", time=5, gpus=1, sbatch={"qos": "high"})
    assert asked == [wanted, wanted]


REFUSED = {
    "engine=slrum": (
        "engine=slrum is refused\n"
        "  allowed: auto, here, processes, slurm, ray\n"
        "  do this: did you mean slurm? give one of these"
    ),
    "engine.time=5": (
        "engine.time=5 is refused\n  allowed: the arguments of Auto: none\n  do this: remove it or use one of these"
    ),
    "engine=slurm engine.partitoin=short": (
        "engine.partitoin=short is refused\n"
        "  allowed: the arguments of Slurm: cpus, gpus, partition, account, time, memory, sbatch\n"
        "  do this: did you mean partition? remove it or use one of these"
    ),
    "engine=slurm engine.time=soon": (
        "engine.time=soon is refused\n"
        "  allowed: a whole number in [1, 1e+15]\n"
        "  do this: give engine.time=... a whole number; the default is 60"
    ),
    "engine=here workers=2": (
        "workers=2 is refused\n"
        "  allowed: 1 with engine=here, which is this process\n"
        "  do this: leave out workers, or give engine=processes"
    ),
    "engine=here hydra/launcher=basic": (
        "engine=here is refused\n  allowed: without hydra/launcher=\n  do this: give one of the two"
    ),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_no_engine_understands_is_refused(words: str, call: Call, tmp_path: Path) -> None:  # noqa: F811
    answer = call("-m", "seed=range(2)", *TINY, *words.split())
    assert (answer.code, answer.err) == (2, f"optrun: {REFUSED[words]}\n")
    assert list(tmp_path.iterdir()) == []


def test_an_engine_is_for_sweeps(call: Call) -> None:  # noqa: F811
    message = (
        "optrun: engine.time=5 is refused\n"
        "  allowed: for a sweep, with -m\n"
        "  do this: leave it out; threads=N is for the threads of a run\n"
    )
    assert call(*TINY, "engine.time=5", "engine=slurm").err == message


@pytest.mark.parametrize(
    ("name", "package", "what"),
    [
        ("slurm", "submitit", "submitit, which speaks to Slurm"),
        ("ray", "ray", "Ray, which finds machines for the groups"),
    ],
)
def test_an_engine_whose_package_is_missing_says_how_to_install_it(
    name: str, package: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError) as refused:
        chosen(name, {}).ready("auto")
    assert str(refused.value) == (
        f"engine={name} without {package} is refused\n  allowed: {what}\n  do this: pip install 'optrun[{name}]'"
    )


def test_slurm_is_refused_where_nothing_can_be_submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError) as refused:
        slurm.refuse_no_slurm()
    assert str(refused.value) == (
        "engine=slurm is refused\n"
        "  allowed: where sbatch, sacct, scancel can be found\n"
        "  do this: run it on a machine of the cluster from which jobs are submitted, or choose another engine"
    )


def test_slurm_is_refused_where_it_keeps_no_accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sbatch", "scancel"):
        (tmp_path / name).write_text("#!/bin/sh\n")
    (tmp_path / "sacct").write_text("#!/bin/sh\necho Slurm accounting storage is disabled >&2\nexit 1\n")
    for program in tmp_path.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ConfigError) as refused:
        slurm.refuse_no_slurm()
    assert str(refused.value) == (
        "engine=slurm is refused\n"
        "  allowed: with accounting; sacct says: Slurm accounting storage is disabled\n"
        "  do this: have slurmdbd set up (AccountingStorageType), or choose another engine"
    )


@pytest.mark.parametrize(("address", "why"), [("127.0.0.1:1", "[Errno 111] Connection refused"), ("there", "invalid")])
def test_an_address_at_which_no_ray_answers_is_refused(address: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "package", object)
    with pytest.raises(ConfigError) as refused:
        chosen("ray", {"address": address}).ready("auto")
    said, allowed, do = str(refused.value).splitlines()
    assert said == f"engine.address={address} is refused"
    assert allowed.startswith(f"  allowed: HOST:PORT of a Ray cluster, or ray://HOST:PORT ({why}")
    assert do == "  do this: start a cluster there (ray start --head), or leave out engine.address"


def test_a_ray_that_answers_and_refuses_may_want_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    said = str(ray.nobody("here:6379", ConnectionError("Failed to connect to Ray cluster at here:6379")))
    assert said.endswith(
        "or leave out engine.address; where the cluster asks for a token, RAY_AUTH_MODE=token shows it that of "
        "~/.ray/auth_token"
    )
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert str(ray.nobody("here:6379", ConnectionError(""))).endswith("or leave out engine.address")


def test_what_is_asked_of_slurm_is_in_the_words_of_submitit() -> None:
    assert Slurm().asked(workers=4) == {
        "name": "optrun",
        "timeout_min": 60,
        "cpus_per_task": 1,
        "slurm_array_parallelism": 4,
    }
    wanted = Slurm(partition="short", account="me", cpus=2, gpus=1, memory=8, sbatch={"qos": "high"}).asked(workers=4)
    assert wanted["gpus_per_node"] == 1
    assert wanted["mem_gb"] == 8
    assert (wanted["slurm_partition"], wanted["slurm_account"]) == ("short", "me")
    assert wanted["slurm_additional_parameters"] == {"qos": "high"}


def test_a_group_with_several_processors_may_use_them_and_one_with_a_gpu_trains_its_runs_one_by_one() -> None:
    assert [Slurm(cpus=cpus).threads(workers=4) for cpus in (1, 2)] == [1, "auto"]
    assert [Slurm(gpus=gpus).lanes("auto") for gpus in (0, 1)] == ["auto", "off"]
    assert Slurm(gpus=1).lanes(4) == 4
    assert [Here().threads(1), chosen("processes", {}).threads(2)] == ["auto", 1]


# The far end.


def test_an_errand_trains_its_runs_and_reports_each(sweep: list[Task]) -> None:
    sent = sent_off(sweep)
    errand.run(sent)
    found = Report.read(sent.report)
    assert {number: each.exit_code for number, each in found.outcomes.items()} == {0: 0, 1: 0, 2: 0}
    assert (found.stopped, found.disk) == ("", "")
    assert [read_status(task.folder)["status"] for task in sweep] == ["completed"] * 3


def test_an_errand_that_comes_late_trains_nothing_twice(sweep: list[Task]) -> None:
    errand.run(sent_off(sweep, "first"))
    before = [(task.folder / "timing.csv").read_bytes() for task in sweep]
    for name, tasks in (("late", sweep), ("beside", [replace(task, together=True) for task in sweep])):
        late = sent_off(tasks, name)
        errand.run(late)
        assert {each.summary["status"] for each in Report.read(late.report).outcomes.values()} <= {
            "completed",
            "locked",
        }
    assert [(task.folder / "timing.csv").read_bytes() for task in sweep] == before


def test_a_run_that_another_process_made_while_this_one_prepared_it_is_left_to_it(sweep: list[Task]) -> None:
    task = sweep[0]
    job.start(task.run, task.folder, task.command, Silent(), pictures=False)
    folder = replace(task, folder=task.folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runner.sweep.group.is_run", lambda path: False)  # as it was when this process looked
        events = list(Here().trained(task.folder.parent, [[folder]], MANNER, 1))
    assert statuses(events) == {0: "locked"}


def test_a_run_that_was_ended_before_its_lock_was_had_is_not_taken_up(sweep: list[Task]) -> None:
    task = sweep[0]
    job.start(task.run, task.folder, task.command, Silent(), pictures=False)
    with pytest.raises(LockedError) as refused:
        job.taken_up(task.folder, (), Silent())
    said = f"{task.folder} has completed in another process meanwhile: reached the limit of 2 epochs"
    assert str(refused.value) == said
    RunFolder.open(task.folder).__exit__()  # it has let go of it


def test_an_errand_that_a_signal_stops_says_so_and_gives_the_handlers_back(
    sweep: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> Iterator[Outcome]:
        os.kill(os.getpid(), signal.SIGUSR1)
        yield from ()

    monkeypatch.setattr(errand, "train_group", interrupted)
    before = signal.getsignal(signal.SIGUSR1)
    sent = sent_off(sweep)
    errand.run(sent)
    assert Report.read(sent.report).stopped == "was stopped by signal 10"
    assert signal.getsignal(signal.SIGUSR1) == before


def test_a_run_that_the_far_machine_cannot_build_is_refused_there(sweep: list[Task], tmp_path: Path) -> None:
    listed = json.loads((tmp_path / "sweep.json").read_text())
    assert listed["jobs"][0]["config"]
    jobs = [replace(task.job, config=task.job.config | {"epochs": 0}) for task in sweep[:1]]
    write_jobs(tmp_path, jobs, {"title": "three", "metrics": {}})
    sent = sent_off(sweep[:1])
    errand.run(sent)
    (outcome,) = Report.read(sent.report).outcomes.values()
    assert (outcome.summary["status"], outcome.exit_code) == ("refused", 2)


# The near end.


@dataclass
class Paper:
    """A ticket that says what it was told to."""

    name: str = "errand 7"
    how: str = ""

    def ended(self) -> str:
        return self.how


@dataclass(frozen=True)
class Stage(Cluster):
    """A cluster on which errands do what the test says."""

    played: Any = None
    calls: Any = field(default_factory=list)

    def workers(self, jobs: int, wanted: Any) -> int:
        return 1

    def sent(self, errands: Sequence[Errand], workers: int) -> list[Paper]:
        return [self.played(each) for each in errands]

    def called_off(self, tickets: Sequence[Paper]) -> None:
        for each in tickets:
            self.calls.append(each.name)
            each.how = each.how or "was cancelled"


def events(stage: Stage, tasks: list[Task]) -> list[Any]:
    return list(stage.trained(tasks[0].folder.parent, [tasks], MANNER, 1))


def whole(each: Errand) -> Paper:
    errand.run(each)
    return Paper(how="ended")


def test_what_an_errand_came_to_is_read_from_the_folders_of_its_runs(sweep: list[Task]) -> None:
    found = [each for each in events(Stage(played=whole), sweep) if isinstance(each, Outcome)]
    assert [each.summary for each in found] == [read_status(task.folder) for task in sweep]
    assert found[0].summary["best"] is not None, "which no report tells"


def test_an_errand_that_dies_is_lost_with_the_jobs_of_which_it_has_not_told(sweep: list[Task]) -> None:
    def killed(each: Errand) -> Paper:
        errand.run(replace(each, numbers=each.numbers[:1]))
        return Paper(how="was killed")

    *_, last = events(Stage(played=killed), sweep)
    assert last == Lost((1, 2), "was killed", "errand 7")


def test_an_errand_that_a_signal_stopped_is_lost_with_that_as_the_cause(sweep: list[Task]) -> None:
    def stopped(each: Errand) -> Paper:
        Report(stopped="was stopped by signal 10").write(each.report)
        return Paper(how="ended as COMPLETED")

    *_, last = events(Stage(played=stopped), sweep)
    assert last == Lost((0, 1, 2), "was stopped by signal 10", "errand 7")


def test_a_full_disk_at_one_errand_calls_the_others_off(sweep: list[Task]) -> None:
    def full(each: Errand) -> Paper:
        if 0 in each.numbers:
            Report(disk="cannot write x: No space left on device").write(each.report)
        return Paper()

    stage = Stage(played=full)
    with pytest.raises(DiskError, match="cannot write x: No space left on device"):
        list(stage.trained(sweep[0].folder.parent, [sweep[:1], sweep[1:]], MANNER, 1))
    assert stage.calls == ["errand 7", "errand 7"]


def test_a_signal_calls_everything_off_and_waits_for_what_commits(sweep: list[Task]) -> None:
    def signalled(each: Errand) -> Paper:
        os.kill(os.getpid(), signal.SIGTERM)
        return Paper()

    stage = Stage(played=signalled)
    with pytest.raises(Interrupted, match="stopped by signal 15"):
        events(stage, sweep)
    assert stage.calls == ["errand 7"]


def test_whoever_leaves_in_a_hurry_calls_everything_off(sweep: list[Task]) -> None:
    stage = Stage(played=lambda each: Paper())
    running = stage.trained(sweep[0].folder.parent, [sweep], MANNER, 1)
    next(running)
    running.close()
    assert stage.calls == ["errand 7"]


# Two that train one sweep.


def followed(tasks: list[Task], engine: Engine, theirs: list[Task]) -> tuple[list[Any], list[str]]:
    said: list[str] = []
    groups = [[task] for task in tasks]
    path = (tasks or theirs)[0].folder.parent
    return list(follow.trained(engine, path, groups, theirs, MANNER, 1, said.append)), said


def meanwhile(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_run_of_somebody_else_is_waited_for(sweep: list[Task]) -> None:
    theirs = sweep[0]
    opened = job.begun(theirs.run, theirs.folder, theirs.command)

    def finish() -> None:
        with opened.folder:
            job.work(opened, Silent(), pictures=False)

    thread = meanwhile(finish)
    found, said = followed(sweep[1:], Here(), [theirs])
    thread.join()
    assert statuses(found) == dict.fromkeys(range(3), "completed")
    assert said == ["another process trains jobs 0: this one waits for them"]


def test_a_run_that_somebody_else_was_faster_to_is_waited_for_too(sweep: list[Task]) -> None:
    theirs = sweep[0]
    opened = job.begun(theirs.run, theirs.folder, theirs.command)
    timer = threading.Timer(0.05, opened.folder.__exit__)  # it dies, and has committed nothing
    timer.start()
    found, said = followed(sweep, Here(), [])
    assert statuses(found) == dict.fromkeys(range(3), "completed")
    assert said == ["another process trains jobs 0: this one waits for them"]
    assert [each.number for each in found if isinstance(each, Outcome)] == [1, 2, 0]


def test_a_signal_ends_the_waiting(sweep: list[Task]) -> None:
    theirs = sweep[0]
    with job.begun(theirs.run, theirs.folder, theirs.command).folder:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
        with pytest.raises(Interrupted, match="stopped by signal 15"):
            followed([], Here(), [theirs])


def test_a_sweep_that_is_resumed_while_a_run_of_it_goes_on_elsewhere_waits_and_ends_whole(
    call: Call,  # noqa: F811
    tmp_path: Path,
) -> None:
    assert call("-m", "seed=range(2)", *TINY, "hydra.sweep.dir=sweep", "engine=here").code == 0
    whole = (tmp_path / "sweep" / "1" / "metrics.csv").read_bytes()
    shutil.rmtree(tmp_path / "sweep" / "1")
    run: Run = build.from_yaml((tmp_path / "sweep" / "0" / "config.yaml").read_text(), ())
    opened = job.begun(replace(run, seed=1), tmp_path / "sweep" / "1", "optrun seed=1")

    def finish() -> None:
        with opened.folder:
            job.work(opened, Silent(), pictures=False)

    timer = threading.Timer(0.5, finish)
    timer.start()
    answer = call("resume", "sweep", "engine=processes")
    timer.join()
    assert answer.code == 0, answer.err
    assert "another process trains jobs 1: this one waits for them\n" in answer.out
    assert (tmp_path / "sweep" / "1" / "metrics.csv").read_bytes() == whole


# The real submitit, with the executor that starts processes of this machine.


LOCAL = """
from runner.cli import command
from runner.sweep.engine import slurm

slurm.SUBMITIT = "local"
raise SystemExit(command())
"""


def test_a_sweep_through_submitit_is_that_of_one_process(tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed: pip install 'optrun[slurm]'")
    (tmp_path / "local.py").write_text(LOCAL)
    grid = ("-m", "optimizer=sgd,adam", "seed=range(2)", *TINY, "lanes=2")
    assert ran(*grid, "hydra.sweep.dir=here", "engine=here", cwd=tmp_path).code == 0
    words = ("engine=slurm", "workers=1", "engine.time=5")
    done = ran(*grid, "hydra.sweep.dir=there", *words, cwd=tmp_path, module="local")
    assert (done.code, done.err) == (0, "")
    assert "4 runs through Slurm, at most 1 job at a time, in there" in done.out
    for number in range(4):
        here, there = (tmp_path / name / str(number) / "metrics.csv" for name in ("here", "there"))
        assert here.read_bytes() == there.read_bytes()
    assert (tmp_path / "here" / "sweep.csv").read_bytes() == (tmp_path / "there" / "sweep.csv").read_bytes()
