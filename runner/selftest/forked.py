"""optrun as it is, thousands of times: each a fork of one process that has imported everything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from runner.selftest.fed import fed

MODULE = "runner.selftest.inside.forked"
LIMIT_S = 60.0  # for a small run on a busy machine


@dataclass(frozen=True)
class Answer:
    """How optrun ended; `inside/forked.py` says what is measured, and where something did not end."""

    code: int
    out: str
    err: str
    seconds: float
    endless: str
    peak_kb: int

    @property
    def wrong(self) -> str:
        """What is never right, whatever was asked for: a hang, a traceback, an end by a signal; nothing if all is."""
        if self.endless:
            return f"{self.endless}\n{self.err}"
        if self.code == 1 or "Traceback (most recent call last)" in self.err:
            return f"exit code {self.code} and {self.err[-600:]}"
        return f"ended by signal {-self.code}" if self.code < 0 else ""


class Optrun(Protocol):
    """`optrun ARGV` in the folder `cwd`."""

    def __call__(
        self, *argv: str | Path, cwd: Path, limit_s: float = LIMIT_S, pictures: bool = False, rows: int = 0
    ) -> Answer: ...


@contextmanager
def forks() -> Iterator[Optrun]:
    """Where optrun is forked from, one at a time."""
    with fed(MODULE) as ask:

        def optrun(
            *argv: str | Path, cwd: Path, limit_s: float = LIMIT_S, pictures: bool = False, rows: int = 0
        ) -> Answer:
            limits = {"limit_s": limit_s, "pictures": pictures, "rows": rows}
            return Answer(**ask({"argv": [*map(str, argv)], "cwd": str(cwd)} | limits))

        yield optrun
