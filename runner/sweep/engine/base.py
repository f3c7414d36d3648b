"""What trains the groups of a sweep: in this process, in workers on this machine, or on the machines of a cluster.

The unit that is handed out is a group: runs that one process trains, side by side or one after the other (`group`). An
engine yields an event for everything that the sweep should know, and leaves nothing behind that still works for it,
however it is left. Where the groups wait and what machine takes them is left to what does that for a living: a pool of
processes, Slurm, Ray.

What a run came to stands in its folder and nowhere else. So a process that hands out may die: whoever takes the sweep
up again sees by the status and the lock of every run which of them has ended, which somebody trains at this moment, and
which is lost.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from runner.core.check import Choice
from runner.sweep.group import Lanes, Manner, Outcome, Task


@dataclass(frozen=True)
class Lost:
    """What had these jobs in hand ended without them; they can be resumed.

    who  what it was, in words
    """

    numbers: tuple[int, ...]
    how: str
    who: str = "a worker process"


@dataclass(frozen=True)
class Tick:
    """Time has passed; so many runs are being trained."""

    running: int


Workers = int | Literal["auto"]
Event = Outcome | Lost | Tick
Events = Generator[Event, None, None]


@dataclass(frozen=True)
class Engine(Choice, ABC):
    """Something that trains groups.

    elsewhere  whether it does so out of reach of this process, which then may end before the runs do
    typed      arguments that are not taken from the folder of a sweep, but only from whoever types a command (`kept`)
    """

    elsewhere: ClassVar[bool] = False
    typed: ClassVar[tuple[str, ...]] = ()

    def ready(self, wanted: Workers) -> None:
        """`ConfigError` where something is missing that it needs, or it cannot have so many workers; asked before
        anything is written."""
        return

    @abstractmethod
    def workers(self, jobs: int, wanted: Workers) -> int:
        """How many groups are trained at a time."""

    def threads(self, workers: int) -> int | Literal["auto"]:
        """What `threads=auto` of a run is: 1 where others share its machine."""
        return "auto" if workers == 1 else 1

    def lanes(self, wanted: Lanes) -> Lanes:
        """How many runs train side by side at most."""
        return wanted

    def words(self, workers: int) -> str:
        """Where the runs train, as the end of "8 runs"."""
        return f" on {workers} workers" if workers > 1 else ""

    @abstractmethod
    def trained(self, path: Path, groups: Sequence[Sequence[Task]], manner: Manner, workers: int) -> Events:
        """Train the groups of the sweep in `path`.

        Raises `Interrupted` after a signal, with everything committed, and `DiskError`.
        """
