"""The exit code after a signal is that of a program without any."""

from __future__ import annotations

from runner.core.errors import Interrupted


def plain(self: Interrupted, message: str, signal: int) -> None:
    super(Interrupted, self).__init__(message)
    self.exit_code = 1


Interrupted.__init__ = plain  # type: ignore[method-assign, assignment]
