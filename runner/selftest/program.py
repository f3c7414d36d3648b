"""The program as users run it: started in a process of its own, cut off, and what it left compared bit by bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import runner
from runner.selftest.base import NotHeld
from runner.store import checkpoint

IMPORTABLE = Path(runner.__file__).parents[1]  # the folder from which this package was imported
PYTHON = [sys.executable]  # and what stands in for it, where a test plants a defect in the program
PROGRAM = "runner"  # as in `python -m runner`
DEADLINE_S = 120.0  # for one process on a busy machine; reaching it is a hang

SMALL = ("architecture.hidden=[16]", "stop=epochs")
KEPT = ("theta", "buffers", "best_theta", "best_buffers", "memory", "step", "best_epoch", "noise_state")
# What a resumed run must repeat: three kinds of memory, with and without numbers that are drawn in every step.
CONFIGURATIONS = {
    f"{optimizer}{' with dropout' if dropout else ''}": (
        f"optimizer={optimizer}",
        "lr=0.01",
        f"architecture.dropout={dropout}",
        *SMALL,
    )
    for optimizer in ("sgd", "momentum", "adam")
    for dropout in (0, 0.2)
} | {
    "schedule-free with batch norm": (
        *("optimizer=schedule_free_adamw", "lr=0.01", "architecture/normalization=batch", "schedule=cyclic"),
        *SMALL,
    )
}


@dataclass(frozen=True)
class Done:
    """How a process ended."""

    code: int
    out: str
    err: str


def started(
    *arguments: str | Path,
    cwd: Path,
    module: str = PROGRAM,
    flags: tuple[str, ...] = (),
    env: dict[str, str] | None = None,
) -> subprocess.Popen[str]:
    """The program with these arguments as a new process; `module` stands in for the program, `env` is added."""
    return subprocess.Popen(
        [*PYTHON, *flags, "-m", module, *map(str, arguments)],
        cwd=cwd,
        env=environment() | (env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )


def environment() -> dict[str, str]:
    """The environment of this process, from which the same package is imported; output comes at once."""
    path = os.pathsep.join(filter(None, (str(IMPORTABLE), os.environ.get("PYTHONPATH"))))
    return os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "TERM": "dumb"}


def finished(process: subprocess.Popen[str], patience_s: float = DEADLINE_S) -> Done:
    """Wait for a process; one that does not end is ended, and is a `NotHeld`."""
    try:
        out, err = process.communicate(timeout=patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise NotHeld(f"no end after {patience_s} s\n{out}\n{err}") from None
    return Done(process.returncode, out, err)


def ran(*arguments: str | Path, cwd: Path, module: str = PROGRAM, env: dict[str, str] | None = None) -> Done:
    """Run the program to its end."""
    return finished(started(*arguments, cwd=cwd, module=module, env=env))


def completed(*arguments: str | Path, cwd: Path, module: str = PROGRAM, env: dict[str, str] | None = None) -> Done:
    """Run the program to its end, which must be a good one."""
    done = ran(*arguments, cwd=cwd, module=module, env=env)
    if done.code != 0:
        raise NotHeld(f"exit code {done.code} of `optrun {' '.join(map(str, arguments))}`\n{done.err}")
    return done


def killed_after(seconds: float, process: subprocess.Popen[str]) -> Done:
    """Kill a process, if it is still there after so many seconds."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    return finished(process)


def until(condition: Callable[[], bool], process: subprocess.Popen[str], patience_s: float = DEADLINE_S) -> None:
    """Wait until something is true; `NotHeld` where the process ends before, or time runs out."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if process.poll() is not None:
            raise NotHeld(f"the process ended before\n{finished(process)}")
        if time.monotonic() > deadline:
            process.kill()
            raise NotHeld(f"it never came true\n{finished(process)}")
        time.sleep(0.002)


def rows(folder: Path) -> int:
    """How many whole rows there are in metrics.csv."""
    path = folder / "metrics.csv"
    return path.read_bytes().count(b"\n") - 1 if path.exists() else 0


def commits(folder: Path) -> list[str]:
    """The names of the checkpoints, oldest first."""
    return sorted(path.name for path in (folder / "checkpoint").glob("*.ckpt"))


def temporary(folder: Path) -> list[Path]:
    """What was left half written."""
    return [path for path in folder.rglob("*") if path.name.endswith(".tmp")]


def remains(folder: Path) -> dict[str, Any]:
    """Everything that two equal runs have in common, floats as their bits."""
    found = checkpoint.newest(folder / "checkpoint")
    if found is None:
        raise NotHeld(f"no checkpoint in {folder}")
    content = found[0]["content"]
    summary = json.loads((folder / "summary.json").read_text())
    del summary["train_s"], summary["sha256"]
    return {
        "metrics.csv": (folder / "metrics.csv").read_bytes(),
        "summary.json": summary,
        "temporary files": temporary(folder),
        **{name: bits(content[name]) for name in KEPT},
    }


def bits(tree: Any) -> Any:
    """A tree with every tensor as (dtype, shape, bytes)."""
    match tree:
        case torch.Tensor():
            raw = tree.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
            return str(tree.dtype), tuple(tree.shape), raw
        case dict():
            return {key: bits(item) for key, item in tree.items()}
        case list() | tuple():
            return [bits(item) for item in tree]
        case _:
            return tree


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The names under which two `remains` differ: shorter to read than their bytes."""
    return [name for name in one | other if one.get(name) != other.get(name)]
