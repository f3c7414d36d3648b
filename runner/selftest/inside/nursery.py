"""Children that run optrun to a chosen system call and are killed there.

A fresh interpreter takes a second to import torch. This process does it once and forks a child for each order that
comes in on stdin, one JSON object a line:

    argv    the arguments of optrun                  cwd   where
    at      the number of the call to die at, 0: none
    how     "before" the call, "after" it, or "torn": after half of what was to be written
    after_s seconds after which to kill the child, wherever it is

and answers with {"code": exit code or minus the signal, "calls": how many it made, "names": which}.

In a child the clock advances by the same amount at every look, so commits come after the same steps every time.
"""

from __future__ import annotations

import gc
import io
import json
import os
import select
import signal
import sys
import tempfile
import time
from contextlib import redirect_stdout
from types import SimpleNamespace
from typing import Any

import torch

from runner import cli, job, train
from runner.store import folder

COUNTED = ("mkdir", "write", "pwrite", "ftruncate", "fsync", "rename", "replace", "unlink")
TICK_S = 0.037  # a look at the clock takes so long: the loop looks around every third step
LEAST_S = 0.7  # between two commits, by that clock: after 13, 10, 7 and 4 steps of an epoch of 13, for now


class Countdown:
    """The system calls that change files, counted; the process dies at one of them."""

    def __init__(self, at: int, how: str) -> None:
        self.at, self.how, self.names = at, how, list[str]()
        for name in COUNTED:
            setattr(os, name, self.counted(name, getattr(os, name)))

    def counted(self, name: str, call: Any) -> Any:
        def counting(*arguments: Any, **options: Any) -> Any:
            self.names.append(name)
            if len(self.names) == self.at:
                if self.how == "torn" and name == "write":
                    call(arguments[0], arguments[1][: len(arguments[1]) // 2])
                elif self.how == "after":
                    call(*arguments, **options)
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return counting


def child(order: dict[str, Any], report: int) -> int:
    """Be optrun."""
    os.chdir(order["cwd"])
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    folder.SHARE = 0
    job.drawn = lambda path: []
    if "after_s" in order:
        fast = SimpleNamespace(monotonic=lambda: 50 * time.monotonic(), sleep=time.sleep)
        train.time = folder.time = fast  # type: ignore[attr-defined, assignment]
        return cli.main(order["argv"])
    now = [0.0]

    def monotonic() -> float:
        now[0] += TICK_S
        return now[0]

    folder.LEAST_S = LEAST_S
    train.time = folder.time = SimpleNamespace(monotonic=monotonic, sleep=time.sleep)  # type: ignore[attr-defined, assignment]
    send = os.write
    calls = Countdown(order["at"], order["how"])
    code = cli.main(order["argv"])
    send(report, json.dumps(calls.names).encode())
    return code


def born(order: dict[str, Any]) -> dict[str, Any]:
    """Fork a child for an order and wait for its end."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        code = 70
        try:
            code = child(order, writer)
        finally:
            sys.stdout.flush()
            os._exit(code)
    os.close(writer)
    if "after_s" in order:
        select.select([reader], [], [], order["after_s"])  # readable as soon as the child has ended
        os.kill(pid, signal.SIGKILL)  # nothing happens where it has ended: it is not yet waited for
    with open(reader, "rb") as pipe:
        names = json.loads(pipe.read() or b"[]")
    _, status = os.waitpid(pid, 0)
    return {"code": os.waitstatus_to_exitcode(status), "calls": len(names), "names": names}


def warm() -> None:
    """Import what a run and its resumption import, by running one."""
    torch.set_num_threads(1)  # a pool of threads does not survive a fork
    with tempfile.TemporaryDirectory() as scratch, redirect_stdout(io.StringIO()):
        assert cli.main([f"hydra.run.dir='{scratch}/run'", "epochs=1", "architecture.hidden=[4]"]) == 0
        assert cli.main(["resume", f"{scratch}/run"]) == 0
    gc.freeze()  # the children share this memory as long as nobody writes to it


if __name__ == "__main__":
    warm()
    for line in sys.stdin:
        print(json.dumps(born(json.loads(line))), flush=True)
