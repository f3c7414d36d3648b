"""The unit of work of a sweep: a group of runs that one process trains, side by side or one after the other.

Whoever trains a group (this process, a worker, a machine of a cluster: see `engine`) goes through `train_group`, and
nothing else of a sweep knows how a run is trained.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from runner import job, lanes
from runner.core import device as devices
from runner.core.errors import ConfigError, DiskError, Interrupted, LockedError, OptrunError, OutOfMemory, TakenError
from runner.core.signals import Signals
from runner.job import Opened
from runner.lanes import Lane
from runner.run import Material, Run, Shared, prepare
from runner.screen.base import Silent
from runner.store.folder import is_run
from runner.sweep import fuse
from runner.sweep.base import Job
from runner.train import Ending

LARGEST = 8  # runs of a group that train one after the other: what a killed worker costs at most
TURNS = 4  # such groups for each worker at least, so that none is idle for long at the end
# Runs side by side, unless the user says otherwise. With 128 the step of one is no shorter than with 32 on a processor.
# A GPU takes as long for one small network as for hundreds; there the number is a guess, for none was ever asked.
LANES = {"cpu": 32, "cuda": 512}
UNKNOWN = 512  # of a device that is elsewhere: who trains there halves a group that does not fit
FEWEST = 4  # for which it can pay; two take twice as long as one by one, as mapping has a price of its own
SPOKEN = 3  # programs of which the sweep says how they are trained

Lanes = int | Literal["auto", "off"]


@dataclass(frozen=True)
class Task:
    """A run of a sweep that has not ended.

    folder    where it lies, or will lie: a folder that holds a run is resumed
    together  whether it goes through the program of runs side by side
    """

    job: Job
    run: Run
    folder: Path
    command: str
    together: bool = False

    @classmethod
    def of(cls, sweep: Path, job: Job, run: Run, together: bool = False) -> Task:
        """The run of a job of a sweep that lies in a folder."""
        return cls(job, run, sweep / job.folder, f"optrun {' '.join(job.overrides)}", together)


@dataclass(frozen=True)
class Manner:
    """What holds for all runs of a sweep.

    pictures  whether each run draws its own
    threads   what `threads=auto` is: 1 where workers share the machine, also for a run that is resumed by itself
    """

    plugins: tuple[str, ...]
    pictures: bool
    threads: int | Literal["auto"]


@dataclass(frozen=True)
class Outcome:
    """What became of a run, as plain data: the content of its summary, its exit code, the trace of a bug."""

    number: int
    summary: dict[str, Any]
    exit_code: int
    trace: str = ""


@dataclass(eq=False)
class Member:
    """A run of a group that trains side by side, with its folder open."""

    task: Task
    opened: Opened
    lane: Lane

    @classmethod
    def of(cls, task: Task, opened: Opened) -> Member:
        job.recorded(opened.run, opened.folder, Silent())
        return cls(task, opened, Lane.of(opened.run, opened.m, opened.folder, Silent()))

    @property
    def step(self) -> tuple[int, int]:
        """Where it stands."""
        return self.lane.at.step, self.lane.at.batch


def groups(
    tasks: Sequence[Task], workers: int, wanted: Lanes, known: dict[str, bool], say: Callable[[str], None]
) -> list[list[Task]]:
    """The tasks in groups: those that train side by side, then the others in the order of their jobs.

    wanted: how many side by side at most; auto: as many as pay, if measuring shows that it is faster; off: none
    known: program -> whether its runs train side by side; what is decided here is noted. A sweep keeps to it when it is
        resumed, since the two ways round differently
    """
    found: list[list[Task]] = []
    alone: list[Task] = []
    by_program: dict[str, list[Task]] = {}
    for task in tasks:
        if fuse.program(task.run) is None:
            alone.append(task)
        else:
            by_program.setdefault(fuse.key_of(task.run), []).append(task)
    for program, members in by_program.items():
        room = Room(members[0].run, workers)
        if program not in known:
            known[program] = pays(members, workers, wanted, room, say if len(known) < SPOKEN else lambda text: None)
        if known[program]:
            size = even(len(members), workers, min(wanted if isinstance(wanted, int) else room.usual, room.fits))
            found += chunks([replace(task, together=True) for task in members], size)
        else:
            alone += members
    alone.sort(key=lambda task: task.job.number)
    return found + chunks(alone, max(1, min(LARGEST, len(alone) // (TURNS * workers))))


@dataclass
class Room:
    """What a program works on, read when it is first asked for, and how many of its runs fit into memory."""

    run: Run
    workers: int

    @cached_property
    def m(self) -> Material:
        return prepare(self.run)

    @property
    def usual(self) -> int:
        """How many go side by side on its device, where it does not matter otherwise."""
        if not devices.is_here(self.run.device):
            return UNKNOWN
        return LANES.get(devices.resolve(self.run.device).type, LANES["cpu"])

    @cached_property
    def fits(self) -> int:
        """An estimate; 1 where the run cannot even be prepared, which it will say itself."""
        if not devices.is_here(self.run.device):
            return UNKNOWN
        try:
            return fuse.most(self.run, self.m, self.workers)
        except OptrunError:
            return 1


def pays(tasks: Sequence[Task], workers: int, wanted: Lanes, room: Room, say: Callable[[str], None]) -> bool:
    """Whether tasks that could share a program train side by side."""
    if wanted != "auto":
        return wanted not in ("off", 1) and len(tasks) > 1
    if even(len(tasks), workers, LANES["cpu"]) < FEWEST:
        return False
    try:
        size = even(len(tasks), workers, min(room.usual, room.fits))
        if size < FEWEST:
            return False
        found = fuse.verdict(room.run, room.m, size)
    except OptrunError:
        return False  # it will be met again, and told, in the run's own turn
    how = f"{size} at a time, side by side" if found.together else "one after the other"
    say(f"{len(tasks)} runs train {how}: {found.words}")
    return found.together


def chunks(tasks: Sequence[Task], size: int) -> list[list[Task]]:
    """Neighbours together, so many at a time."""
    return [list(tasks[start : start + size]) for start in range(0, len(tasks), size)]


def even(count: int, workers: int, limit: int) -> int:
    """The size of groups that are as large as `limit` allows and keep all workers busy.

    >>> even(32, 2, 32), even(40, 2, 32), even(100, 2, 32), even(3, 2, 32), even(1000, 2, 32)
    (16, 20, 25, 2, 32)
    """
    rounds = -(-count // (limit * workers))
    return min(limit, -(-count // (rounds * workers)))


def train_group(group: Sequence[Task], manner: Manner, shared: Shared) -> Iterator[Outcome]:
    """Train the runs of a group and yield what became of each as it ends.

    Raises `Interrupted` after a signal, with everything committed, and `DiskError`, which the next run would meet too.
    """
    if group[0].together:
        yield from trained_together(group, manner, shared)
        heed_missed()
    else:
        for task in group:
            yield trained(task, manner, shared)
            heed_missed()


def heed_missed() -> None:
    """Stop here where a signal came just as a run ended, which then was not stopped by it."""
    if number := Signals.missed:
        Signals.missed = 0
        raise Interrupted(f"stopped by signal {number}", number)


def trained(task: Task, manner: Manner, shared: Shared) -> Outcome:
    """Train a new run, or go on with one that was cut off; whatever happens to it is its outcome."""
    try:
        if is_run(task.folder):
            result = job.resume(task.folder, manner.plugins, Silent(), manner.pictures, shared)
        else:
            result = job.start(settled(task, manner), task.folder, task.command, Silent(), manner.pictures, shared)
        return Outcome(task.job.number, result.summary, result.exit_code)
    except Exception as error:
        return outcome(task, error)


def settled(task: Task, manner: Manner) -> Run:
    """The run of a task with the number of threads that the sweep has for it."""
    return replace(task.run, threads=manner.threads) if task.run.threads == "auto" else task.run


def trained_together(group: Sequence[Task], manner: Manner, shared: Shared) -> Iterator[Outcome]:
    """The same for runs side by side."""
    waiting: list[Member] = []
    try:
        ready: list[tuple[Task, Run, Material]] = []
        for task in group:
            try:
                if is_run(task.folder):
                    waiting.append(Member.of(task, job.taken_up(task.folder, manner.plugins, Silent(), shared)))
                else:
                    ready.append((task, *job.prepared(settled(task, manner), shared)))
            except Exception as error:
                yield outcome(task, error)
        for (task, _, _), found in zip(ready, lanes.at_once(partial(claimed, waiting), ready), strict=True):
            if found is not None:
                yield outcome(task, found)
        waiting.sort(key=lambda each: each.task.job.number)
        while waiting:
            yield from in_step([each for each in waiting if each.step == waiting[0].step], waiting, manner)
    except OutOfMemory as error:
        left = [each.task for each in waiting]
        close(waiting)
        if len(left) == 1:
            yield outcome(left[0], error)
            return
        for half in (left[: len(left) // 2], left[len(left) // 2 :]):  # from where each was committed
            yield from trained_together(half, manner, shared)
    except (Interrupted, GeneratorExit) as error:  # a signal that came where none of these was in training
        for each in waiting:
            job.note(each.opened.folder, error)
        raise
    finally:
        close(waiting)


def claimed(waiting: list[Member], ready: tuple[Task, Run, Material]) -> Exception | None:
    """Put the run of a task, in a new folder, among those that wait; or say why it has none."""
    task, run, m = ready
    try:
        waiting.append(Member.of(task, job.claimed(run, m, task.folder, task.command, together=True)))
    except Exception as error:
        return error
    return None


def close(waiting: list[Member]) -> None:
    """Give the folders back of runs that have not ended here."""
    while waiting:
        waiting.pop().opened.folder.__exit__()


def concluded(opened: job.Opened, ending: Ending) -> job.Result:
    """Write what became of a run; pictures are drawn later."""
    return job.finished(opened.run, opened.folder, ending, Silent(), pictures=False)


def in_step(members: Sequence[Member], waiting: list[Member], manner: Manner) -> Iterator[Outcome]:
    """Train runs that stand at one step; each is taken out of `waiting` as it ends."""
    left = {id(each.lane): each for each in members}
    members[0].opened.m.settle()  # alike in all that share a program
    try:
        with job.memory_errors():
            for endings in lanes.train([each.lane for each in members]):
                ended = [(left[id(lane)], ending) for lane, ending in endings]
                results = lanes.at_once(lambda each: concluded(each[0].opened, each[1]), ended)
                for one, _ in ended:
                    del left[id(one.lane)]
                    waiting.remove(one)
                    close([one])
                for (one, _), result in zip(ended, results, strict=True):
                    if manner.pictures:
                        job.pictured(result.path, Silent())
                    yield Outcome(one.task.job.number, result.summary, result.exit_code)
    except BaseException as error:
        for each in left.values():
            job.note(each.opened.folder, error)
        if isinstance(error, OutOfMemory) or not isinstance(error, Exception):
            raise
        for each in left.values():
            told = outcome(each.task, error)
            waiting.remove(each)
            close([each])
            yield told


def outcome(task: Task, error: Exception) -> Outcome:
    """The outcome of a run that raised; `Interrupted` and `DiskError` end more than that run."""
    match error:
        case Interrupted() | DiskError():
            raise error
        case LockedError() | TakenError():
            return failed(task.job, "locked", error)
        case ConfigError():
            return failed(task.job, "refused", error)
        case OptrunError():
            return failed(task.job, "failed", error)
        case _:
            return failed(task.job, "failed", error, "".join(traceback.format_exception(error)))


def failed(each: Job, status: str, error: Exception, trace: str = "") -> Outcome:
    """The outcome of a run that did not end by itself."""
    verdict = "; ".join(line.strip() for line in str(error).splitlines()) or type(error).__name__
    return Outcome(each.number, {"status": status, "verdict": verdict}, getattr(error, "exit_code", 1), trace)
