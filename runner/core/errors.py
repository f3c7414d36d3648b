"""What can end a run, each with the exit code that the shell sees.

    0 ok            2 bad configuration or data   4 disk     6 corrupt         8 an expectation missed
    1 unexpected    3 diverged                    5 locked   7 out of memory   9 a process of the run was lost
    130 interrupted, 143 terminated

An error tells what was given, what is allowed and what to do. Only an unexpected one shows a traceback.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

# C0 and C1 without tab and line feed, marks of direction, surrogates without a partner
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class OptrunError(Exception):
    """An end that is not a bug: it has a message for the user and an exit code."""

    exit_code = 1


@dataclass(frozen=True)
class Refusal:
    """The three parts of a refusal: `key=given`, what is `allowed`, what to `do`."""

    key: str
    given: str
    allowed: str
    do: str

    def __str__(self) -> str:
        what = f"{self.key}={self.given}" if self.key and self.given else self.key or self.given
        return f"{what} is refused\n  allowed: {self.allowed}\n  do this: {self.do}"


class ConfigError(OptrunError):
    """A value, a key or a combination that cannot be trained; found before any training.

    >>> print(ConfigError("lr", -1, allowed="a number above 0", do="try lr=0.001"))
    lr=-1 is refused
      allowed: a number above 0
      do this: try lr=0.001
    """

    exit_code = 2

    def __init__(self, key: str, given: Any, *, allowed: str, do: str) -> None:
        self.refusal = Refusal(key, shown(given), allowed, do)
        super().__init__(str(self.refusal))

    def under(self, parent: str) -> ConfigError:
        """The same refusal seen from one level up: `betas` becomes `optimizer.betas`."""
        error = type(self)("", None, allowed="", do="")
        inner = self.refusal
        do = inner.do.replace(f"{inner.key}=", f"{parent}.{inner.key}=") if inner.key else inner.do
        error.refusal = replace(inner, key=f"{parent}.{inner.key}" if inner.key else parent, do=do)
        error.args = (str(error.refusal),)
        return error


class TakenError(ConfigError):
    """A new run was to be made where there is one already."""


class DataError(ConfigError):
    """A file of the user's that does not hold what it should; names the file and the place in it."""


class Diverged(OptrunError):
    """The loss or the norm of the gradient is not finite: a result, not a fault, found before the update is applied."""

    exit_code = 3

    def __init__(self, loss: float, norm: float) -> None:
        super().__init__(f"the training loss is {loss} and the norm of its gradient {norm}")
        self.loss = loss
        self.norm = norm


class DiskError(OptrunError):
    """Something could not be written or read; names the file and the cause."""

    exit_code = 4


class LockedError(OptrunError):
    """Another process owns this run folder or sweep folder."""

    exit_code = 5


class CorruptError(OptrunError):
    """A file of the run folder does not hold what was written to it."""

    exit_code = 6


class OutOfMemory(OptrunError):
    """The device has no room for this run."""

    exit_code = 7


class ExpectationMissed(OptrunError):
    """A number that was asked for with `expect.` was not reached, or a gradient is not the slope that it should be."""

    exit_code = 8


class ProcessLost(OptrunError):
    """One of the processes of a run is gone, or has other numbers than the others; what was committed is kept."""

    exit_code = 9


class Interrupted(OptrunError):
    """A signal asked the run to stop; it has committed and can be resumed."""

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal


def shown(value: Any) -> str:
    """A value as the user would have typed it.

    >>> shown([0.9, 1.0]), shown(True), shown("adamm"), shown(None)
    ('[0.9,1.0]', 'true', 'adamm', 'null')
    """
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list() | tuple():
            return "[" + ",".join(shown(item) for item in value) + "]"
        case dict():
            return "{" + ",".join(f"{key}:{shown(item)}" for key, item in value.items()) + "}"
        case _:
            return str(value)


def visible(text: str) -> str:
    r"""The text with control characters as their escapes: a name in a file must not steer the terminal that shows it.

    Line ends and tabs stay; so do letters of every script, but not the marks that turn the direction of writing.

    >>> print(visible("x\x1b[2J\u202e1 é"))
    x\x1b[2J\u202e1 é
    """
    return STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def did_you_mean(given: str, known: list[str]) -> str:
    """`did you mean adam? ` where one of the known names is close, else nothing.

    >>> did_you_mean("adamm", ["adam", "sgd"])
    'did you mean adam? '
    >>> did_you_mean("xyz", ["adam", "sgd"])
    ''
    """
    close = get_close_matches(given, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]}? " if close else ""
