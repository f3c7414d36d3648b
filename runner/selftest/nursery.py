"""A nursery: one interpreter that has imported everything, and forks a child for every order."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from runner.selftest import program
from runner.selftest.base import NotHeld

MODULE = "runner.selftest.inside.nursery"


class Order(Protocol):
    """Run optrun in a forked child; `inside/nursery.py` says what else can be ordered."""

    def __call__(self, *argv: str | Path, cwd: Path, **wanted: Any) -> dict[str, Any]: ...


@contextmanager
def nursery() -> Iterator[Order]:
    """A nursery, and how to order from it; one order at a time."""
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

    def order(*argv: str | Path, cwd: Path, **wanted: Any) -> dict[str, Any]:
        stdin.write(json.dumps({"argv": [*map(str, argv)], "cwd": str(cwd), "at": 0, "how": "before"} | wanted) + "\n")
        stdin.flush()
        if not (answer := stdout.readline()):
            raise NotHeld(f"the nursery has died of {[*map(str, argv)]}, {wanted}")
        return dict(json.loads(answer))

    try:
        yield order
    finally:
        stdin.close()
        stdout.close()
        process.wait()
