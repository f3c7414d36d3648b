"""The unit of work of a sweep: a group of runs that one process trains.

Whoever trains a group (this process, or a worker of `engine`) goes through `train_group`, and nothing else of a sweep
knows how a run is trained.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from runner import job
from runner.core.errors import ConfigError, DiskError, Interrupted, LockedError, OptrunError
from runner.run import Run, Shared
from runner.screen.base import Silent
from runner.store.folder import is_run
from runner.sweep.base import Job

LARGEST = 8  # runs of a group: what a killed worker costs at most
TURNS = 4  # groups for each worker at least, so that none is idle for long at the end


@dataclass(frozen=True)
class Task:
    """A run of a sweep that has not ended.

    folder  where it lies, or will lie: a folder that holds a run is resumed
    """

    job: Job
    run: Run
    folder: Path
    command: str


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


def groups(tasks: Sequence[Task], workers: int) -> list[list[Task]]:
    """The tasks in the order of their jobs, in groups small enough that all workers are busy until the end.

    >>> [len(group) for group in groups(range(32), 2)], [len(group) for group in groups(range(5), 2)]
    ([4, 4, 4, 4, 4, 4, 4, 4], [1, 1, 1, 1, 1])
    """
    size = max(1, min(LARGEST, len(tasks) // (TURNS * workers)))
    return [list(tasks[start : start + size]) for start in range(0, len(tasks), size)]


def train_group(group: Sequence[Task], manner: Manner, shared: Shared) -> Iterator[Outcome]:
    """Train the runs of a group and yield what became of each as it ends.

    Raises `Interrupted` after a signal, with everything committed, and `DiskError`, which the next run would meet too.
    """
    for task in group:
        yield trained(task, manner, shared)


def trained(task: Task, manner: Manner, shared: Shared) -> Outcome:
    """Train a new run, or go on with one that was cut off; whatever happens to it is its outcome."""
    try:
        if is_run(task.folder):
            result = job.resume(task.folder, manner.plugins, Silent(), manner.pictures, shared)
        else:
            run = replace(task.run, threads=manner.threads) if task.run.threads == "auto" else task.run
            result = job.start(run, task.folder, task.command, Silent(), manner.pictures, shared)
        return Outcome(task.job.number, result.summary, result.exit_code)
    except (Interrupted, DiskError):
        raise
    except LockedError as error:
        return failed(task.job, "locked", error)
    except ConfigError as error:
        return failed(task.job, "refused", error)
    except OptrunError as error:
        return failed(task.job, "failed", error)
    except Exception as error:
        return failed(task.job, "failed", error, traceback.format_exc())


def failed(each: Job, status: str, error: Exception, trace: str = "") -> Outcome:
    """The outcome of a run that did not end by itself."""
    verdict = "; ".join(line.strip() for line in str(error).splitlines()) or type(error).__name__
    return Outcome(each.number, {"status": status, "verdict": verdict}, getattr(error, "exit_code", 1), trace)
