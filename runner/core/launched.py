"""Which process of how many this is, as a launcher like torchrun says in the environment; read without torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")  # torchrun sets them in every process it starts


@dataclass(frozen=True)
class Place:
    """The number of a process, 0 .. size - 1, among all of a run and among those on its machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def shared(self) -> bool:
        """Whether a run is shared among several processes."""
        return self.size > 1


def place(environment: Mapping[str, str] = os.environ) -> Place:
    """Where this process stands; alone where the environment does not say all of it.

    >>> place({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"})
    Place(rank=1, size=2, local_rank=1, local_size=2)
    >>> place({"RANK": "1"})
    Place(rank=0, size=1, local_rank=0, local_size=1)
    """
    numbers = [environment.get(name, "") for name in NAMES]
    return Place(*map(int, numbers)) if all(number.isdecimal() for number in numbers) else Place()


class Voice:
    """Who of several processes says how a command ended: one of them, once."""

    def __init__(self) -> None:
        self._first: Callable[[], bool] | None = None

    def met(self, first: Callable[[], bool]) -> None:
        """From now on the processes can tell which of them is the `first` that has something to say."""
        self._first = first

    def speaks(self) -> bool:
        """Whether it is this process; number 0 before they have met, when all say the same."""
        return place().rank == 0 if self._first is None else self._first()


VOICE = Voice()
