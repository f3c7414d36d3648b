"""What is committed of a run is told to its recorders; what one of them raises ends that one and nothing else.

The libraries behind them were not made for many threads, and the runs of a group are concluded in several: so one log
is written at a time in a process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import Any

from runner.core.errors import Interrupted, visible
from runner.recorder.base import About, Log, Recorder, Row

ONE_AT_A_TIME = threading.RLock()


class Recording:
    """The logs of one run, as a listener of its folder.

    failures  what the recorders met that were given up, in words
    """

    def __init__(self, recorder: Recorder, about: About, notice: Callable[[str], None]) -> None:
        self.failures: list[str] = []
        self._notice = notice
        self._told = len(about.rows)
        self._logs: dict[str, Log] = {}
        for part in recorder.parts:
            with self._surviving(part.label):
                part.refuse_missing()
                self._logs[part.label] = part.begin(about)

    def committed(self, rows: Sequence[Row]) -> None:
        """So many rows are there for good."""
        new = [MappingProxyType(dict(row)) for row in rows[self._told :]]
        self._told = max(self._told, len(rows))
        if new:
            self._each(lambda log: log.rows(new))

    def concluded(self, summary: Mapping[str, Any]) -> Sequence[str]:
        """The run has ended, or was cut off; what was not recorded of it, in words."""
        self._each(lambda log: log.end(MappingProxyType(dict(summary))))
        return self.failures

    def close(self) -> None:
        """Give back what the logs hold open."""
        self._each(lambda log: log.close())
        self._logs.clear()

    def _each(self, tell: Callable[[Log], None]) -> None:
        for name, log in list(self._logs.items()):
            with self._surviving(name):
                tell(log)

    @contextmanager
    def _surviving(self, name: str) -> Iterator[None]:
        try:
            with ONE_AT_A_TIME:
                yield
        except Interrupted:
            raise
        except Exception as error:
            self._give_up(name, error)

    def _give_up(self, name: str, error: Exception) -> None:
        """Go on without a recorder."""
        if (log := self._logs.pop(name, None)) is not None:
            with suppress(Exception):  # what it holds open is as broken as it is
                log.close()
        cause = "; ".join(line.strip() for line in visible(str(error)).splitlines()) or type(error).__name__
        self.failures.append(f"{name} records no more of this run: {cause}")
        self._notice(self.failures[-1])
