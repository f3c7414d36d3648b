"""Children that run optrun to a chosen system call and are killed there.

An order is a JSON object on a line of stdin:

    argv    the arguments of optrun                  cwd   where
    at      the number of the call at which something happens, 0: none
    how     it dies "before" the call, "after" it, or "torn": after half of what was to be written; the call fails with
            "ENOSPC" or "EIO", with "ENOSPC+" like every later one that needs room; "short": half of it is written
    after_s seconds after which to send the child a signal, wherever it is
    signals which signals, one after the other: 9 alone unless said otherwise
    draws   whether it draws its pictures, which takes longer than a small run
    bytes   how large a file may become
    crowd   how many children to fork that do the same and start in the same instant
    limit_s seconds after which it hangs

and is answered with {"code": exit code or minus the signal, "calls": how many it made, "names": which, "said": its last
lines, "seconds": from the signal to the end, "codes": of all the crowd, "endless": what did not end by itself}.

With `after_s` or `crowd`, the clock of a child runs fifty times as fast, so that it commits often. Otherwise the clock
advances by the same amount at every look, so commits come after the same steps every time.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

from runner import cli, job, lanes, train
from runner.selftest.inside.parent import Child, serve
from runner.store import folder, pulse

COUNTED = ("mkdir", "write", "pwrite", "ftruncate", "fsync", "rename", "replace", "unlink")
NEED_ROOM = ("mkdir", "write", "pwrite", "fsync")
STREAMS = (1, 2)  # what is printed is no file of a run
USUAL = {signal.SIGINT: signal.default_int_handler} | dict.fromkeys(
    (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2), signal.SIG_DFL
)
USUALLY = {"signals": [signal.SIGKILL], "draws": False, "bytes": 0, "crowd": 1, "limit_s": 60.0}
BETWEEN_S = 0.002  # two signals: shorter, and the second finds the first still pending
LINES = 6  # of its output, which are told
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
            if arguments[0] in STREAMS:
                return call(*arguments, **options)
            self.names.append(name)
            if self.how == "ENOSPC+" and len(self.names) > self.at > 0 and name in NEED_ROOM:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if len(self.names) == self.at:
                if self.how == "short":
                    return (
                        call(arguments[0], arguments[1][: len(arguments[1]) // 2])
                        if name == "write"
                        else call(*arguments)
                    )
                if self.how.startswith("E"):
                    number = getattr(errno, self.how.rstrip("+"))
                    raise OSError(number, os.strerror(number))
                if self.how == "torn" and name == "write":
                    call(arguments[0], arguments[1][: len(arguments[1]) // 2])
                elif self.how == "after":
                    call(*arguments, **options)
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return counting


def be(order: dict[str, Any], member: int, report: BinaryIO, held: int, released: int) -> int:
    """Be optrun, from when `held` is closed at its other end."""
    os.close(released)
    os.read(held, 1)
    os.chdir(order["cwd"])
    for number, handler in USUAL.items():
        signal.signal(number, handler)  # also where this process runs in the background
    output = os.open(f"output{member or ''}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    folder.SHARE = 0
    if not order["draws"]:
        job.drawn = lambda path: []
    if order["bytes"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["bytes"], order["bytes"]))
    sys.argv = ["optrun", *order["argv"]]
    if "after_s" in order or order["crowd"] > 1:
        fast = SimpleNamespace(monotonic=lambda: 50 * time.monotonic(), sleep=time.sleep, time=time.time)
        train.time = folder.time = pulse.time = lanes.time = fast  # type: ignore[attr-defined, assignment]
        vars(lanes)["SHARE"] = 0  # imported there by name
        return cli.command()
    now = [0.0]

    def monotonic() -> float:
        now[0] += TICK_S
        return now[0]

    folder.LEAST_S = LEAST_S
    train.time = folder.time = pulse.time = SimpleNamespace(monotonic=monotonic, sleep=time.sleep, time=time.time)  # type: ignore[attr-defined, assignment]
    write = os.write  # which does not count
    calls = Countdown(order["at"], order["how"])
    code = cli.command()
    write(report.fileno(), json.dumps(calls.names).encode())
    return code


def born(order: dict[str, Any]) -> dict[str, Any]:
    """Fork the children for an order and wait for their end."""
    held, released = os.pipe()
    with tempfile.TemporaryFile(buffering=0) as report:
        crowd = [Child(partial(be, order, member, report, held, released)) for member in range(order["crowd"])]
        try:
            for end in (held, released):
                os.close(end)  # which lets the children begin
            begun = time.monotonic()
            if "after_s" in order and not crowd[0].ended(order["after_s"]):
                begun = time.monotonic()
                for number in order["signals"]:
                    os.kill(crowd[0].pid, number)  # nothing happens where it has ended: it is not yet waited for
                    time.sleep(BETWEEN_S)
            endless = next(filter(None, [child.endless(order["limit_s"]) for child in crowd]), "")
            seconds = time.monotonic() - begun
        finally:
            for child in crowd:
                child.kill()
        report.seek(0)
        names = json.loads(report.read() or b"[]")
    said = (Path(order["cwd"]) / "output.txt").read_text(errors="replace").splitlines()
    return {
        "code": crowd[0].code,
        "codes": [child.code for child in crowd],
        "calls": len(names),
        "names": names,
        "said": said if endless else said[-LINES:],
        "seconds": seconds,
        "endless": endless,
    }


if __name__ == "__main__":
    serve(lambda order: born(USUALLY | order))
