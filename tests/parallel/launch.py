"""Programs that torchrun starts as several processes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from runner.selftest.program import Done, finished, started

SAID = "optrun: "


def launched(count: int, *arguments: str | Path, cwd: Path, module: str = "runner") -> subprocess.Popen[str]:
    """`torchrun --nproc-per-node=COUNT -m MODULE ARGUMENTS`."""
    return started(
        *(f"--nproc-per-node={count}", "--standalone", "-m", module, *arguments),
        cwd=cwd,
        module="torch.distributed.run",
        env={"OMP_NUM_THREADS": "1"},  # else torchrun sets it, and says so
    )


def ran(count: int, *arguments: str | Path, cwd: Path, module: str = "runner") -> Done:
    """The same, to its end."""
    return finished(launched(count, *arguments, cwd=cwd, module=module))


def said(done: Done) -> list[str]:
    """What our processes say on stderr; the launcher has more to say of its own."""
    return [line for line in done.err.splitlines() if line.startswith(SAID)]


def by_rank(launcher: subprocess.Popen[str]) -> dict[int, int]:
    """The numbers of the processes that a launcher has started, by rank."""
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    found = {}
    for child in children:
        environment = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        ranks = [entry.removeprefix(b"RANK=") for entry in environment if entry.startswith(b"RANK=")]
        found.update({int(rank): int(child) for rank in ranks})
    return found


def signalled(rank: int, number: int) -> Callable[[subprocess.Popen[str]], None]:
    """Sends a signal to the process of that rank."""
    return lambda launcher: os.kill(by_rank(launcher)[rank], number)
