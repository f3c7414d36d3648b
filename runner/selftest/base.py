"""The self-test: what the program promises, tried on the machine at hand.

An area is one promise with the trials that could refute it. What varies is the fault; what is fixed: it is injected
into the program as users run it, a process of its own (`program` starts them), and what is left is compared with what
was promised. An area finds out by its trials alone, never by asking the program whether it held.

    base      an area and its trials
    program   the program in a process of its own, and what it left compared bit by bit
    fed       a process that answers orders
    forked    the program as it is, thousands of times, from a process that has imported everything
    nursery   the same with a fault in it, in a crowd, or sent signals
    inside/   programs that are optrun with a fault in it, and those two processes
    launch    all areas, several at a time
    report    the table, on the screen and in README.md
    *         every other file is one area
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

Effort = Literal["short", "full"]


class NotHeld(Exception):
    """A trial that ended because something that was promised did not come; the message is what was seen instead."""


@dataclass(frozen=True)
class Trial:
    """One attempt to refute a promise.

    what     what was done, as "SIGKILL after fsync 17, adam with dropout"
    held     whether the promise held
    seen     what was seen instead, where it did not
    seconds  how long it took, where the promise has a time in it
    """

    what: str
    held: bool
    seen: str = ""
    seconds: float = 0.0


class Area(ABC):
    """A promise and how to try it.

    A short form takes about 15 seconds of one processor, so that all areas together end within two minutes on two.

    name     the file's
    promise  one short sentence for the table
    note     what a platform cannot keep of it, in plain words; nothing where there is no such thing
    """

    name: ClassVar[str]
    promise: ClassVar[str]
    note: ClassVar[str] = ""

    @abstractmethod
    def trials(self, folder: Path, effort: Effort) -> Iterator[Trial]:
        """Do what could refute the promise in an empty `folder`; a trial that held may remove what it left there.

        A `NotHeld` that is raised counts as a trial that did not hold, and ends the area.
        """
