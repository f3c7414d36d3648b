"""On machines of a cluster: groups are sent off as errands, and what became of them is read from the sweep's folder.

What this process is told directly is only how an errand ended. It may be killed at any time: the errands go on or end
with it, as the cluster has it, and whoever resumes the sweep finds what they left.
"""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Protocol

from runner.core.check import Count, Index
from runner.core.errors import DiskError, Interrupted
from runner.core.signals import Signals
from runner.store.base import disk
from runner.sweep.engine.base import Engine, Event, Events, Lost, Tick
from runner.sweep.engine.errand import CORNER, Errand, Report, told
from runner.sweep.group import Lanes, Manner, Outcome, Task

LOOK_S = 0.5  # between two looks at the reports
PATIENCE_S = 60.0  # for errands that were called off to commit; Slurm kills a job 30 s after the signal (KillWait)


class Ticket(Protocol):
    """An errand that the cluster has taken.

    name  what a person asks the cluster for
    """

    @property
    def name(self) -> str: ...

    def ended(self) -> str:
        """How it ended, as in "was killed"; nothing as long as it waits or works."""


@dataclass(frozen=True)
class Cluster(Engine):
    """Something that finds a machine for each group.

    cpus  processors for a group; its runs use several of them where a step is large enough
    gpus  graphics processors for a group
    """

    elsewhere: ClassVar[bool] = True

    cpus: Count = 1
    gpus: Index = 0

    def threads(self, workers: int) -> int | Literal["auto"]:
        return 1 if self.cpus == 1 else "auto"

    def lanes(self, wanted: Lanes) -> Lanes:
        """Runs on a GPU do not train side by side; this machine, which may have none, would not know."""
        return "off" if self.gpus and wanted == "auto" else wanted

    def connect(self, workers: int) -> None:
        """Reach the cluster. It comes before signals are heeded: a library may take their handlers for itself."""
        return

    @abstractmethod
    def sent(self, errands: Sequence[Errand], workers: int) -> Sequence[Ticket]:
        """Hand errands to the cluster, so many of which run at a time."""

    @abstractmethod
    def called_off(self, tickets: Sequence[Ticket]) -> None:
        """Take back those that wait, and let those that work commit and stop."""

    def trained(self, path: Path, groups: Sequence[Sequence[Task]], manner: Manner, workers: int) -> Events:
        with disk(path / CORNER, "make"):
            (path / CORNER).mkdir(exist_ok=True)
        cwd = Path.cwd()
        errands = [
            Errand(path, tuple(task.job.number for task in group), group[0].together, manner, cwd, os.urandom(6).hex())
            for group in groups
        ]
        self.connect(workers)
        with Signals() as signals:
            tickets = self.sent(errands, workers)
            sent = [Sent(*each) for each in zip(errands, groups, tickets, strict=True)]
            yield from Dispatch(self, sent, signals).events()


@dataclass
class Sent:
    """An errand, its tasks and its ticket.

    left  the numbers of the jobs of which it has not told yet
    """

    errand: Errand
    tasks: Sequence[Task]
    ticket: Ticket
    report: Report = field(default_factory=Report)
    begun: bool = False
    left: set[int] = field(init=False)

    def __post_init__(self) -> None:
        self.left = {*self.errand.numbers}

    @property
    def running(self) -> int:
        """How many runs it trains now."""
        return 0 if not self.begun else len(self.left) if self.errand.together else min(1, len(self.left))

    def news(self) -> Iterator[Outcome]:
        """What has come in since the last look."""
        if not self.errand.report.exists():
            return
        self.begun = True
        self.report = Report.read(self.errand.report)
        for task in self.tasks:
            number = task.job.number
            if number in self.left and number in self.report.outcomes:
                self.left.remove(number)
                yield told(task, self.report.outcomes[number])

    def lost(self, how: str) -> Lost:
        """What it will not tell any more."""
        return Lost(tuple(sorted(self.left)), self.report.stopped or how, self.ticket.name)


class Dispatch:
    """Errands that are out, until each has told of all its jobs or has ended."""

    def __init__(self, cluster: Cluster, sent: list[Sent], signals: Signals) -> None:
        self.cluster = cluster
        self.out = sent
        self.signals = signals

    def events(self) -> Events:
        try:
            while self.out:
                yield Tick(sum(each.running for each in self.out))
                yield from self.heard()
                if number := self.signals.received:
                    yield from self.stopped()
                    raise Interrupted(f"stopped by signal {number}", number)
                time.sleep(LOOK_S)
        finally:
            self.cluster.called_off([each.ticket for each in self.out])

    def heard(self) -> Iterator[Event]:
        """What has become of the errands since the last look."""
        for each in list(self.out):
            how = each.ticket.ended()  # before the last look at the report: it tells of all that came before
            if how:
                each.errand.report.parent.touch()  # which makes NFS look at that folder anew
            yield from each.news()
            if each.report.disk:
                yield from self.stopped()
                raise DiskError(each.report.disk)
            if each.left and how:
                yield each.lost(how)
            if how or not each.left:
                self.out.remove(each)

    def stopped(self) -> Iterator[Outcome]:
        """Call all errands off; what they still have to tell."""
        self.cluster.called_off([each.ticket for each in self.out])
        deadline = time.monotonic() + PATIENCE_S
        while self.out and time.monotonic() < deadline:
            for each in list(self.out):
                how = each.ticket.ended()
                yield from each.news()
                if how or each.report.stopped or each.report.disk or not each.left:
                    self.out.remove(each)
            time.sleep(LOOK_S)
