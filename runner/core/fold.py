"""A left fold over rows that only grow, which does not begin again with every new row.

Schedules and stop rules are pure functions of all rows so far. One that is asked in every step, or whose answer needs
every row, would read n rows n times: after ten thousand epochs, seconds. Here the state after the rows seen last is
kept beside the choice; the answer is the one that a fold from the start would give, as long as rows are appended and
never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Item = TypeVar("Item")
State = TypeVar("State")

# Choices whose last state is kept: 128 runs side by side have a schedule and some stop rules each. With fewer, every
# step would push out what the next one asks for, and each fold would begin again.
MOST = 512


@dataclass(frozen=True)
class Kept:
    """The state after the first `count` of `rows`, of which `last` is the last; held, `owner` keeps its id."""

    owner: object
    rows: Sequence[Any]
    count: int
    last: Any
    state: Any


_kept: dict[int, Kept] = {}


def folded(owner: object, rows: Sequence[Item], start: State, step: Callable[[State, Item], State]) -> State:
    """step(... step(step(start, rows[0]), rows[1]) ..., rows[-1]); the state must be immutable.

    owner: whose fold it is; it always gives the same `start` and `step`

    >>> folded("sum", [1, 2, 3], 0, lambda total, item: total + item)
    6
    """
    kept = _kept.get(id(owner))
    if kept is not None and kept.owner is owner and kept.rows is rows and goes_on(kept, rows):
        if kept.count == len(rows):
            state: State = kept.state
            return state
        count, state = kept.count, kept.state
    else:
        count, state = 0, start
    for at in range(count, len(rows)):
        state = step(state, rows[at])
    _kept.pop(id(owner), None)
    while len(_kept) >= MOST:
        _kept.pop(next(iter(_kept)), None)  # the oldest
    _kept[id(owner)] = Kept(owner, rows, len(rows), rows[-1] if rows else None, state)
    return state


def goes_on(kept: Kept, rows: Sequence[Any]) -> bool:
    """Whether `rows` begin with those of which the state is kept, by what can be seen without reading them all."""
    return kept.count == 0 or (kept.count <= len(rows) and rows[kept.count - 1] is kept.last)
