"""A process that has imported everything and forks a child for every order: what the two kinds of it have in common.

A fresh interpreter takes a second to import torch, a fork 15 ms: so the program can be tried thousands of times.

A child has a session of its own. It is waited for by itself, then for what it has started: all of that holds the end of
a pipe which nobody else has. Both have a limit, and what is there after it is ended and told with the stacks of its
threads: nothing that optrun does can stop the process that tries it.
"""

from __future__ import annotations

import faulthandler
import gc
import io
import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from typing import Any, NoReturn

import torch

from runner import cli

BROKEN = 70  # the exit code of a child that did not come to be optrun
GRACE_S = 10.0  # for what it started: a worker looks up as soon as nobody is left to work for, on a busy machine
LAST_WORDS_S = 2.0  # for the stacks of what does not end
LOOK_S = 0.001  # between two looks at a child


class Child:
    """A forked process that does `be` and ends with the exit code which that returns.

    code     how it ended: its exit code, or minus the signal; None before
    peak_kb  the most memory that it had
    """

    def __init__(self, be: Callable[[], int]) -> None:
        self._line, held = os.pipe()
        self.code: int | None = None
        self.peak_kb = 0
        self.pid = os.fork()
        if self.pid == 0:
            alone(be)
        os.close(held)

    def ended(self, limit_s: float) -> bool:
        """Wait for it so long; whether it has ended."""
        deadline = time.monotonic() + limit_s
        while self.code is None:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.code, self.peak_kb = os.waitstatus_to_exitcode(status), used.ru_maxrss
            elif time.monotonic() >= deadline:
                return False
            else:
                time.sleep(LOOK_S)
        return True

    def endless(self, limit_s: float) -> str:
        """Wait for it and for what it started, and leave nothing behind; what did not end by itself, if anything."""
        told = "" if self.ended(limit_s) else f"no end after {limit_s:.0f} s"
        if not told and not self._let_go(GRACE_S):
            told = f"a process that it started was still there {GRACE_S:.0f} s after its end"
        if told:
            self.send(signal.SIGABRT)  # for which faulthandler writes the stacks
            self.ended(LAST_WORDS_S)
            self._let_go(LAST_WORDS_S)
        self.kill()
        return told

    def kill(self) -> None:
        """End it and what it started, if any of it is still there."""
        self.send(signal.SIGKILL)
        self.ended(GRACE_S)
        if self._line >= 0:
            os.close(self._line)
            self._line = -1

    def send(self, number: int) -> None:
        """A signal for it and for what it started."""
        with suppress(ProcessLookupError, PermissionError):  # nobody there; on macOS, only who has ended
            os.killpg(self.pid, number)

    def _let_go(self, limit_s: float) -> bool:
        """Whether all who could hold the other end of its line are gone within so many seconds."""
        return bool(select.select([self._line], [], [], limit_s)[0])


def alone(be: Callable[[], int]) -> NoReturn:
    """Do something in a session of one's own, and end with it."""
    code = BROKEN
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        faulthandler.enable(file=2)
        code = be()
    except SystemExit as end:  # of the parser of Hydra's flags
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):  # to a full disk, or closed
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def warm() -> None:
    """Import what a run, its resumption and its pictures import, by making one."""
    torch.set_num_threads(1)  # a pool of threads does not survive a fork
    with tempfile.TemporaryDirectory() as scratch, redirect_stdout(io.StringIO()):
        assert cli.main([f"hydra.run.dir='{scratch}/run'", "epochs=1", "architecture.hidden=[4]"]) == 0
        assert cli.main(["resume", f"{scratch}/run"]) == 0
        assert cli.main(["plot", f"{scratch}/run"]) == 0
    gc.freeze()  # the children share this memory as long as nobody writes to it


def serve(born: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answer every order that comes in, until none comes any more."""
    warm()
    with suppress(KeyboardInterrupt):  # whoever gives the orders has it, too, and says so
        for line in sys.stdin:
            print(json.dumps(born(json.loads(line))), flush=True)
