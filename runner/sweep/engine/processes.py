"""In workers: processes on this machine, one thread each, that take group after group.

Workers are forked where that is safe: they start in milliseconds and share all that is imported, where a fresh
interpreter takes a second to import torch. It is safe as long as this process has run no torch operation on several
threads and no GPU is there; otherwise, and where the system cannot fork, they are spawned.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import final

import torch

from runner.core import device
from runner.core.errors import DiskError, Interrupted
from runner.core.signals import PASSED_ON, Signals
from runner.sweep.engine.base import Engine, Event, Events, Lost, Tick, Workers
from runner.sweep.group import Manner, Outcome, Task
from runner.sweep.worker import held_back, work

LOOK_S = 0.1  # between two looks at signals and at the clock
PATIENCE_S = 0.5  # for a worker that has nothing more to do


@final
@dataclass(frozen=True)
class Processes(Engine):
    """A pool of workers."""

    def workers(self, jobs: int, wanted: Workers) -> int:
        """As many as there are processors; a machine with a GPU has its work done by one."""
        if wanted == "auto":
            wanted = device.cores() if device.available() == ["cpu"] else 1
        return max(1, min(int(wanted), jobs))

    def trained(self, path: Path, groups: Sequence[Sequence[Task]], manner: Manner, workers: int) -> Events:
        return Crew(groups, manner, workers).events()


@dataclass
class Worker:
    """A process, our end of its pipe, and the numbers of the jobs that it has not reported yet."""

    process: BaseProcess
    pipe: Connection
    numbers: list[int] = field(default_factory=list)


class Crew:
    """Workers and the groups that wait for one."""

    def __init__(self, groups: Sequence[Sequence[Task]], manner: Manner, workers: int) -> None:
        self.tasks = {task.job.number: task for group in groups for task in group}
        self.manner = manner
        self.waiting = deque(tuple(task.job.number for task in group) for group in groups)
        self.size = min(workers, len(self.waiting))
        self.crew: list[Worker] = []
        self.context = get_context("fork" if forkable() else "spawn")

    def events(self) -> Events:
        torch.set_num_threads(1)  # before anything else is computed here: a pool of threads does not survive a fork
        gc.freeze()  # looking through shared memory for garbage would copy it
        try:
            with Signals() as signals:
                while self.waiting or any(worker.numbers for worker in self.crew):
                    self.hire()
                    yield Tick(sum(self.running(worker) for worker in self.crew))
                    yield from self.heard()
                    if signals.received:
                        yield from self.stopped(signals.received)
                        raise Interrupted(f"stopped by signal {signals.received}", signals.received)
        finally:
            self.dismiss()

    def hire(self) -> None:
        """As many workers as there is work for, each with a group."""
        while len(self.crew) < self.size and self.waiting:
            self.crew.append(self.hired())
        for worker in self.crew:
            if not worker.numbers and self.waiting:
                self.give(worker)

    def running(self, worker: Worker) -> int:
        """How many runs a worker trains now."""
        together = worker.numbers and self.tasks[worker.numbers[0]].together
        return len(worker.numbers) if together else min(1, len(worker.numbers))

    def hired(self) -> Worker:
        ours, theirs = self.context.Pipe()
        forked = self.context.get_start_method() == "fork"
        others = [ours, *(worker.pipe for worker in self.crew)] if forked else []
        process = self.context.Process(  # type: ignore[attr-defined]  # which a context has, whatever typeshed says
            target=work, args=(self.tasks, self.manner, theirs, others), daemon=True
        )
        with warnings.catch_warnings(), held_back():  # a signal waits until the worker can heed it
            # Python 3.12 warns of threads at a fork. Those of BLAS are no danger: it stops and starts them around it.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        theirs.close()
        return Worker(process, ours)

    def give(self, worker: Worker) -> None:
        """The next group, for a worker that is free; one that has died meanwhile is noticed by its closed pipe."""
        numbers = self.waiting.popleft()
        worker.numbers = list(numbers)
        try:
            worker.pipe.send(numbers)
        except OSError:
            pass

    def heard(self, timeout: float = LOOK_S) -> Iterator[Event]:
        """What the workers report within so many seconds."""
        by_pipe = {worker.pipe: worker for worker in self.crew}
        for pipe in connection.wait(list(by_pipe), timeout):
            worker = by_pipe[pipe]  # type: ignore[index]
            try:
                report = worker.pipe.recv()
            except (EOFError, OSError):
                yield from self.buried(worker)
                continue
            if isinstance(report, DiskError):
                yield from self.stopped()
                raise report
            worker.numbers.remove(report.number)
            if not worker.numbers and self.waiting:
                self.give(worker)  # before the sweep does something with the report
            yield report

    def buried(self, worker: Worker) -> Iterator[Event]:
        """Notice that a worker has ended; what it was at is lost for now."""
        worker.process.join()
        worker.pipe.close()
        self.crew.remove(worker)
        if worker.numbers:
            code = worker.process.exitcode or 0
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            yield Lost(tuple(worker.numbers), how)

    def stopped(self, number: int = signal.SIGTERM) -> Iterator[Event]:
        """Pass a signal on to all workers, which commit and stop; what they still have to report."""
        self.waiting.clear()
        for worker in self.crew:
            if worker.process.pid and worker.process.is_alive():
                os.kill(worker.process.pid, PASSED_ON.get(number, number))
            with suppress(OSError):
                worker.pipe.send(None)  # one that has just become free may have taken the signal for its last run's
        while any(worker.process.is_alive() for worker in self.crew):
            for event in self.heard():
                if isinstance(event, Outcome):
                    yield event

    def dismiss(self) -> None:
        """Let the workers go; those that are still at work, since this process leaves in a hurry, are killed."""
        for worker in self.crew:
            if worker.numbers:
                worker.process.kill()
            else:
                try:
                    worker.pipe.send(None)
                except OSError:
                    pass
        deadline = time.monotonic() + PATIENCE_S
        for worker in self.crew:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()
        self.crew.clear()


def forkable() -> bool:
    """Whether a fork of this process can compute: on Linux, without a GPU, whose state does not survive it."""
    return sys.platform == "linux" and device.available() == ["cpu"]
