"""Recorders: where else the numbers of a run are written, for the dashboards that people have already.

What varies is the format. What is fixed: a recorder writes and cannot change anything; training with recorders is
bit-equal to training without. It is told of the configuration, of every row of `metrics.csv` once that is committed,
and of how the run ended; so a row that a kill takes away is in no log, and a resumed run repeats nothing there. A
recorder that fails is given up with a notice, for the run matters and its log does not. Nothing goes over a network,
unless the environment names a server of MLflow's.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from runner.core.check import Choice
from runner.core.errors import ConfigError, shown, visible

Row = Mapping[str, float]
Setting = bool | int | float | str


@dataclass(frozen=True)
class About:
    """What a recorder is told of a run before anything else.

    path      the run folder
    id        16 hexadecimal digits that no other run has, the same whenever the run is resumed
    title     what is trained on what, in one line
    settings  every choice and its arguments, by dotted key
    rows      those that are committed already: none of a new run
    """

    path: Path
    id: str
    title: str
    settings: Mapping[str, Setting]
    rows: Sequence[Row]


class Log(ABC):
    """What a recorder keeps open of one run."""

    @abstractmethod
    def rows(self, rows: Sequence[Row]) -> None:
        """Write committed rows, which follow those that are there."""

    @abstractmethod
    def end(self, summary: Mapping[str, Any]) -> None:
        """Write how the run ended, or was cut off: its `status` and, where it ended by itself, all of its summary."""

    @abstractmethod
    def close(self) -> None:
        """Give back what is held open."""


@dataclass(frozen=True)
class Recorder(Choice, ABC):
    """Somewhere to write to."""

    @property
    @abstractmethod
    def parts(self) -> tuple[Writer, ...]:
        """Those that write: itself, several, or none. Each may fail by itself."""

    def ready(self) -> None:
        """`ConfigError` where a package is missing."""
        for part in self.parts:
            part.refuse_missing()


@dataclass(frozen=True)
class Writer(Recorder, ABC):
    """A recorder that writes one log for each run.

    packages  module -> what it is for: those that it needs
    extra     what of optrun brings them: pip install 'optrun[extra]'
    """

    packages: ClassVar[Mapping[str, str]] = {}
    extra: ClassVar[str] = ""

    @property
    def parts(self) -> tuple[Writer, ...]:
        return (self,)

    def refuse_missing(self) -> None:
        """`ConfigError` where one of its packages is not there; importing it to see would take seconds."""
        for module, purpose in self.packages.items():
            spec = find_spec(module)
            if spec is None or spec.origin is None:  # a mere folder of that name, as wandb makes one, has no origin
                name, do = self.label.split()[0], f"pip install 'optrun[{self.extra}]'"
                raise ConfigError("recorder", name, allowed=f"{module} installed, {purpose}", do=do)

    @abstractmethod
    def begin(self, about: About) -> Log:
        """The log of a run, with the settings and `about.rows` in it, whatever an earlier process left of it."""


def outcome(summary: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a run as a whole: of its best epoch on validation, and on the test part.

    >>> outcome({"status": "completed", "best_epoch": 3, "best": {"lr": 0.1, "val_loss": 0.5}, "test": {"loss": 0.6}})
    {'best_epoch': 3, 'best_val_loss': 0.5, 'test_loss': 0.6}
    """
    if not summary.get("best"):
        return {}
    best = {f"best_{name}": value for name, value in summary["best"].items() if name.startswith("val_")}
    return {"best_epoch": summary["best_epoch"], **best, **{f"test_{k}": v for k, v in summary["test"].items()}}


def settings(described: Mapping[str, Any]) -> dict[str, Setting]:
    r"""A configuration as plain nodes, flat: `optimizer=adam`, `optimizer.eps=1e-8`; control characters as escapes.

    >>> settings({"lr": 0.1, "optimizer": {"_target_": "runner.optimizer.adam.Adam", "betas": [0.9, 0.99]}})
    {'lr': 0.1, 'optimizer': 'adam', 'optimizer.betas': '[0.9,0.99]'}
    >>> settings({"expect": {}, "device": "x\x1b[2J\ny"})
    {'expect': '{}', 'device': 'x\\x1b[2J\\ny'}
    """
    return dict(_flat("", described))


def _flat(key: str, node: Any) -> list[tuple[str, Setting]]:
    match node:
        case {"_target_": target, **arguments}:
            return [(key, named(target)), *(_flat(key, arguments) if arguments else [])]
        case dict() if node:
            inner = f"{key}." if key else ""
            return [each for name, value in node.items() for each in _flat(f"{inner}{one_line(str(name))}", value)]
        case bool() | int() | float():
            return [(key, node)]
        case _:
            return [(key, one_line(shown(node)))]


def named(target: str) -> str:
    """A class by its name in the menu, one of another package by its whole path.

    >>> named("runner.optimizer.adam.Adam"), named("torch.optim.adagrad.Adagrad")
    ('adam', 'torch.optim.adagrad.Adagrad')
    """
    return target.split(".")[-2] if target.startswith("runner.") else one_line(target)


def one_line(text: str) -> str:
    r"""A text for a name or a cell: what would steer a terminal or begin a line, as its escape.

    >>> print(one_line("a\tb\r\nc"))
    a\tb\r\nc
    """
    return visible(re.sub("[\t\n]", lambda found: {"\t": r"\t", "\n": r"\n"}[found[0]], text))
