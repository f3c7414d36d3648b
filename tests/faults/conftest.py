"""The nursery, shared by the tests of a module: one interpreter that has imported everything."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.faults.program import HERE, environment

Order = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def child() -> Iterator[Order]:
    """Run optrun in a forked child; see nursery.py for what can be ordered."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "nursery.py")],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    stdin, stdout = process.stdin, process.stdout

    def order(**wanted: Any) -> dict[str, Any]:
        wanted["cwd"] = str(wanted["cwd"])
        wanted["argv"] = [str(argument) for argument in wanted["argv"]]
        stdin.write(json.dumps({"at": 0, "how": "before"} | wanted) + "\n")
        stdin.flush()
        answer = stdout.readline()
        assert answer, "the nursery has died"
        return dict(json.loads(answer))

    yield order
    stdin.close()
    stdout.close()
    process.wait()
