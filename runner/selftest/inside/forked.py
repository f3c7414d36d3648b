"""Children that are optrun as it is, forked from a process that has imported everything.

A fresh interpreter takes a second to import torch, a fork 15 ms: so thousands of bad files can be tried. An order is a
JSON object on a line of stdin:

    argv      the arguments of optrun           cwd   where
    limit_s   seconds after which it hangs      pictures  whether it draws them, which takes longer than a small run
    rows      epochs after which it is cut off as by Ctrl-C, with a commit after each of them; 0: it is not

and is answered with one on stdout: its exit code (minus the signal that ended it), what it wrote to stdout and stderr,
the seconds that it took, whether it hung, and the most memory that it had, in kB.
"""

from __future__ import annotations

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
from contextlib import redirect_stdout
from typing import Any, BinaryIO

import torch

from runner import cli, job
from runner.store import folder

MOST_MEMORY = 8 << 30  # bytes of addresses; torch alone has three thousand million of them


def child(order: dict[str, Any], out: BinaryIO, err: BinaryIO) -> int:
    """Be optrun."""
    os.setsid()  # so that its workers can be ended with it
    os.chdir(order["cwd"])
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), line_buffering=True)
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), line_buffering=True)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    if not order["pictures"]:
        job.drawn = lambda path: []
    if order["rows"]:
        cut_off_after(order["rows"])
    sys.argv = ["optrun", *order["argv"]]
    try:
        return cli.command()
    except SystemExit as end:  # of the parser of Hydra's flags
        return int(end.code or 0)


def cut_off_after(rows: int) -> None:
    """Have the next run commit in every epoch, and end before it writes one row more than these."""
    folder.LEAST_S = folder.SHARE = 0
    append = folder.RunFolder.append

    def interrupting(self: folder.RunFolder, *row: Any) -> None:
        if len(self.rows) == rows:
            raise KeyboardInterrupt
        append(self, *row)

    folder.RunFolder.append = interrupting  # type: ignore[method-assign, assignment]


def born(order: dict[str, Any]) -> dict[str, Any]:
    """Fork a child for an order and wait for its end."""
    reader, writer = os.pipe()
    begun = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            code = 70
            try:
                code = child(order, out, err)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        os.close(writer)
        hung = not select.select([reader], [], [], order["limit_s"])[0]  # readable as soon as the child has ended
        if hung:
            os.killpg(pid, signal.SIGKILL)
        os.close(reader)
        _, status, used = os.wait4(pid, 0)
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode(errors="replace"))
    return {
        "code": os.waitstatus_to_exitcode(status),
        "out": said[0],
        "err": said[1],
        "seconds": time.monotonic() - begun,
        "hung": hung,
        "peak_kb": used.ru_maxrss,
    }


def warm() -> None:
    """Import what a run, its resumption and its pictures import, by making one."""
    torch.set_num_threads(1)  # a pool of threads does not survive a fork
    with tempfile.TemporaryDirectory() as scratch, redirect_stdout(io.StringIO()):
        assert cli.main([f"hydra.run.dir='{scratch}/run'", "epochs=1", "architecture.hidden=[4]"]) == 0
        assert cli.main(["resume", f"{scratch}/run"]) == 0
        assert cli.main(["plot", f"{scratch}/run"]) == 0
    gc.freeze()  # the children share this memory as long as nobody writes to it


if __name__ == "__main__":
    warm()
    for line in sys.stdin:
        print(json.dumps(born(json.loads(line))), flush=True)
