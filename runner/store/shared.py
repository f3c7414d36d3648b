"""The run folder of one run on several processes: the first one writes it, all see the same of it.

Rows, seconds, commits and signals decide when a run stops and what it does next. So the seconds are those of process 0,
a signal to any process is one to all, and the other processes, which may stand on machines without that folder, are
told what its last commit holds.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from runner.core.errors import ProcessLost
from runner.core.processes import Processes
from runner.core.signals import Signals
from runner.store import checkpoint
from runner.store.base import Row
from runner.store.folder import RunFolder
from runner.store.pulse import LOOK_S


class SharedFolder:
    """What `RunFolder` is for one process.

    own  the open folder, on process 0 alone

    Making one, `append` and `commit` wait for the other processes.
    """

    def __init__(self, processes: Processes, own: RunFolder | None) -> None:
        self._processes, self._own = processes, own
        self.rows: list[Row] = []
        about: dict[str, Any] = {}
        if own is not None:
            self.rows = own.rows
            about = {"path": str(own.path), "columns": own.columns, "rows": json.dumps(own.rows)}
            about |= {"restored": own.restored, "elapsed_s": own.elapsed_s}
        told = processes.told(checkpoint.encode(about) if own is not None else b"")
        if own is None:
            about = checkpoint.decode(told)
            self.rows = json.loads(about["rows"])
        self.path, self.columns = Path(about["path"]), tuple(about["columns"])
        self.restored: dict[str, Any] | None = about["restored"]
        self.elapsed_s: float = about["elapsed_s"]

    def expect(self, size: int) -> None:
        if self._own is not None:
            self._own.expect(size)

    def pulse(self, signals: Signals) -> SharedPulse:
        return SharedPulse(self, signals)

    def agreed(self, signal: int, steps: float) -> tuple[int, bool, float]:
        """(the signal to any process, whether a commit is due, what process 0 gives as `steps`); notes the time."""
        due = self._own is not None and self._own.due(LOOK_S)
        first = [float(due), steps, self._own.elapsed_s] if self._own is not None else [0.0, 0.0, 0.0]
        slots = [float(signal) if rank == self._processes.rank else 0.0 for rank in range(self._processes.size)]
        due_sum, ahead, self.elapsed_s, *signals = self._processes.sums([*first, *slots])
        return int(max(signals)), due_sum > 0, ahead

    def append(self, row: Row, epoch_s: float, examples: int) -> None:
        """Process 0 writes the row; the time is agreed on, by which a stop rule may go."""
        if self._own is not None:
            self._own.append(row, epoch_s, examples)
        else:
            self.rows.append(row)
        self.agreed(0, 0.0)

    def commit(self, content: dict[str, Any]) -> None:
        """Process 0 commits, after the processes have seen that they have the same parameters.

        That costs a hash of theta beside the one that a commit takes of everything: 2 ms for a million in float32.
        """
        stranger = self._processes.stranger(content["theta"].cpu().numpy().tobytes())
        if stranger is not None:
            raise ProcessLost(
                f"process {stranger} has come to other parameters than process 0 by step {content['step']}: "
                "all must compute alike, on machines of one kind"
            )
        if self._own is not None:
            self._own.commit(content)

    def sync(self) -> None:
        if self._own is not None:
            self._own.sync()

    def tell(self) -> None:
        if self._own is not None:
            self._own.tell()

    def conclude(self, summary: dict[str, Any]) -> None:
        if self._own is not None:
            self._own.conclude(summary)

    def close(self) -> None:
        """Release the lock."""
        if self._own is not None:
            self._own.__exit__()


class SharedPulse:
    """Looks up after the same steps on all processes: about ten times a second by the clock of process 0.

    To look costs a sum, so after each look process 0 says after how many steps the next one comes, from its pace.
    """

    def __init__(self, folder: SharedFolder, signals: Signals) -> None:
        self._folder, self._signals = folder, signals
        self._step = self._next = 0
        self._last = (0, time.monotonic())

    def starts(self) -> None:
        self._next = 0

    def beats(self, step: int) -> bool:
        self._step = step
        return step >= self._next

    def seen(self) -> tuple[int, bool]:
        now = time.monotonic()
        step, then = self._last
        pace = (self._step - step) / max(now - then, 1e-9)  # steps a second
        self._last = self._step, now
        signal, due, ahead = self._folder.agreed(self._signals.received, max(1.0, LOOK_S * pace // 1))
        self._next = self._step + int(ahead)
        return signal, due
