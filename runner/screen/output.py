"""Standard output: what may be wrong with it, and that its errors are known as its own."""

from __future__ import annotations

import io
import os
import sys
from typing import IO


class Unsaid(OSError):
    """What was to be printed could not be written."""


class Out(io.FileIO):
    """A descriptor to print to, whose errors are told from those of every other file."""

    def write(self, data: bytes) -> int | None:  # type: ignore[override]
        try:
            return super().write(data)
        except BrokenPipeError:  # the reader has gone, which is no error
            raise
        except OSError as error:
            raise Unsaid(error.errno, error.strerror) from None


def spoken() -> None:
    """Make sure that whatever is said can be written, and who is to blame where it cannot.

    A terminal or a file of ASCII gets a question mark for any other character. What was closed before the program began
    becomes nowhere: otherwise the first file of the run would take its number, and be written into by whoever prints.
    """
    while (free := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(free)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - open as long as the process
    before = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    assert isinstance(before, io.TextIOWrapper)  # in a process of its own nobody has put another one there
    before.flush()
    raw, at_once = Out(1, "w", closefd=False), before.write_through
    sys.stdout = io.TextIOWrapper(
        raw if at_once else io.BufferedWriter(raw),
        before.encoding,
        errors="replace",
        line_buffering=before.line_buffering,
        write_through=at_once,
    )
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    assert isinstance(sys.stderr, io.TextIOWrapper)
    sys.stderr.reconfigure(errors="replace")


def forget(out: IO[str]) -> None:
    """Send what is still written to `out` nowhere: its reader is gone, and the interpreter would complain at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
    except (OSError, ValueError):
        pass
