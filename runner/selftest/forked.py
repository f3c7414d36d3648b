"""optrun as it is, thousands of times: each a fork of one process that has imported everything."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from runner.selftest import program
from runner.selftest.base import NotHeld

MODULE = "runner.selftest.inside.forked"
LIMIT_S = 60.0  # for a small run on a busy machine


@dataclass(frozen=True)
class Answer:
    """How optrun ended; `inside/forked.py` says what is measured."""

    code: int
    out: str
    err: str
    seconds: float
    hung: bool
    peak_kb: int

    @property
    def wrong(self) -> str:
        """What is never right, whatever was asked for: a hang, a traceback, an end by a signal; nothing if all is."""
        if self.hung:
            return f"no end after {self.seconds:.0f} s"
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
    process = subprocess.Popen(
        [*program.PYTHON, "-m", MODULE],
        env=program.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    stdin, stdout = process.stdin, process.stdout

    def optrun(*argv: str | Path, cwd: Path, limit_s: float = LIMIT_S, pictures: bool = False, rows: int = 0) -> Answer:
        order = {"argv": [*map(str, argv)], "cwd": str(cwd), "limit_s": limit_s, "pictures": pictures, "rows": rows}
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()
        if not (answer := stdout.readline()):
            raise NotHeld(f"the process that is forked from has died of {order}")
        return Answer(**json.loads(answer))

    try:
        yield optrun
    finally:
        stdin.close()
        stdout.close()
        process.wait()
