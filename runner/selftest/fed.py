"""A process that is fed with orders and answers each: JSON, a line for an order and a line for its answer."""

from __future__ import annotations

import json
import select
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from runner.selftest import program
from runner.selftest.base import NotHeld

PATIENCE_S = 600.0  # with a process that has limits of its own for everything that it waits for

Ask = Callable[[dict[str, Any]], dict[str, Any]]


@contextmanager
def fed(module: str) -> Iterator[Ask]:
    """Where `python -m module` answers, one order at a time; `NotHeld` where no answer comes."""
    process = subprocess.Popen(
        [*program.PYTHON, "-m", module],
        env=program.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    stdin, stdout = process.stdin, process.stdout

    def ask(order: dict[str, Any]) -> dict[str, Any]:
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()
        if not select.select([stdout], [], [], PATIENCE_S)[0]:
            raise NotHeld(f"no answer after {PATIENCE_S:.0f} s from the process that is forked from: {order}")
        if not (answer := stdout.readline()):
            raise NotHeld(f"the process that is forked from has died of {order}")
        return dict(json.loads(answer))

    try:
        yield ask
    finally:
        stdin.close()
        stdout.close()
        try:
            process.wait(program.DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
