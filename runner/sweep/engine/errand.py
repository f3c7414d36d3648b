"""The other end of a cluster: what a machine is asked to do, and what it tells of it.

An errand names a group by the folder of its sweep and the numbers of its jobs; everything else is read there. What a
run came to is in its folder. Beside that the machine leaves a report, a small JSON file: which of its runs it is done
with, why one of them never got a folder, and what stopped it. The process that sent it off may be gone by then, and an
errand may be late: another one may have trained its runs meanwhile. The lock of each run decides who has it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from runner import build
from runner.core.errors import ConfigError, CorruptError, DiskError, Interrupted
from runner.core.signals import HEEDED
from runner.job import exit_code
from runner.run import Shared
from runner.store.base import read_json, write_json
from runner.store.folder import ENDED, read_status
from runner.store.form import refuse_other_form
from runner.sweep.base import read_jobs
from runner.sweep.grid import Choices
from runner.sweep.group import Manner, Outcome, Task, failed, train_group
from runner.sweep.worker import interrupted

CORNER = ".cluster"  # of a sweep's folder: reports, and what the engine keeps there
# The form of a report.
TOLD = {"number": int, "summary": {"status": str, "verdict": str}, "exit_code": int, "trace": str}
REPORT = {"outcomes": [TOLD], "stopped": str, "disk": str}


@dataclass(frozen=True)
class Errand:
    """A group to train, as plain data.

    sweep     the folder of the sweep, for all machines under one path
    together  whether its runs go through the program of runs side by side
    cwd       from where data and packages of the user's are found
    name      of the report
    """

    sweep: Path
    numbers: tuple[int, ...]
    together: bool
    manner: Manner
    cwd: Path
    name: str

    @property
    def report(self) -> Path:
        return self.sweep / CORNER / f"{self.name}.json"


@dataclass
class Report:
    """What became of an errand so far.

    outcomes  of the runs that it is done with, by number; of one that has ended, its folder tells more
    stopped   what ended it before it was through
    disk      what the disk said, which every other errand would meet too
    """

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    stopped: str = ""
    disk: str = ""

    def write(self, file: Path) -> None:
        """Replace the file."""
        outcomes = [asdict(each) | {"summary": short(each.summary)} for each in self.outcomes.values()]
        write_json(file, {"outcomes": outcomes, "stopped": self.stopped, "disk": self.disk})

    @classmethod
    def read(cls, file: Path) -> Report:
        """Raises `CorruptError` where the file does not hold a report."""
        content = read_json(file)
        refuse_other_form(file, content, REPORT)
        outcomes = [Outcome(**each) for each in content["outcomes"]]
        return cls({each.number: each for each in outcomes}, content["stopped"], content["disk"])


def short(summary: dict[str, Any]) -> dict[str, str]:
    """What a report says of a run."""
    return {"status": summary["status"], "verdict": summary["verdict"]}


def run(errand: Errand) -> None:
    """Train the group of an errand, from a process of its own on any machine that sees the folder of the sweep.

    A signal lets it commit and stop. Raises `OSError` where the machine does not have the folder.
    """
    os.chdir(errand.cwd)
    if errand.manner.plugins:
        sys.path.insert(0, str(errand.cwd))
    torch.set_num_threads(1)
    report = Report()
    report.write(errand.report)
    try:
        with heeded():
            for outcome in outcomes(errand):
                report.outcomes[outcome.number] = outcome
                report.write(errand.report)
    except Interrupted as error:
        report.stopped = f"was {error}"
    except DiskError as error:
        report.disk = str(error)
    report.write(errand.report)


def outcomes(errand: Errand) -> Iterator[Outcome]:
    """Train the group, as the list of jobs describes it now."""
    jobs = {job.number: job for job in read_jobs(errand.sweep)[0]}
    tasks, choices = [], Choices()
    for number in errand.numbers:
        try:
            made = choices.run(build.SINCE | jobs[number].config, errand.manner.plugins)
            tasks.append(Task.of(errand.sweep, jobs[number], made, errand.together))
        except ConfigError as error:
            yield failed(jobs[number], "refused", error)
    if tasks:
        yield from train_group(tasks, errand.manner, Shared())


@contextmanager
def heeded() -> Iterator[None]:
    """Signals stop what goes on within, between two runs too. Slurm and Ray have handlers of their own before."""
    before = {number: signal.signal(number, interrupted) for number in HEEDED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def told(task: Task, outcome: Outcome) -> Outcome:
    """What a report says of a run; how it ended is said by its folder."""
    if outcome.summary["status"] not in ENDED:
        return outcome
    return ended(task)


def ended(task: Task) -> Outcome:
    """The outcome of a run that has ended, from its folder."""
    try:
        summary = read_status(task.folder)
    except CorruptError as damage:
        return failed(task.job, "failed", damage)
    return Outcome(task.job.number, summary, exit_code(summary))
