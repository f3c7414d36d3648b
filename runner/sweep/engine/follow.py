"""A sweep in which others train too: runs that somebody else has are waited for, and taken over where he dies.

Somebody else is an errand of a process that was killed, which goes on or waits in the cluster still. Nobody asks which:
a run is trained by whoever holds its lock. So a run whose lock is held is left alone, and one that this sweep itself
hands out is given up where another was faster to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path

from runner.core.errors import CorruptError, Interrupted
from runner.core.signals import Signals
from runner.store.folder import ENDED, is_run, read_status
from runner.store.lock import in_use
from runner.sweep.engine.base import Engine, Event, Events, Tick
from runner.sweep.engine.errand import ended
from runner.sweep.group import Manner, Outcome, Task

LOOK_S = 0.5  # between two looks at the runs of others


def trained(
    engine: Engine,
    path: Path,
    groups: Sequence[Sequence[Task]],
    theirs: Sequence[Task],
    manner: Manner,
    workers: int,
    say: Callable[[str], None],
) -> Events:
    """Train the groups and wait for the tasks that are `theirs`, until there is an event for each of all these tasks.

    Raises what the engine raises.
    """
    waiting, theirs = list(groups), list(theirs)
    while waiting or theirs:
        by_number = {task.job.number: task for group in waiting for task in group}
        if waiting:
            with closing(engine.trained(path, waiting, manner, workers)) as events:
                for event in events:
                    if isinstance(event, Outcome) and event.summary["status"] == "locked":
                        theirs.append(by_number[event.number])
                    else:
                        yield event
        waiting = yield from followed(theirs, say)
        theirs = []


def followed(theirs: Sequence[Task], say: Callable[[str], None]) -> Generator[Event, None, list[Sequence[Task]]]:
    """Wait for the runs of others; returns those that they left unfinished, in groups of one."""
    if not theirs:
        return []
    listed = ", ".join(str(task.job.number) for task in theirs)
    say(f"another process trains jobs {listed}: this one waits for them")
    waiting = list(theirs)
    left: list[Sequence[Task]] = []
    with Signals() as signals:
        while waiting:
            for task in list(waiting):
                if in_use(task.folder):
                    continue
                waiting.remove(task)
                if found := outcome(task):
                    yield found
                else:
                    left.append([task])
            yield Tick(len(waiting))
            if number := signals.received:
                raise Interrupted(f"stopped by signal {number}", number)
            time.sleep(LOOK_S if waiting else 0)
    return left


def outcome(task: Task) -> Outcome | None:
    """What somebody else has made of a run; None where it can go on."""
    if not is_run(task.folder):
        return None
    try:
        status = read_status(task.folder)["status"]
    except CorruptError:
        return ended(task)
    return ended(task) if status in ENDED else None
