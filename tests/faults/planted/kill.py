"""A resumed run forgets how far the epoch in progress was."""

from __future__ import annotations

from typing import Any

from runner import train

restored = train.State.restored.__func__  # type: ignore[attr-defined]


def forgetful(cls: type[train.State], *arguments: Any) -> train.State:
    state: train.State = restored(cls, *arguments)
    state.batch = 0
    return state


train.State.restored = classmethod(forgetful)  # type: ignore[assignment, method-assign]
