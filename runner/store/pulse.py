"""When a run looks up from its steps, and what it sees then."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from runner.core.signals import Signals

LOOK_S = 0.1  # between two looks: a screen that moves, and a commit about once a second, need no more


class Pulse(Protocol):
    """How often the loop looks up."""

    def starts(self) -> None:
        """An epoch begins, after whose first step it looks."""

    def beats(self, step: int) -> bool:
        """Whether it looks up after this step, `step` being the number of steps so far."""

    def seen(self) -> tuple[int, bool]:
        """(the signal that asks to stop, 0 if there is none; whether a commit is due)."""


class OwnPulse:
    """That of a run on one process: at once after a signal, else ten times a second.

    due_at  the time from which on a commit is due
    """

    def __init__(self, signals: Signals, due_at: Callable[[], float]) -> None:
        self._signals, self._due_at = signals, due_at
        self._look = 0.0

    def starts(self) -> None:
        self._look = 0.0

    def beats(self, step: int) -> bool:
        return bool(self._signals.received) or time.monotonic() > self._look

    def seen(self) -> tuple[int, bool]:
        self._look = time.monotonic() + LOOK_S
        return self._signals.received, self._look > self._due_at()
