"""Signals that ask a run to stop: noted when they come, honoured between two steps.

The first SIGINT (Ctrl-C), SIGTERM, SIGHUP or SIGUSR1 (by which Slurm warns of the end of a job's time) lets the step in
progress end, so that the run can commit; a second SIGINT stops at once, which loses what was not committed but never
what was.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, ClassVar

from runner.core.errors import Interrupted

# SIGUSR2 is a Ctrl-C that was passed on to a worker: that of the terminal, which reaches it too, it ignores.
PASSED_ON: dict[int, int] = {signal.SIGINT: signal.SIGUSR2}
MEANT = {passed: number for number, passed in PASSED_ON.items()}
HEEDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Signals:
    """While entered, `received` is the number of the first signal, or 0.

    Handlers can only be set in the main thread; elsewhere nothing is heeded and the process's own handling stays.

    last    whether the process only has to say how it ended afterwards: what was heeded is ignored from then on.
            Blocking it would not do, since another thread may be the one that hears it
    missed  the first signal of the latest one that was left without heeding it: it came just as a run ended by itself.
            Who would go on with another run must look, or the signal is lost
    """

    missed: ClassVar[int] = 0

    def __init__(self, last: bool = False) -> None:
        self.last = last
        self.received = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        Signals.missed = 0
        if threading.current_thread() is threading.main_thread():
            for number in HEEDED:
                # What is ignored stays ignored: nohup, a shell's background job. None: a handler not set from Python.
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if not (kind and issubclass(kind, Interrupted | KeyboardInterrupt)):
            Signals.missed = self.received
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_IGN if self.last else handler)
        self._before.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        number = MEANT.get(number, number)
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = self.received or number
