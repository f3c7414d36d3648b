"""Children that are optrun as it is, thousands of them.

An order is a JSON object on a line of stdin:

    argv      the arguments of optrun           cwd   where
    limit_s   seconds after which it hangs      pictures  whether it draws them, which takes longer than a small run
    rows      epochs after which it is cut off as by Ctrl-C, with a commit after each of them; 0: it is not

and is answered with one on stdout: its exit code (minus the signal that ended it), what it wrote to stdout and stderr,
the seconds that it took, what of it did not end by itself, and the most memory that it had, in kB.
"""

from __future__ import annotations

import io
import os
import resource
import sys
import tempfile
import time
from functools import partial
from typing import Any, BinaryIO

from runner import cli, job
from runner.selftest.inside.parent import Child, serve
from runner.store import folder

MOST_MEMORY = 8 << 30  # bytes of addresses; torch alone has three thousand million of them


def be(order: dict[str, Any], out: BinaryIO, err: BinaryIO) -> int:
    """Be optrun."""
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
    return cli.command()


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
    begun = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = Child(partial(be, order, out, err))
        try:
            endless = child.endless(order["limit_s"])
        finally:
            child.kill()
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode(errors="replace"))
    return {
        "code": child.code,
        "out": said[0],
        "err": said[1],
        "seconds": time.monotonic() - begun,
        "endless": endless,
        "peak_kb": child.peak_kb,
    }


if __name__ == "__main__":
    serve(born)
